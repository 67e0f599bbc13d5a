// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/brokertest"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// recordings are folders of conversations.
var recordings = []struct {
	dir         string
	connections int // on which a peering came up
	own         bool
}{
	{"wire/testdata/conversations", 17, false}, // C++ Broker 2.8 and Zeek 8.0
	{"testdata/first-step", 16, true},          // this project before it knew whole meshes
	{"testdata/whole-mesh", 18, true},          // and since
}

// TestRecordedConversations plays both sides of every conversation: those of C++ Broker with and without extensions of the protocol,
// those of this project as what the endpoint was.
func TestRecordedConversations(t *testing.T) {
	for _, rec := range recordings {
		convs, err := brokertest.LoadAll(rec.dir)
		if err != nil || len(convs) != rec.connections {
			t.Fatalf("%s: %d conversations, %v", rec.dir, len(convs), err)
		}
		for _, conv := range convs {
			for side, as := range map[brokertest.Side]string{brokertest.Accepting: "accepting", brokertest.Connecting: "connecting"} {
				modes := map[string]Options{"plain": {PlainProtocol: true}, "announcing": {}}
				if rec.own {
					class := recordedClass(conv, side)
					modes = map[string]Options{class.String(): optionsOf[class]}
				}
				for mode, o := range modes {
					t.Run(filepath.Base(rec.dir)+"/"+conv.Name+"/"+as+"/"+mode, func(t *testing.T) {
						t.Parallel()
						newReplay(t, conv, side, o).play()
					})
				}
			}
		}
	}
}

var optionsOf = map[PeerClass]Options{ClassNode: {}, ClassClient: {Forward: ForwardNone}, ClassForeign: {Forward: ForwardNone, PlainProtocol: true}}

// recordedClass is what a side of a conversation said that it is.
func recordedClass(conv *brokertest.Conversation, side brokertest.Side) PeerClass {
	first := conv.Envelopes(side)[0]
	a, ok := wire.ParseAnnouncement(first.Payload)
	switch {
	case first.Type != wire.TypePing || !ok:
		return ClassForeign
	case a.Features&wire.FeatureNode == 0:
		return ClassClient
	default:
		return ClassNode
	}
}

// replay is one recorded conversation with this package as one of its sides.
type replay struct {
	t      *testing.T
	conv   *brokertest.Conversation
	side   brokertest.Side // of the endpoint under test
	e      *Endpoint
	p      *brokertest.Player
	sub    *Subscriber            // of the own filter
	stores map[string]chan []byte // by topic
	detach map[string]func()      // the same stores
	own    topic.Filter           // the recorded filter of the endpoint under test
	theirs topic.Filter           // that of the player
	due    []wire.Envelope        // what the endpoint under test has to send yet
	left   []wire.Envelope        // what the player has to send yet
	ended  chan error             // the result of an unpeer of the endpoint under test

	byLink             bool         // theirs is what the player's link state says
	recorded, received []byte       // the last link state of the endpoint under test, then and now
	numbers            [2][2]uint64 // the last ones of data and commands, then and now
}

func newReplay(t *testing.T, conv *brokertest.Conversation, side brokertest.Side, o Options) *replay {
	t.Helper()
	r := &replay{t: t, conv: conv, side: side, stores: make(map[string]chan []byte), detach: make(map[string]func())}
	o.ID = conv.ID(side)
	r.e = endpoint(t, o)
	r.own, r.theirs = conv.Filter(side), conv.Filter(side.Other())
	r.due, r.left = conv.Envelopes(side), conv.Envelopes(side.Other())
	if strings.HasPrefix(conv.Name, "relayed.") { // nobody is behind the endpoint here from whom the messages could come
		r.due = slices.DeleteFunc(r.due, func(env wire.Envelope) bool { return env.Type != wire.TypePing && env.Type != wire.TypePong })
	}
	var err error
	if r.sub, err = r.e.Subscribe(r.own, QueueLimit{}); err != nil {
		t.Fatal(err)
	}
	r.attach()
	r.connect()
	r.p.Handshake()
	class := recordedClass(conv, side.Other())
	switch {
	case class != ClassForeign:
		r.hear() // the announcement
	case !o.PlainProtocol:
		r.flush() // the endpoint waits for a first frame
	}
	if err := r.e.AwaitPeer(within(t), conv.ID(side.Other())); err != nil {
		t.Fatal(err)
	}
	if got := r.e.Peers()[0].Class; !o.PlainProtocol && got != class {
		t.Fatalf("%s: the peer counts as %s, it is a %s", conv.Name, got, class)
	}
	return r
}

func (r *replay) connect() {
	if r.side == brokertest.Accepting {
		r.p = brokertest.Dial(r.t, r.conv, listening(r.t, r.e))
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	if err := r.e.PeerAsync(l.Addr().String(), PeerOptions{}); err != nil {
		r.t.Fatal(err)
	}
	r.p = brokertest.Accept(r.t, r.conv, l)
}

// control is a frame of the player to the endpoint.
func (r *replay) control(typ wire.Type, payload []byte) wire.Envelope {
	return wire.Envelope{Sender: r.conv.ID(r.side.Other()), Receiver: r.conv.ID(r.side), Type: typ, TTL: wire.DefaultTTL,
		Topic: []byte(topic.Reserved), Payload: payload}
}

// flush waits until the endpoint has handled everything that the player has sent. An announcement of the endpoint, which the player
// skips and answers, has been taken then.
func (r *replay) flush() {
	r.t.Helper()
	r.p.Write(r.control(wire.TypePing, []byte("x")))
	r.expect(wire.Envelope{Sender: r.conv.ID(r.side), Receiver: r.conv.ID(r.side.Other()), Type: wire.TypePong, TTL: wire.DefaultTTL,
		Topic: []byte(topic.Reserved), Payload: []byte("x")})
}

// attach makes stores of the own filter's entries that are topics of stores, which the subscriber has asked for before, and ends those
// that are not wanted any more.
func (r *replay) attach() {
	for name, detach := range r.detach {
		if !slices.Contains(r.own, name) {
			detach()
			delete(r.detach, name)
			delete(r.stores, name)
		}
	}
	for _, name := range r.own {
		if !strings.Contains(name, "/<$>/data/") || r.stores[name] != nil {
			continue
		}
		got := make(chan []byte, 1000)
		r.stores[name] = got
		var err error
		if r.detach[name], err = r.e.AttachStore(name, func(b []byte) { got <- bytes.Clone(b) }); err != nil {
			r.t.Fatal(err)
		}
	}
}

// play goes through what both sides sent. Their relative order was not recorded but for what follows from the protocol: nothing is
// sent before the other side wants it, no filter changes before it must, and the closing handshake comes last.
func (r *replay) play() {
	for len(r.due) > 0 && r.ended == nil {
		env := r.due[0]
		if env.Type == wire.TypePong || !r.wanted(env) {
			r.hear()
			continue
		}
		r.due = r.due[1:]
		r.say(env)
		if len(r.left) > 0 && isMessage(r.left[0]) && r.ended == nil {
			r.hear()
		}
	}
	for len(r.left) > 0 && r.ended == nil {
		r.hear()
	}
	if r.ended == nil {
		r.p.Close()
		until(r.t, r.e, "the end", func() bool { p := r.e.Peers(); return len(p) == 0 || p[0].State != Peered })
		return
	}
	r.p.ExpectEnd()
	r.compareLinkState()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
}

// say makes the endpoint send a recorded frame.
func (r *replay) say(env wire.Envelope) {
	r.t.Helper()
	var err error
	payload, _ := unstamped(env)
	switch env.Type {
	case wire.TypeLinkState:
		r.recorded = env.Payload
		return
	case wire.TypeData, wire.TypeStampedData:
		v, bad := data.Decode(payload)
		if err = bad; err == nil && env.Receiver.IsZero() {
			err = r.e.Publish(string(env.Topic), v)
		} else if err == nil {
			err = r.e.PublishTo(env.Receiver, string(env.Topic), v)
		}
	case wire.TypeCommand, wire.TypeStampedCommand:
		if err = r.e.SendCommand(string(env.Topic), env.Receiver, payload); err == nil && env.Receiver.IsZero() {
			err = r.command(env) // stores of the same endpoint get it too
		}
	case wire.TypeRoutingUpdate:
		var next []string
		if next, err = wire.ParseFilter(env.Payload); err == nil {
			r.own = next
			for _, covered := range slices.Clone(next) {
				next = append(next, covered+"/covered")
			}
			r.sub.SetPrefixes(next)
			r.attach()
		}
	case wire.TypePing:
		if !wire.IsBye(env.Payload) {
			return // which pings an endpoint sends is its own affair
		}
		r.bye(env)
		return
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.expect(env)
}

// wanted tells whether the player wants a frame by now.
func (r *replay) wanted(env wire.Envelope) bool {
	return !isMessage(env) || !env.Receiver.IsZero() || r.theirs.Matches(string(env.Topic))
}

// expect reads the next frame of the endpoint and compares it.
func (r *replay) expect(want wire.Envelope) wire.Envelope {
	r.t.Helper()
	got := r.p.Receive()
	for ; got.Type == wire.TypeLinkState; got = r.p.Receive() {
		r.received = got.Payload
	}
	if !brokertest.Same(r.anyNumber(want, &r.numbers[0]), r.anyNumber(got, &r.numbers[1])) {
		r.t.Fatalf("%s: got\n%s %q %x (from %s to %s, TTL %d), recorded\n%s %q %x (from %s to %s, TTL %d)", r.conv.Name,
			got.Type, got.Topic, got.Payload, got.Sender, got.Receiver, got.TTL,
			want.Type, want.Topic, want.Payload, want.Sender, want.Receiver, want.TTL)
	}
	return got
}

// bye ends the peering from the endpoint's side; the player says the rest first and answers with the pong.
func (r *replay) bye(env wire.Envelope) {
	for len(r.left) > 0 && !bytes.Equal(r.left[0].Payload, env.Payload) {
		r.hear()
	}
	r.ended = make(chan error, 1)
	go func() { r.ended <- r.e.UnpeerID(within(r.t), r.conv.ID(r.side.Other())) }()
	r.p.Write(r.control(wire.TypePong, r.expect(env).Payload))
}

// hear makes the player send its next frame and checks what becomes of it.
func (r *replay) hear() {
	r.t.Helper()
	if len(r.left) == 0 {
		r.t.Fatalf("%s: the endpoint waits for a frame that does not come", r.conv.Name)
	}
	env := r.left[0]
	r.left = r.left[1:]
	if env.Type == wire.TypePong {
		return // to a ping that the endpoint has not sent, or has sent with another payload
	}
	r.p.Write(env)
	mine := env.Receiver.IsZero() || env.Receiver == r.conv.ID(r.side)
	payload, st := unstamped(env)
	switch env.Type {
	case wire.TypeLinkState:
		if ls, err := wire.ParseLinkState(payload); err == nil && ls.Node == env.Sender { // of the player itself
			r.theirs, r.byLink = ls.Wants, true
		}
		r.flush()
	case wire.TypeData, wire.TypeStampedData:
		if !mine || !r.own.Matches(string(env.Topic)) {
			r.flush()
			return
		}
		m := get(r.t, r.sub)
		origin, hops := env.Sender, m.Hops
		if st != nil {
			origin, hops = st.Origin, int(st.Hops)
		}
		if m.Topic != string(env.Topic) || !bytes.Equal(m.Value.AppendBinary(nil), payload) || m.From != env.Sender || m.Origin != origin || m.Hops != hops {
			r.t.Fatalf("received %+v, recorded %+v", m, env)
		}
	case wire.TypeCommand, wire.TypeStampedCommand:
		if !mine || r.stores[string(env.Topic)] == nil {
			r.flush()
			return
		}
		if err := r.command(env); err != nil {
			r.t.Fatal(err)
		}
	case wire.TypeRoutingUpdate:
		filter, _ := wire.ParseFilter(env.Payload)
		waitFilter(r.t, r.e, filter)
		if !r.byLink {
			r.theirs = filter
		}
	case wire.TypePing:
		i := slices.IndexFunc(r.due, func(d wire.Envelope) bool { return d.Type == wire.TypePong && bytes.Equal(d.Payload, env.Payload) })
		if i < 0 {
			r.t.Fatalf("%s: no pong is recorded", r.conv.Name)
		}
		r.expect(r.due[i])
		r.due = slices.Delete(r.due, i, i+1)
	}
}

// command checks that a command has come to the store of its topic, if there is one.
func (r *replay) command(env wire.Envelope) error {
	got := r.stores[string(env.Topic)]
	if got == nil {
		return nil
	}
	select {
	case b := <-got:
		if payload, _ := unstamped(env); !bytes.Equal(b, payload) {
			return fmt.Errorf("store %s got %x, recorded %x", env.Topic, b, env.Payload)
		}
		return nil
	case <-time.After(patience):
		return errors.New("the store got nothing")
	}
}

// waitFilter waits until the only peer asks for these prefixes.
func waitFilter(t testing.TB, e *Endpoint, want []string) {
	t.Helper()
	poll(t, "the peer's filter", func() bool {
		peers := e.Peers()
		return len(peers) == 1 && slices.Equal(peers[0].Filter, want)
	})
}
