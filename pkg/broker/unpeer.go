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
		e.raiseError(code.PeerInvalid, endpointInfo(data.EndpointID{}, address, 0), "cannot unpeer from unknown peer")
		return fmt.Errorf("unpeer %s: %w", address, code.PeerInvalid)
	}
	e.news.tell()
	return e.unpeer(ctx, t, p)
}

// UnpeerID is Unpeer for the endpoint with an ID.
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
		e.raiseError(code.PeerInvalid, endpointInfo(id, "", 0), "cannot unpeer from unknown peer")
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
		p.e.log.Warn("peer did not answer the closing ping", "peer", p.Peer, "address", p.address)
		p.Fail(nil)
	})
}

// Close ends the endpoint: it stops listening and dialing, ends all peerings with the closing handshake at once, and waits for all its
// goroutines. Peers that don't answer within 3 s, or until the context ends, are cut off; if messages for them were lost that way, the
// error is ErrNotFlushed. Subscribers can still read what they have. Later calls wait for the first one and answer the same.
func (e *Endpoint) Close(ctx context.Context) error {
	e.mu.Lock()
	first := !e.mu.closing
	if first {
		e.mu.closing = true
		e.publishLocked()
	}
	listeners := e.mu.listeners
	var conns []*peer
	for p := range e.mu.conns {
		conns = append(conns, p)
	}
	e.mu.Unlock()
	if !first {
		<-e.closed
		return e.mu.closeErr
	}
	e.news.tell()
	e.registry.Shutdown()
	for _, l := range listeners {
		l.Close()
	}
	lost := e.closePeers(ctx, conns)
	e.cancel()
	e.running.Wait()
	e.finish()
	if lost > 0 {
		e.mu.closeErr = fmt.Errorf("close: %w: %d in the queues of peers", ErrNotFlushed, lost)
	}
	close(e.closed)
	e.news.tell()
	return e.mu.closeErr
}

// closePeers ends all connections and answers how many messages could not be written.
func (e *Endpoint) closePeers(ctx context.Context, conns []*peer) (lost int) {
	e.mu.Lock()
	for _, t := range e.mu.targets {
		t.cancel()
	}
	e.mu.Unlock()
	for _, p := range conns {
		p.bid()
	}
	for _, p := range conns {
		select {
		case <-p.gone:
		case <-ctx.Done():
			lost += p.Queue.Stats().Messages
			p.Fail(nil)
			<-p.gone
		}
	}
	return lost
}

// finish ends the subscribers and what is left of the stores.
func (e *Endpoint) finish() {
	var subs []*Subscriber
	e.change(func() {
		for s := range e.mu.subs {
			subs = append(subs, s)
		}
		clear(e.mu.subs)
		clear(e.mu.stores)
		e.mu.listeners = nil
	})
	for _, s := range subs {
		s.finish()
	}
}
