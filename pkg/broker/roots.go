// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
)

// forgetStreams is after how many sweeps without a message the state of a stream is forgotten: much later than anything can still be
// under way, since a connection that doesn't move is given up before.
const forgetStreams = 30

// roots are the nodes at which messages of the mesh entered that have been received here.
type roots struct {
	mu struct {
		sync.Mutex
		byID map[data.EndpointID]*root
	}
}

// root guards the streams that entered at one node. A reader that has accepted a message keeps the lock until it has delivered the
// message and passed it on, so that a later message of the stream, which another peer may send after a change of path, comes after it.
// A reader never waits for one root while it keeps another.
type root struct {
	lock    chan struct{}              // one slot: full while somebody has the root; waiting for it can be given up
	streams map[data.EndpointID]*track // by origin
	gen     uint64                     // counts how often streams were forgotten
	dead    bool                       // forgotten itself
}

type track struct {
	mesh.Stream
	idle int // sweeps since the last message
}

func (r *roots) get(id data.EndpointID) *root {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.byID == nil {
		r.mu.byID = make(map[data.EndpointID]*root)
	}
	t := r.mu.byID[id]
	if t == nil {
		t = &root{lock: make(chan struct{}, 1), streams: make(map[data.EndpointID]*track)}
		r.mu.byID[id] = t
	}
	return t
}

// sweep forgets streams that have been idle for long. What is in use at the moment is left for the next time.
func (r *roots) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, t := range r.mu.byID {
		if !t.tryLock() {
			continue
		}
		for origin, s := range t.streams {
			if s.idle++; s.idle > forgetStreams {
				delete(t.streams, origin)
				t.gen++
			}
		}
		if len(t.streams) == 0 {
			t.dead = true
			delete(r.mu.byID, id)
		}
		t.unlock()
	}
}

func (r *root) tryLock() bool {
	select {
	case r.lock <- struct{}{}:
		return true
	default:
		return false
	}
}

func (r *root) unlock() { <-r.lock }

// hold is a reader's grip on a root.
type hold struct {
	root *root
	held bool
}

// take locks the root. If somebody else has it, the reader first finishes what it has in its hands. It waits no longer than the
// connection lasts: whoever has the root may have to wait for a subscriber.
func (p *peer) take(h *hold) bool {
	for {
		if !h.root.tryLock() {
			p.finish()
			select {
			case h.root.lock <- struct{}{}:
			case <-p.Closing():
				return false
			}
		}
		if !h.root.dead {
			break
		}
		entering := p.in.last.key.entering
		h.root.unlock()
		h.root = p.e.roots.get(entering)
	}
	h.held = true
	p.in.held = append(p.in.held, h)
	return true
}

// release lets go of all roots.
func (in *intake) release() {
	for _, h := range in.held {
		h.held = false
		h.root.unlock()
	}
	in.held = in.held[:0]
}

// accept judges a message of a flow by its number and by who sent it; the answer is why it is to be dropped. The flow must be the
// reader's last one.
func (p *peer) accept(f *flow, lane mesh.Lane, number uint64) DropCause {
	if !f.hold.held && !p.take(f.hold) {
		return DropNotParent // the connection has ended
	}
	if r := f.hold.root; f.root != r || f.gen != r.gen {
		f.root, f.gen, f.stream = r, r.gen, r.streams[f.key.origin]
		if f.stream == nil {
			f.stream = &track{}
			r.streams[f.key.origin] = f.stream
		}
	}
	f.stream.idle = 0
	verdict := mesh.NotParent
	switch {
	case !p.in.nature.mesh: // to a leaf all its nodes are as good
		verdict = f.stream.AcceptAny(lane, number)
	case f.tree != nil:
		verdict = f.stream.Accept(p.Peer, f.tree.Parent, lane, number)
	}
	switch verdict {
	case mesh.Accepted:
		return 0
	case mesh.Duplicate:
		return DropDuplicate
	}
	return DropNotParent
}
