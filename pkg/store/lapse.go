// SPDX-License-Identifier: Apache-2.0

package store

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// withhold keeps a group to itself whose commit took longer than the lease: somebody else may be the master by now, who does not have it.
// It is as if the commit took until the next lease, and answers whether that is so.
func (m *Master) withhold(items []item) bool {
	wrote := m.wrote
	m.wrote = false
	l := &m.board.lease
	if !l.required || !wrote || m.lapsed || m.failed != nil || l.left(time.Now()) > 0 {
		return false
	}
	m.lapsed = true
	m.log.Warn("the lease ended during a commit; what is in it is told when there is another one")
	for _, it := range append(items, m.handing.thawed...) {
		if it.pending != nil {
			m.withheld = append(m.withheld, it)
		}
	}
	m.handing.thawed = nil
	return true
}

// endLapse tells what was withheld, once there is a lease again; or that nobody knows what will become of it, when another master has
// taken over, or in the end.
func (m *Master) endLapse(last bool) {
	if !m.lapsed {
		return
	}
	switch {
	case m.failed != nil:
	case m.rivals.refusing != nil || last:
		for i := range m.withheld {
			m.withheld[i].ok, m.withheld[i].err = false, ErrUnknown
		}
		m.out.reset()
		m.feed.drop()
	case m.board.lease.left(time.Now()) == 0:
		return
	}
	m.answerWrites(m.withheld)
	m.lapsed, m.withheld = false, nil
}

// receiveLapsed takes of all commands those of other masters alone.
func (m *Master) receiveLapsed(payload []byte) {
	if kind, _, _, ok := command.Peek(payload); !ok || kind != command.KindKeepalive {
		return
	}
	if msg, err := command.Parse(payload); err == nil && msg.Sender != m.id {
		m.meetMaster(msg)
	}
}
