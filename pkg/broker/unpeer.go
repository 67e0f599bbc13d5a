// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// closeTimeout is how long a peer may take to answer the closing ping.
const closeTimeout = 3 * time.Second

// Unpeer ends the peering with an address: one that was dialed, or the remote address of an accepted peer. No further attempt is made.
// What was queued for the peer is written before the closing handshake; Unpeer returns when that is over, after 3 s at the latest, or
// with the context's error, while closing goes on. An address without connection and attempts is code.PeerInvalid.
func (e *Endpoint) Unpeer(ctx context.Context, address string) error {
	address, err := peering.Normalize(address)
	if err != nil {
		return err
	}
	e.mu.Lock()
	t := e.mu.targets[address]
	var p *peer
	if t != nil {
		p = t.peer
		t.endLocked()
	} else {
		for c := range e.mu.conns {
			if c.address == address {
				p = c
				break
			}
		}
	}
	e.mu.Unlock()
	if t == nil && p == nil {
		e.raiseError(code.PeerInvalid, StatusEvent{Address: address}, "cannot unpeer from unknown peer")
		return fmt.Errorf("unpeer %s: %w", address, code.PeerInvalid)
	}
	e.news.tell()
	return e.unpeer(ctx, t, p)
}

// UnpeerID is Unpeer for the endpoint with an ID. If it was dialed, it is not dialed any more.
func (e *Endpoint) UnpeerID(ctx context.Context, id data.EndpointID) error {
	e.mu.Lock()
	p := e.mu.peers[id]
	var dialed *target
	for _, t := range e.mu.targets {
		if p != nil && t.peer == p {
			t.endLocked()
			dialed = t
		}
	}
	e.mu.Unlock()
	if p == nil {
		e.raiseError(code.PeerInvalid, StatusEvent{ID: id}, "cannot unpeer from unknown peer")
		return fmt.Errorf("unpeer %s: %w", id, code.PeerInvalid)
	}
	return e.unpeer(ctx, dialed, p)
}

func (e *Endpoint) unpeer(ctx context.Context, t *target, p *peer) error {
	if p != nil {
		p.bid()
		select {
		case <-p.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if t != nil {
		select {
		case <-t.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// part ends the connection at the end of the closing handshake. The peer hears how much of what it has sent has come.
func (p *peer) part() {
	p.counts.received.Store(p.in.arrived)
	if p.is.Load().counts && p.counts.news() {
		p.CloseWith(p.frame(wire.TypePing, p.countPing()))
	} else {
		p.Close()
	}
}

// bid begins the closing handshake; doing so again changes nothing.
func (p *peer) bid() {
	p.e.mu.Lock()
	begun, registered := p.removing, p.e.mu.peers[p.Peer] == p
	if !begun {
		p.removing = true
		p.bye = wire.AppendBye(nil, randomNonce())
		p.state, p.since = Closing, time.Now()
	}
	frame := p.frame(wire.TypePing, p.bye)
	p.e.mu.Unlock()
	if begun {
		return
	}
	p.e.news.tell()
	if !registered {
		p.Close()
		return
	}
	p.Queue.Seal()
	p.Queue.Last(frame)
	p.life.endWithin(closeTimeout, func() {
		p.log.Warn("peer did not answer the closing ping")
		p.Fail(nil)
	})
}
