// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// entry is one message of a read, with where it goes. Everything behind entry() works on entries: another source of messages needs
// only to fill them in.
type entry struct {
	frame   []byte // length included
	payload []byte // behind the stamp
	// attached is the payload if it is a value that was not encoded.
	attached *peering.Attached
	typ      wire.Type
	route    *route         // of data and commands
	env      *wire.Envelope // of the others
	// stamp says where the message comes from: as it was received, or as it is to be passed on if it came without one.
	stamp wire.Stamp
	// stamped is the size of the stamp in the frame; zero if it came without one.
	stamped int
	hops    int // as a Message has them
}

// stage collects the messages of one read for one subscriber.
type stage struct {
	sub  *Subscriber
	msgs []Message
}

// batch handles the frames of one read, in order. First every frame gets its route, which tells how much memory the local deliveries
// need; then they are delivered and passed on. Link state changes the routes of what comes behind it, so that everything before it is
// handled first. An error ends the connection.
func (p *peer) batch(frames [][]byte) error {
	in := &p.in
	in.err = nil
	total := len(frames)
	p.refresh()
	for len(frames) > 0 && in.err == nil {
		if isLinkState(frames[0]) {
			if p.finish(); in.err != nil {
				break
			}
			n, err := p.linkStates(frames)
			in.err, frames = err, frames[n:]
			p.refresh()
			continue
		}
		in.attached = p.Attached(total - len(frames))
		p.entry(frames[0])
		frames = frames[1:]
	}
	p.finish()
	p.counts.received.Store(in.arrived)
	p.e.counters.count(&in.counts)
	clear(in.counts[:])
	return in.err
}

func isLinkState(frame []byte) bool {
	return len(frame) > wire.FrameHeader+wire.TypeAt && wire.Type(frame[wire.FrameHeader+wire.TypeAt]) == wire.TypeLinkState
}

// finish handles all entries, delivers what they bring, and lets others accept messages of the same roots.
func (p *peer) finish() {
	in := &p.in
	if len(in.entries) > 0 {
		block := make([]byte, 0, in.local)
		for i := 0; i < len(in.entries) && in.err == nil; i++ {
			block, in.err = p.handle(&in.entries[i], block)
		}
		clear(in.entries)
		in.entries, in.local = in.entries[:0], 0
		p.deliver()
	}
	in.release()
}

// entry reads the header of a frame and finds its route. A routing_update whose header is broken is kept, so that handle ends the
// connection.
func (p *peer) entry(f []byte) {
	body := f[wire.FrameHeader:]
	env, err := wire.ParseEnvelope(body)
	p.in.arrived++
	if err != nil {
		if len(body) > wire.TypeAt && wire.Type(body[wire.TypeAt]) == wire.TypeRoutingUpdate {
			en := p.in.slot()
			en.frame, en.typ = f, wire.TypeRoutingUpdate
			p.in.add(en)
			return
		}
		p.bad(DropFrame, nil, err)
		return
	}
	switch {
	case env.Sender != p.Peer:
		p.drop(DropSender, 1)
	case env.Type >= wire.TypeStampedData:
		p.stamped(f, &env)
	case env.Type > wire.TypeCommand:
		p.in.arrived--
		kept := env // only these few are worth an allocation
		en := p.in.slot()
		en.frame, en.payload, en.typ, en.env = f, env.Payload, env.Type, &kept
		p.in.add(en)
	default:
		p.plain(f, &env)
	}
}

// mayCarry tells whether a peer may send messages of a topic.
func (p *peer) mayCarry(env *wire.Envelope) bool {
	if topic.IsLocal(env.Topic) || topic.IsInternal(env.Topic) && (env.Receiver.IsZero() || p.in.nature.class == ClassForeign) {
		p.drop(DropLocalTopic, 1)
		return false
	}
	return true
}

// plain takes a message without a stamp. If it is to go on with one it gets its number here.
func (p *peer) plain(f []byte, env *wire.Envelope) {
	if !p.mayCarry(env) {
		return
	}
	en := p.in.slot()
	en.frame, en.payload, en.attached, en.typ, en.hops = f, env.Payload, p.in.attached, env.Type, 1
	if p.in.nature.class == ClassNode {
		en.hops = -1
	}
	if env.Receiver.IsZero() {
		en.route = p.in.plainRoute(p, env.Topic)
	} else {
		en.route = p.in.directRoute(p, env)
	}
	if en.route.drop != 0 {
		p.lose(en, env, en.route.drop)
		return
	}
	en.stamp.Origin, en.stamp.Entering, en.stamp.Hops = p.Peer, p.e.opt.ID, 1
	if len(en.route.stamped) > 0 {
		n := &p.in.numbers[laneOf(env.Type)]
		*n++
		en.stamp.Number = *n
	}
	if v := p.in.routes.view; v != nil && v.Times {
		en.stamp.Sent = time.Now().UnixNano()
	}
	p.in.add(en)
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
	if en.attached != nil {
		p.stage(en.route.subs, en.message(p, en.attached.Value))
		p.forward(en, nil, peering.LaneData)
		return block
	}
	payload := en.payload
	var shared []byte
	if len(payload) > peering.ShareAbove && len(en.route.subs)+en.route.others() > 0 {
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
			p.bad(DropPayload, []byte(en.route.topic), err)
			return block
		}
		p.stage(en.route.subs, en.message(p, v))
	case p.in.nature.class != ClassNode:
		if err := data.Validate(payload); err != nil {
			p.bad(DropPayload, []byte(en.route.topic), err)
			return block
		}
	}
	p.forward(en, shared, peering.LaneData)
	return block
}

func (en *entry) message(p *peer, v data.Value) Message {
	m := Message{Topic: en.route.topic, Value: v, From: p.Peer, Origin: en.stamp.Origin, Hops: en.hops}
	if en.stamp.Sent != 0 {
		m.Sent = time.Unix(0, en.stamp.Sent)
	}
	return m
}

func (p *peer) command(en *entry) {
	if len(en.payload) == 0 {
		p.drop(DropPayload, 1)
		return
	}
	for _, a := range en.route.stores {
		a.handle(en.payload)
	}
	var shared []byte
	if len(en.payload) > peering.ShareAbove && en.route.others() > 0 {
		shared = bytes.Clone(en.payload)
	}
	p.forward(en, shared, peering.LaneCommand)
}

// stage keeps a message for the subscribers until the whole read has been handled.
func (p *peer) stage(subs []*Subscriber, m Message) {
	in := &p.in
	for _, s := range subs {
		i := 0
		for i < len(in.staged) && in.staged[i].sub != s {
			i++
		}
		if i == len(in.staged) {
			if i < cap(in.staged) {
				in.staged = in.staged[:i+1]
			} else {
				in.staged = append(in.staged, stage{})
			}
			in.staged[i].sub = s
		}
		in.staged[i].msgs = append(in.staged[i].msgs, m)
	}
}

// deliver hands the staged messages to their subscribers.
func (p *peer) deliver() {
	in := &p.in
	for i := range in.staged {
		st := &in.staged[i]
		if n := st.sub.push(st.msgs, p.Closing()); n > 0 {
			p.drop(DropSubscriber, uint64(n))
		}
		clear(st.msgs)
		st.msgs, st.sub = st.msgs[:0], nil
	}
	in.staged = in.staged[:0]
}

// bad counts a frame that can't be used, and says so at most once a minute.
func (p *peer) bad(cause DropCause, name []byte, err error) {
	p.drop(cause, 1)
	p.badData.log(func() {
		p.log.Warn("bad message dropped", "topic", strings.ToValidUTF8(string(name), "?"), "cause", cause.String(), "error", err)
	})
}
