// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// NotFlushedError says what Close could not deliver; it is also ErrNotFlushed.
type NotFlushedError struct {
	Peers []Unflushed
}

// Unflushed is what was lost for one peer.
type Unflushed struct {
	ID      data.EndpointID
	Address string
	// Messages, commands of stores included, were queued for the peer and not handed to the operating system.
	Messages uint64
}

// Error names the peers and how many messages each of them missed.
func (e *NotFlushedError) Error() string {
	var b strings.Builder
	b.WriteString("close: " + ErrNotFlushed.Error())
	for i, p := range e.Peers {
		fmt.Fprintf(&b, "%c %d to %s (%s)", ":,"[min(i, 1)], p.Messages, p.ID, p.Address)
	}
	return b.String()
}

// Unwrap answers ErrNotFlushed.
func (e *NotFlushedError) Unwrap() error { return ErrNotFlushed }

// Close ends the endpoint: it stops listening and dialing, writes what is queued, ends all peerings with the closing handshake at once,
// and waits for all its goroutines. Peers that don't answer within 3 s, or until the context ends, are cut off. If messages were lost
// because a connection ended before they had been written, the error is a *NotFlushedError, which is ErrNotFlushed. Subscribers can
// still read what they have. Later calls wait for the first one and answer the same.
func (e *Endpoint) Close(ctx context.Context) error {
	e.closeCredits()
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
	if len(lost) > 0 {
		e.mu.closeErr = &NotFlushedError{Peers: lost}
	}
	close(e.closed)
	e.news.tell()
	return e.mu.closeErr
}

// closePeers ends all connections and answers what could not be written.
func (e *Endpoint) closePeers(ctx context.Context, conns []*peer) (lost []Unflushed) {
	e.mu.Lock()
	for _, t := range e.mu.targets {
		t.cancel()
	}
	e.mu.Unlock()
	before := make([]uint64, len(conns))
	for i, p := range conns {
		p.Queue.Seal() // from now on only the end of the connection drops anything
		before[i] = p.Queue.Stats().Dropped
		p.bid()
	}
	for i, p := range conns {
		select {
		case <-p.gone:
		case <-ctx.Done():
			p.Fail(nil)
			<-p.gone
		}
		if n := p.Queue.Stats().Dropped - before[i]; n > 0 {
			lost = append(lost, Unflushed{p.Peer, p.address, n})
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
