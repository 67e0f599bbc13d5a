// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// localAddress stands in PeerInfo for peers of the own process. In events such peers have no address.
const localAddress = "local"

// PeerLocal peers the endpoint with another one of this process, and waits until the peering stands at both. Messages go from one to
// the other without being encoded: what a program publishes is what the other's subscribers get. Apart from that there is no difference
// to a peering over a network: the queues, limits and policies are the same on both sides, as are classes, forwarding, events and the
// closing handshake. UnpeerID ends the peering, as does the end of either endpoint; nobody makes it again.
//
// Endpoints that are peered already stay so. If the context ends first, the answer is its error and there is no peering.
func (e *Endpoint) PeerLocal(ctx context.Context, other *Endpoint) error {
	if e == other || e.opt.ID == other.opt.ID {
		return &PeerError{Class: PeerIncompatible, Peer: other.opt.ID, Text: "an endpoint can't peer with itself, nor with one of the same ID"}
	}
	var link *peering.Link
	for {
		news, othersNews := e.news.wait(), other.news.wait()
		s, o := e.routes.Load(), other.routes.Load()
		switch {
		case s.peers[o.self] != nil && o.peers[s.self] != nil:
			return nil
		case s.closed || o.closed:
			return fmt.Errorf("peer with %s: %w", o.self, ErrClosed)
		case link == nil || link.Ended():
			link = e.linkLocal(other)
		}
		again := (<-chan time.Time)(nil)
		if link == nil { // another connection of the two comes or goes
			again = time.After(localRetry)
		}
		select {
		case <-news:
		case <-othersNews:
		case <-again:
		case <-ctx.Done():
			if link != nil {
				link.Close()
			}
			return fmt.Errorf("peer with %s: %w", o.self, ctx.Err())
		}
	}
}

// localRetry is the pause before looking again whether two endpoints may be linked.
const localRetry = 50 * time.Millisecond

// linkLocal connects two endpoints and lets each serve its end; nil if a link or handshake of the two exists.
func (e *Endpoint) linkLocal(other *Endpoint) *peering.Link {
	first, second := e, other
	if first.opt.ID.Compare(second.opt.ID) > 0 {
		first, second = second, first // as everybody does, so that one of two that cross wins at both
	}
	if !first.registry.Claim(second.opt.ID) {
		return nil
	}
	if !second.registry.Claim(first.opt.ID) {
		first.registry.Forget(second.opt.ID)
		return nil
	}
	here, there := peering.NewLocalLinks(e.end(), other.end())
	e.serveLocal(here)
	other.serveLocal(there)
	return here
}

// end is what the other end of a link within the process needs to know.
func (e *Endpoint) end() peering.End {
	return peering.End{ID: e.opt.ID, Filter: e.routes.Load().greeting, Limit: e.opt.PeerQueue.toPeer()}
}

// serveLocal runs one end of a link, unless the endpoint closes.
func (e *Endpoint) serveLocal(l *peering.Link) {
	p := e.newPeerOn(l, localAddress, nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closing {
		l.Close()
		l.LeaveMemory()
		e.registry.Forget(l.Peer)
		return
	}
	e.running.Go(func() { p.run() })
}

// anyPeer tells whether there is a peer in this process, or one that is not.
func anyPeer(peers []*peer, local bool) bool {
	for _, p := range peers {
		if p.Local() == local {
			return true
		}
	}
	return false
}
