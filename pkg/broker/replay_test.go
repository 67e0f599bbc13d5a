// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/brokertest"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// replay is one recorded conversation with this package as one of its sides.
type replay struct {
	t    *testing.T
	conv *brokertest.Conversation
	side brokertest.Side // of the endpoint under test
	e    *Endpoint
	p    *brokertest.Player
	sub  *Subscriber // of what the recorded side's filter says that the endpoint wants
}

// TestRecordedConversations plays both sides of every conversation, with and without extensions of the protocol.
func TestRecordedConversations(t *testing.T) {
	scripts := map[string]func(*replay){"pubsub": (*replay).messages, "zeek-events": (*replay).messages, "filters": (*replay).filters}
	dirs, err := filepath.Glob("testdata/*.*-is-originator")
	if err != nil || len(dirs) != 6 {
		t.Fatalf("%d conversations, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		for side, as := range map[brokertest.Side]string{brokertest.Accepting: "accepting", brokertest.Connecting: "connecting"} {
			for plain, mode := range map[bool]string{true: "plain", false: "announcing"} {
				name := filepath.Base(dir)
				t.Run(name+"/"+as+"/"+mode, func(t *testing.T) {
					conv, err := brokertest.Load(dir, 0)
					if err != nil {
						t.Fatal(err)
					}
					r := newReplay(t, conv, side, plain)
					scripts[name[:bytes.IndexByte([]byte(name), '.')]](r)
				})
			}
		}
	}
}

func newReplay(t *testing.T, conv *brokertest.Conversation, side brokertest.Side, plain bool) *replay {
	t.Helper()
	r := &replay{t: t, conv: conv, side: side}
	r.e = endpoint(t, Options{ID: conv.ID(side), PlainProtocol: plain})
	var err error
	if r.sub, err = r.e.Subscribe(conv.Filter(side), QueueLimit{}); err != nil {
		t.Fatal(err)
	}
	if side == brokertest.Accepting {
		r.p = brokertest.Dial(t, conv, listening(t, r.e))
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if err := r.e.PeerAsync(l.Addr().String(), PeerOptions{}); err != nil {
			t.Fatal(err)
		}
		r.p = brokertest.Accept(t, conv, l)
	}
	r.p.Handshake()
	if !plain {
		// The player skips and answers the announcement when it waits for a frame: make the endpoint send one.
		ping := wire.Envelope{Sender: conv.ID(side.Other()), Receiver: conv.ID(side), Type: wire.TypePing, TTL: wire.DefaultTTL,
			Topic: []byte(topic.Reserved), Payload: []byte("x")}
		r.p.Write(ping)
		if got := r.p.Receive(); got.Type != wire.TypePong || string(got.Payload) != "x" {
			t.Fatalf("answer to a ping: %+v", got)
		}
	}
	if err := r.e.AwaitPeer(within(t), conv.ID(side.Other())); err != nil {
		t.Fatal(err)
	}
	return r
}

// messages plays a conversation of data messages that the connecting side ends.
func (r *replay) messages() {
	for _, env := range r.p.Left() {
		if env.Type != wire.TypeData {
			break
		}
		r.p.Send(1)
		m := get(r.t, r.sub)
		if m.Topic != string(env.Topic) || !bytes.Equal(m.Value.AppendBinary(nil), env.Payload) || m.From != env.Sender {
			r.t.Fatalf("received %+v, recorded %+v", m, env)
		}
	}
	for _, env := range r.p.Due() {
		if env.Type != wire.TypeData {
			break
		}
		v, err := data.Decode(env.Payload)
		if err != nil {
			r.t.Fatal(err)
		}
		publish(r.t, r.e, string(env.Topic), v)
		r.p.Expect(1)
	}
	r.end()
}

// end plays the closing handshake, which the connecting side begins.
func (r *replay) end() {
	if r.side == brokertest.Accepting {
		r.p.Send(1)
		r.p.Expect(1)
		r.p.Close()
		return
	}
	done := make(chan error, 1)
	go func() { done <- r.e.UnpeerID(within(r.t), r.conv.ID(r.side.Other())) }()
	r.p.Expect(1)
	r.p.Send(1)
	r.p.ExpectEnd()
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

// filters plays the conversation of changing subscriptions. Removing /beta and covering /gamma/sub send nothing there: filters of the
// reference only grow.
func (r *replay) filters() {
	current := r.conv.Filter(r.side)
	for _, env := range r.p.Due() {
		if env.Type != wire.TypeRoutingUpdate {
			break
		}
		next, err := wire.ParseFilter(env.Payload)
		if err != nil {
			r.t.Fatal(err)
		}
		r.sub.SetPrefixes(append(slices.Clone(next), next[0]+"/covered"))
		r.p.Expect(1)
		current = next
	}
	if got := r.e.routes.Load().greeting; !slices.Equal(got, current) {
		r.t.Errorf("own filter %q, recorded %q", got, current)
	}
	for _, env := range r.p.Left() {
		if env.Type != wire.TypeRoutingUpdate {
			break
		}
		r.p.Send(1)
		want, _ := wire.ParseFilter(env.Payload)
		waitFilter(r.t, r.e, want)
	}
	r.end()
}

// waitFilter waits until the only peer asks for these prefixes.
func waitFilter(t testing.TB, e *Endpoint, want []string) {
	t.Helper()
	poll(t, "the peer's filter", func() bool {
		peers := e.Peers()
		return len(peers) == 1 && slices.Equal(peers[0].Filter, want)
	})
}
