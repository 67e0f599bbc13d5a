// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestTTLInMesh limits how far messages go in a line of nodes.
func TestTTLInMesh(t *testing.T) {
	ms := membersOf(t, nodesOf(5), chain(5)...)
	short := &member{name: "node", e: endpoint(t, Options{TTL: 3})}
	short.sub = subscribe(t, short.e, "/m")
	connect(t, short.e, ms[0].e)
	settled(t, 6, append(slices.Clone(ms), short)...)
	publish(t, short.e, "/m/ttl", data.None())
	for hops, m := range ms[:3] {
		if msg := get(t, m.sub); msg.Hops != hops+1 {
			t.Errorf("%+v", msg)
		}
	}
	poll(t, "the drop", func() bool { return ms[2].e.Stats().Dropped[DropTTL] == 1 })
	quiet(t, ms)
}

// TestLargeOverHops relays payloads that queues share, up to the largest frame, with room for what relays add.
func TestLargeOverHops(t *testing.T) {
	const most = 100_000
	var ms []*member
	for range 3 {
		m := &member{name: "node", e: endpoint(t, Options{MaxFrame: most})}
		m.sub = subscribe(t, m.e, "/m")
		ms = append(ms, m)
	}
	connect(t, ms[0].e, ms[1].e)
	connect(t, ms[1].e, ms[2].e)
	settled(t, 3, ms...)
	for _, size := range []int{100, peering.ShareAbove + 1, most - wire.HeaderSize - len("/m/x") - 4} {
		text := bytes.Repeat([]byte{'x'}, size)
		for _, to := range []endpointID{{}, ms[2].e.ID()} {
			if to.IsZero() {
				publish(t, ms[0].e, "/m/x", data.String(string(text)))
				get(t, ms[1].sub)
			} else if err := ms[0].e.PublishTo(to, "/m/x", data.String(string(text))); err != nil {
				t.Fatal(err)
			}
			if got, _ := get(t, ms[2].sub).Value.AsString(); got != string(text) {
				t.Errorf("%d bytes came as %d", size, len(got))
			}
		}
	}
	quiet(t, ms)
	if drops := meshDrops(ms); len(drops) > 0 {
		t.Errorf("dropped: %v", drops)
	}
}

// TestTimes asks for the time of entry in one place and finds it in messages elsewhere, also in those of a leaf, until nobody asks.
func TestTimes(t *testing.T) {
	ms := membersOf(t, append(nodesOf(3), "client", "client"), [2]int{0, 1}, [2]int{1, 2}, [2]int{3, 0}, [2]int{4, 2})
	settled(t, 3, ms...)
	end := ms[1].e.RequestTimes()
	settled(t, 3, ms...)
	before := time.Now()
	for _, from := range []int{0, 3} {
		publish(t, ms[from].e, "/m", data.None())
		for i, m := range ms {
			if i == from {
				continue
			}
			if msg := get(t, m.sub); msg.Sent.Before(before.Add(-time.Millisecond)) || msg.Sent.After(time.Now()) {
				t.Errorf("member %d got a message of %d, sent at %v", i, from, msg.Sent)
			}
		}
	}
	end()
	end()
	settled(t, 3, ms...)
	publish(t, ms[0].e, "/m", data.None())
	if msg := get(t, ms[4].sub); !msg.Sent.IsZero() {
		t.Errorf("sent at %v", msg.Sent)
	}
}

// TestInternalTopics: endpoints talk to each other over hops, and programs and foreign peers see nothing of it.
func TestInternalTopics(t *testing.T) {
	const name = topic.InternalPrefix + "test"
	ms := membersOf(t, append(nodesOf(3), "client"), [2]int{0, 1}, [2]int{1, 2}, [2]int{3, 2})
	settled(t, 3, ms...)
	all := subscribe(t, ms[0].e, "")
	internal := make([]*Subscriber, len(ms))
	for i, m := range ms {
		var err error
		if internal[i], err = m.e.SubscribeInternal(name, QueueLimit{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range [][2]int{{0, 2}, {0, 3}, {3, 0}, {3, 2}, {1, 1}} {
		from, to := ms[c[0]].e, ms[c[1]].e
		if err := from.SendInternal(to.ID(), name, data.Count(uint64(c[0]))); err != nil {
			t.Fatal(err)
		}
		if m := get(t, internal[c[1]]); m.Topic != name || m.Origin != from.ID() {
			t.Errorf("%v: %+v", c, m)
		}
	}
	if err := ms[0].e.Publish(name, data.None()); !errors.Is(err, ErrTopic) {
		t.Errorf("published: %v", err)
	}
	if err := ms[0].e.SendInternal(ms[1].e.ID(), "/m", data.None()); !errors.Is(err, ErrTopic) {
		t.Errorf("sent: %v", err)
	}
	if _, err := ms[0].e.SubscribeInternal("/m", QueueLimit{}); !errors.Is(err, ErrTopic) {
		t.Errorf("subscribed: %v", err)
	}
	r := rawDial(t, tcp(t, listening(t, ms[0].e)), ms[0].e)
	r.sendEnvelope(wire.Envelope{Sender: r.id, Receiver: ms[0].e.ID(), Type: wire.TypeData, TTL: 16, Topic: []byte(name), Payload: []byte{0}})
	poll(t, "the drop", func() bool { return ms[0].e.Stats().Dropped[DropLocalTopic] == 1 })
	for _, p := range ms[1].e.Peers() {
		if slices.Contains(p.Filter, name) {
			t.Errorf("%v asks for it", p.ID)
		}
	}
	for m, ok := all.Poll(); ok; m, ok = all.Poll() {
		if topic.IsInternal(m.Topic) {
			t.Errorf("%+v", m)
		}
	}
}

// TestTrace compares what happened to messages with what View.Route predicts.
func TestTrace(t *testing.T) {
	ms := membersOf(t, append(nodesOf(4), "client"), append(ring(4), [2]int{4, 1})...)
	settled(t, 4, ms...)
	var tracers []*Tracer
	for _, m := range ms {
		tr, err := m.e.Trace("/m/")
		if err != nil {
			t.Fatal(err)
		}
		tracers = append(tracers, tr)
	}
	publish(t, ms[0].e, "/m/x", data.Count(1))
	publish(t, ms[0].e, "/other", data.Count(1))
	for _, m := range ms[1:] {
		get(t, m.sub)
	}
	var steps []mesh.Step
	for i, tr := range tracers {
		var events []TraceEvent
		poll(t, "the trace", func() bool { got, _ := tr.Take(); events = append(events, got...); return len(events) > 0 })
		if len(events) != 1 {
			t.Fatalf("member %d: %+v", i, events)
		}
		ev := events[0]
		if ev.Topic != "/m/x" || ev.Origin != ms[0].e.ID() || ev.Entering != ms[0].e.ID() || ev.Number == 0 || ev.Lost || i > 0 && ev.Local != 1 {
			t.Errorf("member %d: %+v", i, ev)
		}
		for _, to := range ev.To {
			steps = append(steps, mesh.Step{From: ms[i].e.ID(), To: to, Leaf: to == ms[4].e.ID(), Wants: true, Hops: ev.Hops + 1})
		}
		tr.Close()
	}
	want := ms[2].e.MeshView().Route(ms[0].e.ID(), ms[0].e.ID(), "/m/x")
	for _, s := range steps {
		if !slices.Contains(want, s) {
			t.Errorf("%+v was not predicted in %+v", s, want)
		}
	}
	if len(steps) != len(want) || len(want) != 4 {
		t.Errorf("%d steps, %d predicted", len(steps), len(want))
	}
	if ms[0].e.tracers.on() {
		t.Error("still tracing")
	}
}

// TestTraceLost records why a message went nowhere, and forgets the oldest events.
func TestTraceLost(t *testing.T) {
	e := endpoint(t, Options{})
	tr, err := e.Trace("")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	r := rawDial(t, tcp(t, listening(t, e)), e)
	for range traceRoom + 5 {
		r.sendEnvelope(wire.Envelope{Sender: r.id, Receiver: data.EndpointID{7}, Type: wire.TypeData, TTL: 16, Topic: []byte("/lost"), Payload: []byte{0}})
	}
	poll(t, "the drops", func() bool { return e.Stats().Dropped[DropNoPath] == traceRoom+5 })
	events, missed := tr.Take()
	if len(events) != traceRoom || missed != 5 || !events[0].Lost || events[0].Cause != DropNoPath || events[0].From != r.id {
		t.Errorf("%d events, %d missed: %+v", len(events), missed, events[:min(1, len(events))])
	}
}

// TestLateAnnouncement: a node that takes longer than a second to say what it is counts as foreign until then, and as a node of the
// mesh after that.
func TestLateAnnouncement(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e, "/m")
		time.Sleep(2 * firstFrameTimeout)
		synctest.Wait()
		if got := e.Peers()[0].Class; got != ClassForeign {
			t.Errorf("class %v", got)
		}
		features := (&Options{}).features()
		r.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1, Features: features, Nonce: 1}.Append(nil))
		ls := wire.LinkState{Node: r.id, Version: 1, Neighbours: []endpointID{e.ID()}, Wants: []string{"/m"}}
		r.send(wire.TypeLinkState, topic.Reserved, ls.Append(nil))
		synctest.Wait()
		if got := e.Peers()[0].Class; got != ClassNode || !e.MeshView().Reaches(r.id) {
			t.Errorf("class %v", got)
		}
		publish(t, e, "/m", data.None())
		for env := r.envelope(); env.Type != wire.TypeStampedData; env = r.envelope() {
			if env.Type == wire.TypeData {
				t.Error("a message without a stamp")
			}
		}
	})
}

// TestEarlierLife: a node that has been started with an ID that others know already, and with its clock behind, goes on above its
// earlier advertisements and numbers.
func TestEarlierLife(t *testing.T) {
	e := endpoint(t, Options{})
	r := rawDial(t, tcp(t, listening(t, e)), e)
	r.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1, Features: (&Options{}).features(), Nonce: 1}.Append(nil))
	earlier := uint64(time.Now().Add(time.Hour).UnixNano())
	for _, ls := range []wire.LinkState{{Node: r.id, Version: 1, Neighbours: []endpointID{e.ID()}, Wants: []string{""}}, {Node: e.ID(), Version: earlier}} {
		r.send(wire.TypeLinkState, topic.Reserved, ls.Append(nil))
	}
	poll(t, "a newer advertisement", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.mu.mesh.Version() > earlier
	})
	publish(t, e, "/m", data.None())
	for env := r.envelope(); ; env = r.envelope() {
		if env.Type != wire.TypeStampedData {
			continue
		}
		var st wire.Stamp
		if _, err := wire.ParseStamp(&st, env.Payload, &env.Sender); err != nil || st.Number <= earlier {
			t.Errorf("%+v, %v", st, err)
		}
		break
	}
}

// TestForeignLinkState: what only nodes of the mesh may send is dropped when others do, and malformed link state ends the connection.
func TestForeignLinkState(t *testing.T) {
	e := endpoint(t, Options{})
	addr := listening(t, e)
	sub := subscribe(t, e, "/m")
	foreign := rawDial(t, tcp(t, addr), e)
	ls := wire.LinkState{Node: data.EndpointID{9}, Version: 1}
	stamp := wire.Stamp{Origin: data.EndpointID{9}, Entering: foreign.id, Number: 1}
	foreign.send(wire.TypeLinkState, topic.Reserved, ls.Append(nil))
	foreign.send(wire.TypeStampedData, "/m", append(stamp.Append(nil, foreign.id), 0))
	foreign.send(wire.TypeData, "/m", []byte{0})
	if m := get(t, sub); m.Origin != foreign.id {
		t.Errorf("%+v", m)
	}
	if drops := e.Stats().Dropped[DropFrame]; drops != 2 || len(e.MeshView().Nodes) != 1 {
		t.Errorf("%d drops, nodes %+v", drops, e.MeshView().Nodes)
	}
	node := rawDialAs(t, tcp(t, addr), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 2})
	node.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1, Features: (&Options{}).features(), Nonce: 1}.Append(nil))
	node.send(wire.TypeStampedData, "/m", []byte{0xff, 1})                                                                             // not a stamp
	node.send(wire.TypeStampedData, "/m", append((&wire.Stamp{Origin: e.ID(), Entering: node.id, Number: 1}).Append(nil, node.id), 0)) // its own
	node.send(wire.TypeLinkState, topic.Reserved, []byte{1, 2, 3})
	node.answer()
	st := e.Stats().Dropped
	if st[DropFrame] != 3 || st[DropDuplicate] != 1 {
		t.Errorf("%v", st)
	}
	if m, ok := sub.Poll(); ok {
		t.Errorf("%+v", m)
	}
}

// TestRelayAllocates nothing: a stamped message that a node only passes on, in both forms of a stamp.
func TestRelayAllocates(t *testing.T) {
	e := endpoint(t, Options{PeerQueue: QueueLimit{Messages: 8, Overflow: OverflowDropOldest}})
	links := map[byte]*peer{}
	for _, n := range []byte{2, 3} {
		a, _ := memPipe()
		p := e.newPeer(&peering.Established{Conn: a, Peer: data.EndpointID{n}}, "x", nil)
		p.is.Store(natureOf(e.opt.features(), e.opt.features()))
		ls := wire.LinkState{Node: p.Peer, Version: 1, Neighbours: []endpointID{e.ID()}, Wants: []string{"/m"}}
		e.change(func() { e.mu.peers[p.Peer] = p; e.linkLocked(p) })
		e.mu.Lock()
		e.mu.mesh.Apply(p.Peer, &ls, ls.Append(nil))
		e.mu.Unlock()
		links[n] = p
	}
	e.change(func() {})
	for name, entering := range map[string]endpointID{"from the neighbour": {2}, "from beyond": {7}} {
		if entering != links[2].Peer {
			ls := wire.LinkState{Node: entering, Version: 1, Neighbours: []endpointID{{2}}}
			two := wire.LinkState{Node: data.EndpointID{2}, Version: 2, Neighbours: []endpointID{e.ID(), entering}}
			e.change(func() {
				e.mu.mesh.Apply(data.EndpointID{2}, &ls, ls.Append(nil))
				e.mu.mesh.Apply(data.EndpointID{2}, &two, two.Append(nil))
			})
		}
		st := wire.Stamp{Origin: entering, Entering: entering, Hops: 1}
		var frames [][]byte
		for range 16 {
			frames = append(frames, nil)
		}
		buf := make([]byte, 0, 1<<16)
		next := func() {
			buf = buf[:0]
			for i := range frames {
				st.Number++
				at := len(buf)
				payload := append(st.Append(make([]byte, 0, 64), data.EndpointID{2}), 0)
				env := wire.Envelope{Sender: data.EndpointID{2}, Type: wire.TypeStampedData, TTL: 20, Topic: []byte("/m/x"), Payload: payload}
				buf, _ = wire.AppendFrame(buf, &env)
				frames[i] = buf[at:]
			}
		}
		made := testing.AllocsPerRun(200, next)
		got := testing.AllocsPerRun(200, func() {
			next()
			if err := links[2].batch(frames); err != nil {
				t.Fatal(err)
			}
		})
		if got > made+0.5 {
			t.Errorf("%s: %.1f allocations for 16 messages", name, got-made)
		}
		if n := links[3].Queue.Stats().Messages; n != 8 {
			t.Errorf("%s: %d messages queued; %v", name, n, e.Stats().Dropped)
		}
	}
	e.change(func() { clear(e.mu.peers) })
}
