// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// repeatBytesPerTick limits how soon a snapshot is sent again to a clone that keeps asking while the first one is on its way: a
// clone asks every 200 ms until it has all of it.
const repeatBytesPerTick = 512 << 10

// handshakes are the snapshots on their way to clones that have not answered yet.
type handshakes struct {
	pending map[data.EntityID]*pendingHandshake
	// snapshot is the current content, if somebody needed it since the last change. Clones that attach together share it.
	snapshot *command.Snapshot
	// failed is a clone whose snapshot could not be sent.
	failed data.EntityID
}

// pendingHandshake is kept until the clone's first ack: it gets the same answer for as long as it asks.
type pendingHandshake struct {
	offset uint64
	state  *command.Snapshot
	sentAt uint64
}

// outdated forgets the snapshot of a content that is about to change.
func (h *handshakes) outdated() { h.snapshot = nil }

// done forgets what was kept for a clone.
func (h *handshakes) done(clone data.EntityID) {
	delete(h.pending, clone)
	if len(h.pending) == 0 {
		h.snapshot = nil
	}
}

// fillHandshakes gives the handshakes among the messages from an index on the snapshot that belongs to them. It has to happen before
// the next change is executed.
func (m *Master) fillHandshakes(from int) {
	for i := from; i < len(m.out.toClones); i++ {
		msg := &m.out.toClones[i]
		if msg.Kind != channel.Handshake {
			continue
		}
		p := m.pendingHandshake(msg.To, msg.Seq)
		if p == nil {
			continue
		}
		reply := command.Message{Seq: p.offset, Sender: m.id, Receiver: msg.To, Body: &command.AckClone{
			Offset: p.offset, Interval: channel.DefaultHeartbeat, State: *p.state,
		}}
		msg.Payload = reply.Marshal()
	}
}

// pendingHandshake is what to answer to a clone, or nil if it has to be patient.
func (m *Master) pendingHandshake(clone data.EntityID, offset uint64) *pendingHandshake {
	h := &m.handshake
	if p := h.pending[clone]; p != nil {
		if m.tick-p.sentAt < uint64(p.state.Size()/repeatBytesPerTick) {
			return nil
		}
		p.sentAt = m.tick
		return p
	}
	if h.snapshot == nil {
		state := new(command.Snapshot)
		if err := m.fillSnapshot(state); err != nil {
			m.fail(err)
			return nil
		}
		h.snapshot = state
	}
	p := &pendingHandshake{offset: offset, state: h.snapshot, sentAt: m.tick}
	if _, established := m.clones.Has(clone); !established {
		if h.pending == nil {
			h.pending = map[data.EntityID]*pendingHandshake{}
		}
		h.pending[clone] = p
	} else if len(h.pending) == 0 {
		h.snapshot = nil
	}
	return p
}

// fillSnapshot reads the content as it is now.
func (m *Master) fillSnapshot(state *command.Snapshot) error {
	content, err := m.snapshot()
	if err != nil {
		return err
	}
	defer content.Close()
	state.Grow(int(content.Size().Bytes))
	for e, err := range content.Entries() {
		if err != nil {
			return err
		}
		state.Add(e.Key, e.Value)
	}
	return nil
}
