// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// intake is what a peer's reading goroutine works with. Its caches are valid for one snapshot.
type intake struct {
	routes *snapshot
	nature *nature
	plain  map[string]*route // of messages without a stamp, by topic
	direct map[string]*route // of those to one endpoint, by its ID and the topic
	flows  map[flowKey]*flow
	holds  map[data.EndpointID]*hold
	last   *flow
	// lastPlain is the last route of plain.
	lastPlain *route
	cached    int // routes in all caches

	attached *peering.Attached // to the frame that is being looked at
	entries  []entry
	local    int // bytes that the entries need for local delivery
	staged   []stage
	held     []*hold
	counts   [wire.TypePong + 1]uint64
	arrived  uint64 // data messages and commands, whatever became of them
	scratch  []byte
	err      error
	// numbers are those of messages of a leaf that come into the mesh here.
	numbers [2]uint64
}

func (in *intake) init(number uint64) {
	in.numbers = [2]uint64{number, number}
	in.plain, in.direct = make(map[string]*route), make(map[string]*route)
	in.flows, in.holds = make(map[flowKey]*flow), make(map[data.EndpointID]*hold)
}

// refresh goes over to the present routes. Nothing may be held.
func (p *peer) refresh() {
	in := &p.in
	s := p.e.routes.Load()
	if s == in.routes && in.cached < maxCachedTopics {
		return
	}
	in.routes, in.nature, in.last, in.lastPlain, in.cached = s, p.is.Load(), nil, nil, 0
	clear(in.plain)
	clear(in.direct)
	clear(in.flows)
	clear(in.holds)
}

// slot answers an empty entry that is not one of the entries yet. The caller fills it in and then calls add, or empties it again.
func (in *intake) slot() *entry {
	n := len(in.entries)
	if n == cap(in.entries) {
		in.entries = append(in.entries, entry{})[:n]
	}
	return &in.entries[:n+1][n]
}

// add makes the entry of the last call of slot one of the entries. Those before it may have been finished in between.
func (in *intake) add(en *entry) {
	n := len(in.entries)
	in.entries = in.entries[:n+1]
	if to := &in.entries[n]; to != en {
		*to = *en
		*en = entry{}
		en = to
	}
	in.counts[en.typ]++
	if en.typ == wire.TypeData && len(en.route.subs) > 0 && len(en.payload) <= peering.ShareAbove {
		in.local += len(en.payload)
	}
}

// plainRoute answers the route of a topic that came without a stamp, from the cache if it is there.
func (in *intake) plainRoute(p *peer, name []byte) *route {
	if in.lastPlain != nil && in.lastPlain.topic == string(name) {
		return in.lastPlain
	}
	rt := in.plain[string(name)]
	if rt == nil {
		rt = in.routes.find(name, p)
		in.plain[rt.topic] = rt
		in.cached++
	}
	in.lastPlain = rt
	return rt
}

// directRoute is plainRoute for a message to one endpoint.
func (in *intake) directRoute(p *peer, env *wire.Envelope) *route {
	in.scratch = append(append(in.scratch[:0], env.Receiver[:]...), env.Topic...)
	rt := in.direct[string(in.scratch)]
	if rt == nil {
		rt = in.routes.findDirect(env.Topic, p, env.Receiver)
		in.direct[string(in.scratch)] = rt
		in.cached++
	}
	return rt
}

// flowKey names the messages of one origin that entered at one node.
type flowKey struct{ origin, entering data.EndpointID }

// flow is what a reader knows of such messages.
type flow struct {
	key    flowKey
	hold   *hold
	tree   *mesh.Tree // nil if the entering node is unknown, and for leaves
	root   *root      // of which stream is a part
	gen    uint64     // of the root when the stream was looked up
	stream *track
	routes map[string]*route
	direct map[string]*route
	last   *route // of the last message to everybody
}

// flow finds the flow of a stamp. Mostly it is that of the message before.
func (p *peer) flow(st *wire.Stamp) *flow {
	in := &p.in
	if f := in.last; f != nil && f.key.origin == st.Origin && f.key.entering == st.Entering {
		return f
	}
	key := flowKey{st.Origin, st.Entering}
	f := in.flows[key]
	if f == nil {
		h := in.holds[st.Entering]
		if h == nil {
			h = &hold{root: p.e.roots.get(st.Entering)}
			in.holds[st.Entering] = h
		}
		f = &flow{key: key, hold: h, routes: make(map[string]*route)}
		if v := in.routes.view; v != nil {
			f.tree = v.Tree(st.Entering)
		}
		in.flows[key] = f
		in.cached++
	}
	in.last = f
	return f
}

// route answers the route of a message of the flow, from the cache if it is there.
func (f *flow) route(in *intake, env *wire.Envelope) *route {
	if env.Receiver.IsZero() {
		if f.last != nil && f.last.topic == string(env.Topic) {
			return f.last
		}
		rt := f.routes[string(env.Topic)]
		if rt == nil {
			rt = in.routes.findStamped(env.Topic, f.tree, f.key.origin)
			f.routes[rt.topic] = rt
			in.cached++
		}
		f.last = rt
		return rt
	}
	in.scratch = append(append(in.scratch[:0], env.Receiver[:]...), env.Topic...)
	rt := f.direct[string(in.scratch)]
	if rt == nil {
		if f.direct == nil {
			f.direct = make(map[string]*route)
		}
		rt = in.routes.findStampedDirect(env.Topic, f.tree, f.key.origin, env.Receiver)
		f.direct[string(in.scratch)] = rt
		in.cached++
	}
	return rt
}

// stamped takes a message of the mesh.
func (p *peer) stamped(f []byte, env *wire.Envelope) {
	in := &p.in
	if !in.nature.mesh && !in.nature.sends {
		p.drop(DropFrame, 1)
		return
	}
	if !p.mayCarry(env) {
		return
	}
	en := in.slot()
	en.frame, en.attached, en.typ = f, in.attached, wire.TypeData
	if env.Type == wire.TypeStampedCommand {
		en.typ = wire.TypeCommand
	}
	n, err := wire.ParseStamp(&en.stamp, env.Payload, &env.Sender)
	if err != nil {
		p.bad(DropFrame, env.Topic, err)
		*en = entry{}
		return
	}
	en.stamped, en.payload, en.hops = n, env.Payload[n:], int(en.stamp.Hops)
	if cause := p.judge(en, env); cause != 0 {
		p.lose(en, env, cause)
		return
	}
	in.add(en)
}

// judge finds the route of a stamped message; the answer is why there is none.
func (p *peer) judge(en *entry, env *wire.Envelope) DropCause {
	if self := p.e.opt.ID; en.stamp.Origin == self || en.stamp.Entering == self {
		return DropDuplicate
	}
	f := p.flow(&en.stamp)
	if cause := p.accept(f, laneOf(en.typ), en.stamp.Number); cause != 0 {
		return cause
	}
	en.route = f.route(&p.in, env)
	return en.route.drop
}

// lose counts a message that goes nowhere, and empties its entry.
func (p *peer) lose(en *entry, env *wire.Envelope, cause DropCause) {
	p.drop(cause, 1)
	if p.e.tracers.on() {
		p.e.tracers.lost(p.Peer, en, env.Topic, cause)
	}
	*en = entry{}
}

func laneOf(t wire.Type) mesh.Lane {
	if t == wire.TypeCommand {
		return mesh.LaneCommand
	}
	return mesh.LaneData
}
