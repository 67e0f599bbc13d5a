// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// update takes the peer's new filter.
func (p *peer) update(en *entry) error {
	if en.env == nil {
		return &peering.Error{Class: peering.Lost, Peer: p.Peer, Text: "routing_update with a broken header"}
	}
	filter, err := wire.ParseFilter(en.payload)
	if err != nil {
		return &peering.Error{Class: peering.Lost, Peer: p.Peer, Text: "malformed routing_update", Err: err}
	}
	if en.env.Receiver != p.e.opt.ID {
		p.drop(DropFrame, 1)
		return nil
	}
	p.e.change(func() {
		p.filter = topic.NewFilter(filter...)
		if p.e.mu.mesh != nil && p.is.Load().mesh {
			p.e.mu.mesh.Link(p.Peer, p.filter)
		}
	})
	p.log.Debug("filter", "entries", len(filter))
	return nil
}

// pong answers a ping that is addressed to this endpoint or to nobody. The answer to a closing ping goes behind all that is queued.
func (p *peer) pong(env *wire.Envelope) {
	if env.Receiver != p.e.opt.ID && !env.Receiver.IsZero() {
		p.drop(DropFrame, 1)
		return
	}
	p.introduced(env.Payload)
	p.counted(env.Payload)
	p.deliver() // the answer says that everything before has arrived
	frame := p.frame(wire.TypePong, env.Payload)
	if !wire.IsBye(env.Payload) {
		p.control(frame)
	} else if p.Queue.Last(frame) == peering.Overflowed {
		p.Fail(&peering.Error{Class: peering.Overflow, Peer: p.Peer, Text: "too many pings"})
	}
}

// introduced takes the announcement of a peer that was too slow with it and counted as foreign until now. It stands before everything
// else that such a peer sends, link state and stamped messages included.
func (p *peer) introduced(payload []byte) {
	if p.outside() || p.is.Load().known {
		return
	}
	a, ok := wire.ParseAnnouncement(payload)
	if !ok {
		return
	}
	p.e.change(func() {
		p.is.Store(natureOf(p.e.opt.features(), a.Features))
		if p.e.mu.peers[p.Peer] == p {
			p.e.linkLocked(p)
		}
	})
	p.log.Info("peer has announced itself late", "class", p.class().String())
	p.e.news.tell()
}

// ponged takes the answer to a ping: of the closing handshake, or of somebody who waits.
func (p *peer) ponged(payload []byte) {
	p.e.mu.Lock()
	done := p.bye != nil && bytes.Equal(payload, p.bye)
	p.e.mu.Unlock()
	if done {
		p.part()
		return
	}
	p.rtt.ponged(payload)
	p.pings.Lock()
	defer p.pings.Unlock()
	if ch := p.pings.waiting[string(payload)]; ch != nil {
		close(ch)
		delete(p.pings.waiting, string(payload))
	}
}

// throttle lets one log line through for each interval. It belongs to one goroutine.
type throttle struct{ last time.Time }

func (t *throttle) log(f func()) {
	if now := time.Now(); now.Sub(t.last) >= logInterval {
		t.last = now
		f()
	}
}

func appendUint64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }
