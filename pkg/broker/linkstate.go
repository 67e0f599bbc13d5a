// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

const (
	// sweepEvery is how often what has been forgotten elsewhere is looked for.
	sweepEvery = 10 * time.Second
	// renewEvery is how often a node repeats its advertisement with a new version, so that whatever went wrong heals.
	renewEvery = 10 * time.Minute
)

// linkLocked enters a new peer into the link state. If it is a node of the mesh, everything that is known goes to it before anything
// else can; the own advertisement follows when the change is published.
func (e *Endpoint) linkLocked(p *peer) {
	if e.mu.mesh == nil || !p.is.Load().mesh {
		return
	}
	e.mu.mesh.Link(p.Peer, p.filter)
	all := e.mu.mesh.All()
	for _, id := range all[:len(all)-1] {
		e.tellLocked(p, id, false)
	}
}

func (e *Endpoint) unlinkLocked(p *peer) {
	if e.mu.mesh != nil && p.is.Load().mesh {
		e.mu.mesh.Unlink(p.Peer)
	}
}

// tellLocked queues a node's advertisement for a peer.
func (e *Endpoint) tellLocked(p *peer, id mesh.ID, behind bool) {
	if p.Queue.LinkState(id, p.frame(wire.TypeLinkState, e.mu.mesh.Advertisement(id)), behind) == peering.Overflowed {
		p.Fail(&peering.Error{Class: peering.Overflow, Peer: p.Peer, Text: "link state of too many nodes is waiting"})
	}
}

// floodLocked queues a node's advertisement for all nodes but one.
func (e *Endpoint) floodLocked(id mesh.ID, but *peer, behind bool) {
	for _, p := range e.mu.peers {
		if p != but && p.is.Load().mesh {
			e.tellLocked(p, id, behind)
		}
	}
}

// advertiseLocked sends the own advertisement if it has changed, and answers the view that the routes are to follow; nil if the
// endpoint takes no part in a mesh. An endpoint that closes says nothing any more: its neighbours tell that it has gone, behind its
// last messages.
func (e *Endpoint) advertiseLocked(wants topic.Filter) *mesh.View {
	db := e.mu.mesh
	if db == nil {
		return nil
	}
	if !e.mu.closing {
		var leaves []mesh.Leaf
		for id, p := range e.mu.peers {
			switch n := p.is.Load(); {
			case n.mesh:
			case n.class == ClassNode:
				leaves = append(leaves, mesh.Leaf{ID: id, Class: n.leafClass()})
			default:
				leaves = append(leaves, mesh.Leaf{ID: id, Class: n.leafClass(), Wants: p.filter.Public()})
			}
		}
		if changed, loss := db.Own(wants, leaves, e.mu.timers > 0); changed {
			e.mu.renewed = time.Now()
			e.floodLocked(e.opt.ID, nil, loss)
		}
	}
	return db.View(time.Now())
}

// linkStates takes the advertisements at the front of some frames of a read and answers how many they were. Many come at once when
// parts of a mesh meet.
func (p *peer) linkStates(frames [][]byte) (int, error) {
	n := 0
	var failed error
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	for ; n < len(frames) && failed == nil; n++ {
		body := frames[n][wire.FrameHeader:]
		if len(body) <= wire.TypeAt || wire.Type(body[wire.TypeAt]) != wire.TypeLinkState {
			break
		}
		failed = p.linkStateLocked(body)
	}
	if p.e.mu.mesh != nil && p.e.mu.mesh.Stale() {
		p.e.publishLocked()
	}
	return n, failed
}

func (p *peer) linkStateLocked(body []byte) error {
	env, err := wire.ParseEnvelope(body)
	if err != nil || !p.is.Load().mesh || p.e.mu.peers[p.Peer] != p || env.Sender != p.Peer || env.Receiver != p.e.opt.ID {
		p.drop(DropFrame, 1)
		return nil
	}
	p.e.counters.linkStates.Add(1)
	ls, err := wire.ParseLinkState(env.Payload)
	if err != nil {
		return &peering.Error{Class: peering.Lost, Peer: p.Peer, Text: "malformed link_state", Err: err}
	}
	switch p.e.mu.mesh.Apply(p.Peer, ls, bytes.Clone(env.Payload)) {
	case mesh.Newer:
		p.e.floodLocked(ls.Node, p, false)
	case mesh.Less:
		p.e.floodLocked(ls.Node, p, true)
	case mesh.Older:
		p.e.tellLocked(p, ls.Node, false)
	case mesh.Ahead:
		p.e.aheadLocked()
	case mesh.Refused:
		p.drop(DropFrame, 1)
		p.badData.log(func() { p.log.Warn("advertisement refused: too many nodes", "node", ls.Node) })
	}
	return nil
}

// aheadLocked goes on above what an earlier life of this endpoint had reached. Two endpoints that live under one ID would outbid each
// other for ever, so it answers at most once a second; what is left is said by the sweep.
func (e *Endpoint) aheadLocked() {
	e.line.raise(e.mu.mesh.Version())
	if now := time.Now(); now.Sub(e.mu.renewed) >= time.Second {
		e.mu.renewed = now
		e.floodLocked(e.opt.ID, nil, false)
		return
	}
	e.log.Warn("another endpoint seems to have the same ID", "id", e.opt.ID)
	e.mu.renewed = time.Time{}
}

// sweep forgets what is out of date, until the endpoint closes.
func (e *Endpoint) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-e.stop.Done():
			return
		}
		e.roots.sweep()
		e.mu.Lock()
		if db := e.mu.mesh; db != nil && !e.mu.closing {
			now := time.Now()
			if db.Expire(now); db.Stale() {
				e.publishLocked()
			}
			if now.Sub(e.mu.renewed) >= renewEvery && len(e.mu.peers) > 0 {
				e.mu.renewed = now
				db.Renew()
				e.floodLocked(e.opt.ID, nil, false)
			}
		}
		e.mu.Unlock()
	}
}

// MeshView is the mesh as this endpoint sees it; nil if it takes no part in one (any mode but ForwardMesh, and PlainProtocol).
func (e *Endpoint) MeshView() *mesh.View { return e.routes.Load().view }

// RequestTimes asks that messages carry the time at which they entered the mesh, until end is called: all nodes that this one can
// reach, and it itself, add it. An endpoint that takes no part in a mesh can't ask.
func (e *Endpoint) RequestTimes() (end func()) {
	e.change(func() { e.mu.timers++ })
	ended := false
	return func() {
		e.change(func() {
			if !ended {
				ended = true
				e.mu.timers--
			}
		})
	}
}
