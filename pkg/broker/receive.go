// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// entry is one frame of a read, with where it goes.
type entry struct {
	frame   []byte // length included
	payload []byte
	typ     wire.Type
	route   *route         // of data and commands
	env     *wire.Envelope // of the others
}

// stage collects the messages of one read for one subscriber.
type stage struct {
	sub  *Subscriber
	msgs []Message
}

// batch handles the frames of one read, in order. First every frame gets its route, which tells how much memory the local deliveries
// need; then they are delivered and passed on. An error ends the connection.
func (p *peer) batch(frames [][]byte) error {
	if s := p.e.routes.Load(); s != p.routes {
		p.routes = s
		clear(p.cache)
	}
	var counts [wire.TypePong + 1]uint64
	local := 0
	p.entries = p.entries[:0]
	for _, f := range frames {
		en, ok := p.entry(f)
		if !ok {
			continue
		}
		counts[en.typ]++
		if en.route != nil && len(en.route.subs) > 0 && en.typ == wire.TypeData && len(en.payload) <= peering.ShareAbove {
			local += len(en.payload)
		}
		p.entries = append(p.entries, en)
	}
	p.received.Add(counts[wire.TypeData] + counts[wire.TypeCommand])
	p.e.counters.count(&counts)
	block := make([]byte, 0, local)
	var err error
	for i := range p.entries {
		if block, err = p.handle(&p.entries[i], block); err != nil {
			break
		}
	}
	clear(p.entries)
	p.deliver()
	return err
}

// entry reads the header of a frame and finds its route; false if the frame is to be dropped. A routing_update whose header is broken
// is kept, so that handle ends the connection.
func (p *peer) entry(f []byte) (entry, bool) {
	body := f[wire.FrameHeader:]
	env, err := wire.ParseEnvelope(body)
	if err != nil {
		if len(body) > wire.TypeAt && wire.Type(body[wire.TypeAt]) == wire.TypeRoutingUpdate {
			return entry{frame: f, typ: wire.TypeRoutingUpdate}, true
		}
		p.bad(DropFrame, err)
		return entry{}, false
	}
	if env.Sender != p.Peer {
		p.e.counters.drop(DropSender, 1)
		return entry{}, false
	}
	en := entry{frame: f, payload: env.Payload, typ: env.Type}
	if env.Type > wire.TypeCommand {
		kept := env // only these few are worth an allocation
		en.env = &kept
		return en, true
	}
	if topic.IsLocal(env.Topic) {
		p.e.counters.drop(DropLocalTopic, 1)
		return entry{}, false
	}
	if env.Receiver.IsZero() {
		en.route = p.route(env.Topic)
	} else {
		en.route = p.direct(env)
	}
	return en, en.route != nil
}

// route answers the route of a topic from the reader's cache, which is valid for one snapshot.
func (p *peer) route(name []byte) *route {
	rt := p.cache[string(name)]
	if rt == nil {
		if len(p.cache) >= maxCachedTopics {
			clear(p.cache)
		}
		rt = p.routes.find(name, p)
		p.cache[rt.topic] = rt
	}
	return rt
}

// direct makes the route of a message to one endpoint: this one, or a direct peer. Nil if there is none.
func (p *peer) direct(env wire.Envelope) *route {
	if env.Receiver == p.e.opt.ID {
		rt := *p.route(env.Topic)
		rt.peers = nil
		return &rt
	}
	to := p.routes.peers[env.Receiver]
	if to == nil || to == p || !mayForward(p.e.opt.Forward, p.class, to.class) || len(env.Topic) == 0 {
		p.e.counters.drop(DropNoPath, 1)
		return nil
	}
	return &route{topic: string(env.Topic), peers: []*peer{to}}
}

// handle delivers a frame and passes it on. What subscribers keep is copied to the block.
func (p *peer) handle(en *entry, block []byte) ([]byte, error) {
	switch en.typ {
	case wire.TypeData:
		return p.data(en, block), nil
	case wire.TypeCommand:
		p.command(en)
	case wire.TypeRoutingUpdate:
		return block, p.update(en)
	case wire.TypePing:
		p.pong(en.env)
	case wire.TypePong:
		p.ponged(en.payload)
	}
	return block, nil
}

func (p *peer) data(en *entry, block []byte) []byte {
	payload := en.payload
	var shared []byte
	if len(payload) > peering.ShareAbove && len(en.route.subs)+len(en.route.peers) > 0 {
		shared = bytes.Clone(payload)
		payload = shared
	} else if len(en.route.subs) > 0 {
		at := len(block)
		block = append(block, payload...)
		payload = block[at:len(block):len(block)]
	}
	switch {
	case len(en.route.subs) > 0:
		v, err := data.View(payload)
		if err != nil {
			p.bad(DropPayload, err)
			return block
		}
		p.stage(en.route.subs, Message{Topic: en.route.topic, Value: v, From: p.Peer})
	case p.class != ClassNode:
		if err := data.Validate(payload); err != nil {
			p.bad(DropPayload, err)
			return block
		}
	}
	p.forward(en, shared, peering.LaneData)
	return block
}

func (p *peer) command(en *entry) {
	if len(en.payload) == 0 {
		p.e.counters.drop(DropPayload, 1)
		return
	}
	for _, a := range en.route.stores {
		a.handle(en.payload)
	}
	var shared []byte
	if len(en.payload) > peering.ShareAbove && len(en.route.peers) > 0 {
		shared = bytes.Clone(en.payload)
	}
	p.forward(en, shared, peering.LaneCommand)
}

// forward passes a frame on with this endpoint as sender and one hop less to go. shared, if not nil, is a copy of the payload that
// the queues may keep.
func (p *peer) forward(en *entry, shared []byte, lane peering.Lane) {
	if len(en.route.peers) == 0 || len(en.payload) == 0 {
		return
	}
	body := en.frame[wire.FrameHeader:]
	ttl := binary.BigEndian.Uint16(body[wire.TTLAt:])
	if ttl <= 1 {
		p.e.counters.drop(DropTTL, uint64(len(en.route.peers)))
		return
	}
	binary.BigEndian.PutUint16(body[wire.TTLAt:], ttl-1)
	copy(body[wire.SenderAt:], p.e.opt.ID[:])
	for _, to := range en.route.peers {
		var r peering.Result
		if shared != nil {
			r = to.Queue.AppendShared(lane, en.frame[:len(en.frame)-len(shared)], shared, false)
		} else {
			r = to.Queue.Append(lane, en.frame, false)
		}
		if r != peering.Queued {
			to.settle(r, lane == peering.LaneCommand)
		}
	}
}

// stage keeps a message for the subscribers until the whole read has been handled.
func (p *peer) stage(subs []*Subscriber, m Message) {
	for _, s := range subs {
		i := 0
		for i < len(p.staged) && p.staged[i].sub != s {
			i++
		}
		if i == len(p.staged) {
			if i < cap(p.staged) {
				p.staged = p.staged[:i+1]
			} else {
				p.staged = append(p.staged, stage{})
			}
			p.staged[i].sub = s
		}
		p.staged[i].msgs = append(p.staged[i].msgs, m)
	}
}

// deliver hands the staged messages to their subscribers.
func (p *peer) deliver() {
	for i := range p.staged {
		st := &p.staged[i]
		if n := st.sub.push(st.msgs, p.Closing()); n > 0 {
			p.e.counters.drop(DropSubscriber, uint64(n))
		}
		clear(st.msgs)
		st.msgs, st.sub = st.msgs[:0], nil
	}
	p.staged = p.staged[:0]
}

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
		p.e.counters.drop(DropFrame, 1)
		return nil
	}
	p.e.change(func() { p.filter = topic.NewFilter(filter...) })
	p.routes = p.e.routes.Load()
	clear(p.cache)
	p.log.Debug("filter", "entries", len(filter))
	return nil
}

// pong answers a ping that is addressed to this endpoint or to nobody. The answer to a closing ping goes behind all that is queued.
func (p *peer) pong(env *wire.Envelope) {
	if env.Receiver != p.e.opt.ID && !env.Receiver.IsZero() {
		p.e.counters.drop(DropFrame, 1)
		return
	}
	frame := p.frame(wire.TypePong, env.Payload)
	if !wire.IsBye(env.Payload) {
		p.control(frame)
	} else if p.Queue.Last(frame) == peering.Overflowed {
		p.Fail(&peering.Error{Class: peering.Overflow, Peer: p.Peer, Text: "too many pings"})
	}
}

// ponged takes the answer to a ping: of the closing handshake, or of somebody who waits.
func (p *peer) ponged(payload []byte) {
	p.e.mu.Lock()
	done := p.bye != nil && bytes.Equal(payload, p.bye)
	p.e.mu.Unlock()
	if done {
		p.Close()
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

// bad counts a frame that can't be used, and says so at most once a minute.
func (p *peer) bad(cause DropCause, err error) {
	p.drop(cause, 1)
	p.badData.log(func() { p.log.Warn("bad message dropped", "cause", cause.String(), "error", err) })
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
