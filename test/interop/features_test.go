// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// join peers two endpoints of ours.
func join(t *testing.T, a, b *broker.Endpoint) {
	t.Helper()
	if _, err := a.Peer(within(t), listening(t, b), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.AwaitPeer(within(t), a.ID()); err != nil {
		t.Fatal(err)
	}
}

// asks waits until an endpoint of ours asks peer.py for a prefix.
func (p *python) asks(e *broker.Endpoint, prefix string) {
	p.t.Helper()
	until(p.t, e, "the filter "+prefix, func([]broker.PeerInfo) bool {
		filters, _ := p.ask(command{"do": "filters"})["peers"].(map[string]any)
		theirs, _ := filters[e.ID().String()].([]any)
		return slices.ContainsFunc(theirs, func(f any) bool { return strings.HasPrefix(prefix, fmt.Sprint(f)) })
	})
}

// wanted waits until an endpoint of ours knows that a peer wants a prefix.
func wanted(t *testing.T, e *broker.Endpoint, peer data.EndpointID, prefix string) {
	t.Helper()
	until(t, e, "wants of "+prefix, func(ps []broker.PeerInfo) bool {
		return slices.ContainsFunc(ps, func(p broker.PeerInfo) bool { return p.ID == peer && slices.Contains(p.Filter, prefix) })
	})
}

// TestTTL: what peer.py sends with few hops to go is delivered here and, without any left, goes no further.
func TestTTL(t *testing.T) {
	node, client := endpoint(t, broker.Options{}, ""), endpoint(t, broker.Options{Forward: broker.ForwardNone}, "")
	join(t, client, node)
	p := start(t)
	peered(t, node, p)
	there := subscribe(t, client, "/t")
	here := subscribe(t, node, "/t")
	wanted(t, node, client.ID(), "/t")
	for _, ttl := range []int{0, 1, 2, 16, 65535} {
		p.do(command{"do": "publish", "topic": "/t", "value": ttl, "ttl": ttl, "force": true})
		if m := get(t, here); m.Value.String() != fmt.Sprint(ttl) {
			t.Errorf("here: %v, want %d", m.Value, ttl)
		}
	}
	for _, ttl := range []int{2, 16, 65535} {
		if m := get(t, there); m.Value.String() != fmt.Sprint(ttl) {
			t.Errorf("there: %v, want %d", m.Value, ttl)
		}
	}
	if n := node.Stats().Dropped[broker.DropTTL]; n != 2 {
		t.Errorf("%d messages without hops left, want 2", n)
	}
	// Towards a peer of the older kind a message of a client has a hop less than what the client wrote, and our node as sender.
	p.do(command{"do": "subscribe", "topic": "/back"})
	wanted(t, node, p.id, "/back")
	until(t, client, "the filter", func(ps []broker.PeerInfo) bool { return slices.Contains(ps[0].Filter, "/back") })
	if err := client.Publish("/back", data.Count(1)); err != nil {
		t.Fatal(err)
	}
	if m := p.wait("message"); m.num("ttl") < 1 || m.num("ttl") > 16 || m.str("sender") != node.ID().String() || m.str("receiver") != zeroID {
		t.Errorf("message: %v", m)
	}
}

const zeroID = "00000000-0000-0000-0000-000000000000"

// TestLargeMessages exchanges messages of several megabytes in both directions, and point-to-point.
func TestLargeMessages(t *testing.T) {
	e := endpoint(t, broker.Options{MaxFrame: 8 << 20}, "")
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/large"})
	peered(t, e, p)
	sub := subscribe(t, e, "/large")
	for _, size := range []int{4000, 5000, 70_000, 5 << 20} {
		text := strings.Repeat("x", size)
		if err := e.Publish("/large/here", data.String(text)); err != nil {
			t.Fatal(err)
		}
		if err := e.PublishTo(p.id, "/large/here", data.String(text)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := p.wait("message").str("hex"); got != hex.EncodeToString(data.String(text).AppendBinary(nil)) {
				t.Errorf("peer.py got %d bytes, want %d", len(got)/2, size)
			}
		}
		p.do(command{"do": "publish", "topic": "/large/there", "value": text})
		if m := get(t, sub); !data.Equal(m.Value, data.String(text)) {
			t.Errorf("got %d bytes, want %d", m.Value.BinarySize(), size)
		}
	}
	if err := e.Publish("/large/x", data.String(strings.Repeat("x", 8<<20))); err == nil {
		t.Error("a message above the limit was accepted")
	}
}

// TestForwardingModes has two endpoints of the older kind at one of ours, and one of our clients.
func TestForwardingModes(t *testing.T) {
	for mode, passes := range map[broker.ForwardMode]struct{ foreign, client bool }{
		broker.ForwardMesh: {false, true}, broker.ForwardNone: {false, false}, broker.ForwardAll: {true, true},
	} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			t.Parallel()
			e, client := endpoint(t, broker.Options{Forward: mode}, ""), endpoint(t, broker.Options{Forward: broker.ForwardNone}, "")
			e.SetWants([]string{"/t"}) // so that C++ peers send in every mode
			p, q := start(t), start(t)
			q.do(command{"do": "subscribe", "topic": "/t"})
			q.do(command{"do": "subscribe", "topic": "/end"})
			peered(t, e, p)
			peered(t, e, q)
			join(t, client, e)
			sub := subscribe(t, client, "/t", "/end")
			wanted(t, e, client.ID(), "/t")
			p.asks(e, "/t/1")
			for i := range 3 {
				p.do(command{"do": "publish", "topic": "/t/1", "value": i})
			}
			p.ping() // what it published has been passed on or not
			if err := e.Publish("/end", data.None()); err != nil {
				t.Fatal(err)
			}
			check(t, "client", passes.client, func() string { return get(t, sub).Topic })
			check(t, "foreign peer", passes.foreign, func() string { return q.wait("message").str("topic") })
		})
	}
}

// check reads topics up to the last one, which are three if the messages were passed on.
func check(t *testing.T, who string, passed bool, next func() string) {
	t.Helper()
	got := 0
	for topic := next(); topic != "/end"; topic = next() {
		got++
	}
	if want := map[bool]int{true: 3}[passed]; got != want {
		t.Errorf("%s got %d messages, want %d", who, got, want)
	}
}

// ping waits until our side has read everything that peer.py has written.
func (p *python) ping() {
	p.t.Helper()
	p.do(command{"do": "ping", "hex": "50494e47"})
	p.waitFor("pong", func(e event) bool { return e.str("event") == "pong" && e.str("hex") == "50494e47" })
}

// TestLeavesOfTwoNodes has endpoints of the older kind at two of our nodes, as Zeek would be in a mesh: they exchange messages over both.
func TestLeavesOfTwoNodes(t *testing.T) {
	left, right := endpoint(t, broker.Options{}, ""), endpoint(t, broker.Options{}, "")
	p, q := start(t), start(t)
	p.do(command{"do": "subscribe", "topic": "/to/left"})
	q.do(command{"do": "subscribe", "topic": "/to/right"})
	peered(t, left, p)
	peered(t, right, q)
	join(t, left, right)
	wanted(t, right, left.ID(), "/to/left")
	wanted(t, left, right.ID(), "/to/right")
	p.asks(left, "/to/right")
	q.asks(right, "/to/left")
	for i := range 100 {
		p.do(command{"do": "publish", "topic": "/to/right", "value": i})
		q.do(command{"do": "publish", "topic": "/to/left", "value": i})
	}
	for i := range 100 {
		for other, m := range map[*broker.Endpoint]event{left: p.wait("message"), right: q.wait("message")} {
			if want := hex.EncodeToString(data.Integer(int64(i)).AppendBinary(nil)); m.str("hex") != want || m.str("sender") != other.ID().String() {
				t.Fatalf("message %d: %v", i, m)
			}
		}
	}
	// A filter that shrinks at one end does so at the other.
	q.do(command{"do": "unsubscribe", "topic": "/to/right"})
	until(t, left, "the smaller filter", func([]broker.PeerInfo) bool {
		filters, _ := p.ask(command{"do": "filters"})["peers"].(map[string]any)
		theirs, ok := filters[left.ID().String()].([]any)
		return ok && len(theirs) == 0
	})
}

// TestSyncWithForeign: SubscribeSync returns when the peer knows of the subscription.
func TestSyncWithForeign(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	p := start(t)
	peered(t, e, p)
	for i := range 20 {
		sub := subscribe(t, e, fmt.Sprintf("/%d", i))
		if n := p.ask(command{"do": "publish", "topic": fmt.Sprintf("/%d/x", i), "value": i}).num("peers"); n != 1 {
			t.Fatalf("subscription %d is not known", i)
		}
		get(t, sub)
		sub.Close()
	}
}
