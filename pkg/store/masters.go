// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

const (
	// announceTicks is how often a master tells others of its name that it is there.
	announceTicks = 10
	// metaFenced is where a master keeps the epoch of a later master of its history: it must not write until it has a later one itself.
	metaFenced = "fenced"
)

// rivals are the other masters of the name.
type rivals struct {
	known map[data.EntityID]rival
	// fenced is the latest epoch that the history has at another master, 0 if that is none that counts.
	fenced uint64
	// refusing is why this master does not write, nil if it does.
	refusing error
}

// rival is what another master last said of itself.
type rival struct {
	history       command.History
	epoch, number uint64
	fenced        bool
	since         uint64 // the tick in which it was first heard
}

// loadFence reads whether another master has taken over. A new epoch is later than any.
func (m *Master) loadFence() error {
	raw, err := m.be.Meta(metaFenced)
	if err != nil || len(raw) != 8 {
		return err
	}
	m.rivals.fenced = binary.BigEndian.Uint64(raw)
	if m.opt.NewEpoch && m.history.epoch <= m.rivals.fenced {
		m.history.epoch = m.rivals.fenced + 1
		m.own.position.Epoch, m.status.Epoch, m.dirty = m.history.epoch, m.history.epoch, true
		m.own.writersSince = m.history.epoch
		if err := firstOf(setNumber(m.be, metaEpoch, m.history.epoch), setNumber(m.be, metaWritersSince, m.history.epoch)); err != nil {
			return err
		}
	}
	m.judge()
	return nil
}

// announce tells the other masters of the name, and nobody else, what this one has.
func (m *Master) announce(flags uint64) {
	if m.rivals.fenced > m.history.epoch {
		flags |= command.FlagFenced
	}
	p := m.own.position
	msg := command.Message{Sender: m.id, Body: &command.Keepalive{Seq: m.clones.Seq()}, Trailer: &command.Trailer{
		Features: features, History: p.History, Epoch: p.Epoch, Number: m.clones.Seq(), Run: p.Run, Flags: flags,
	}}
	if err := m.bus.SendCommand(topic.Master(m.name), data.EndpointID{}, msg.Marshal()); err != nil {
		m.log.Debug("the announcement was not sent", "error", err)
	}
}

// meetMaster takes what another master of the name says, and answers whether msg was that.
func (m *Master) meetMaster(msg command.Message) bool {
	t := msg.Trailer
	if t == nil || t.Run == 0 || msg.Body.Kind() != command.KindKeepalive {
		return false
	}
	before, met := m.rivals.known[msg.Sender]
	r := rival{history: t.History, epoch: t.Epoch, number: t.Number, fenced: t.Flags&command.FlagFenced != 0, since: m.tick}
	if met {
		r.since = before.since
	}
	switch {
	case t.Flags&command.FlagClosing != 0:
		delete(m.rivals.known, msg.Sender)
		m.log.Info("another master of the store has ended", "master", msg.Sender.String())
	case len(m.rivals.known) >= maxPeers && !met:
		return true
	default:
		for id := range m.rivals.known { // an endpoint has one master of a name at a time
			if id.Endpoint == msg.Sender.Endpoint {
				delete(m.rivals.known, id)
			}
		}
		m.rivals.known[msg.Sender] = r
	}
	if !met && t.Flags&command.FlagClosing == 0 {
		m.log.Warn("there is another master of the store", "master", msg.Sender.String(), "history", HistoryID(t.History).String(),
			"epoch", t.Epoch, "number", t.Number)
		m.announce(0) // so that it need not wait to know
	}
	if t.History == m.own.position.History {
		m.fence(t.Epoch)
	}
	if !met || before.epoch != r.epoch || before.fenced != r.fenced || t.Flags != 0 {
		m.judge()
	}
	return true
}

// fence takes note of an epoch of this history that is later than this master's own: it must not write any more, not even after a restart.
func (m *Master) fence(epoch uint64) {
	if epoch <= m.history.epoch || epoch <= m.rivals.fenced {
		return
	}
	m.log.Error("another master has taken over the store; this one writes no more", "epoch", m.history.epoch, "later", epoch)
	m.rivals.fenced, m.dirty = epoch, true
	if err := setNumber(m.be, metaFenced, epoch); err != nil {
		m.fail(err)
	}
	m.judge()
}

// harmless tells whether the other writes nothing beside a master of an epoch.
func (r rival) harmless(epoch uint64) bool { return r.fenced || r.epoch < epoch }

// judge decides whether this master may write: not if its history has a later epoch, nor beside another master of the same epoch or a
// later one, until that one has ended or somebody has promoted one of them.
func (m *Master) judge() {
	r := &m.rivals
	r.refusing = nil
	if r.fenced > m.history.epoch {
		r.refusing = ErrFenced
	}
	var told []string
	for id, other := range r.known {
		if !other.harmless(m.history.epoch) {
			r.refusing = ErrFenced
		}
		if other.harmless(m.history.epoch) && m.tick-other.since < announceTicks {
			continue // whom this one succeeds is about to end; onTick looks again
		}
		told = append(told, fmt.Sprintf("master %s, history %s, epoch %d", id, HistoryID(other.history), other.epoch))
	}
	slices.Sort(told)
	m.status.Conflict, m.status.Fenced = "", r.refusing != nil
	switch {
	case r.refusing != nil && len(told) > 0:
		m.status.Conflict = "writes are refused: " + strings.Join(told, "; ")
	case r.refusing != nil:
		m.status.Conflict = fmt.Sprintf("writes are refused: another master took over with epoch %d", r.fenced)
	case len(told) > 0:
		m.status.Conflict = "the other refuses writes: " + strings.Join(told, "; ")
	}
}
