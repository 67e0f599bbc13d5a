// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Promote makes a running master write again that refuses because of other masters: it takes an epoch later than all that it knows of,
// in one commit. Somebody has decided by that which of them counts; the others refuse as soon as they hear of it.
func (m *Master) Promote(ctx context.Context) error {
	_, err := m.do(ctx, read{kind: promoteRequest})
	return err
}

// promote takes a later epoch than from and than all others that are known. A request that came twice finds it done.
func (m *Master) promote(req *request) {
	if m.failed != nil {
		req.answer(answer{err: m.failed})
		return
	}
	if req.epoch != 0 && req.epoch < m.history.epoch {
		req.answer(answer{ok: true})
		return
	}
	epoch := max(m.history.epoch, m.rivals.fenced)
	for _, other := range m.rivals.known {
		epoch = max(epoch, other.epoch)
	}
	m.thaw("this master was promoted")
	m.history.epoch = epoch + 1
	m.own.position.Epoch, m.status.Epoch, m.dirty = epoch+1, epoch+1, true
	if err := firstOf(setNumber(m.be, metaEpoch, epoch+1), setNumber(m.be, metaWritersSince, m.own.writersSince), m.be.SetMeta(metaFencedFor, nil)); err != nil {
		m.fail(err)
	}
	m.handing.done = 0
	m.log.Warn("promoted", "epoch", epoch+1)
	m.judge()
	m.promoted = append(m.promoted, req)
}

// answerPromoted answers who asked for a promotion that is committed, and tells the others.
func (m *Master) answerPromoted() {
	if len(m.promoted) == 0 {
		return
	}
	for _, req := range m.promoted {
		req.answer(answer{ok: true, err: m.failed})
	}
	m.promoted = nil
	if m.failed == nil {
		m.announce(0)
	}
}

// Promote makes the master there write again (Master.Promote). If it has a later epoch by now than in its report, it was promoted already.
func (s *Source) Promote(ctx context.Context) error {
	_, err := s.query(ctx, opPromote, data.Count(s.epoch))
	return err
}
