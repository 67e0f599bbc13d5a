// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ring makes nodes that are peered in a ring.
func ring(t *testing.T, n int) (nodes []*broker.Endpoint) {
	t.Helper()
	for range n {
		nodes = append(nodes, endpoint(t, broker.Options{}, ""))
	}
	for i, e := range nodes {
		join(t, e, nodes[(i+1)%n])
	}
	return nodes
}

// reached waits until a message of an endpoint to everybody arrives at peer.py; the mesh knows both by then.
func (p *python) reached(e *broker.Endpoint, topic string) {
	p.t.Helper()
	until(p.t, e, topic+" reaches peer.py", func([]broker.PeerInfo) bool {
		if err := e.Publish(topic, data.String(topic)); err != nil {
			p.t.Fatal(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.ContainsFunc(p.lines, func(ev event) bool { return ev.str("event") == "message" && ev.str("topic") == topic })
	})
}

// TestLeafOfTwoNodes peers one endpoint of the older kind with two nodes of a ring: it gets everything once, and what it publishes
// comes to everybody once.
func TestLeafOfTwoNodes(t *testing.T) {
	nodes := ring(t, 4)
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/leaf"})
	peered(t, nodes[0], p)
	peered(t, nodes[2], p)
	var subs []*broker.Subscriber
	for _, e := range nodes {
		subs = append(subs, subscribe(t, e, "/nodes"))
	}
	for i, e := range nodes {
		p.reached(e, fmt.Sprintf("/leaf/ready/%d", i))
	}
	p.asks(nodes[0], "/nodes")
	p.asks(nodes[2], "/nodes")
	for i := range 50 {
		p.do(command{"do": "publish", "topic": "/nodes", "value": i})
	}
	p.ping()
	for n, sub := range subs {
		for i := range 50 {
			if m := get(t, sub); !data.Equal(m.Value, data.Integer(int64(i))) || m.Origin != p.id {
				t.Fatalf("node %d: message %d is %+v", n, i, m)
			}
		}
	}
	for i := range 50 {
		for n, e := range nodes {
			if err := e.Publish(fmt.Sprintf("/leaf/%d", n), data.Count(uint64(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := make([]int, len(nodes))
	for total := 0; total < 50*len(nodes); {
		m := p.wait("message")
		var n int
		if k, _ := fmt.Sscanf(m.str("topic"), "/leaf/%d", &n); k == 0 {
			continue // one of those before
		}
		if want := fmt.Sprintf("02%016x", next[n]); m.str("hex") != want {
			t.Fatalf("of node %d: %v, want %s", n, m, want)
		}
		next[n]++
		total++
	}
	for n, sub := range subs {
		if sub.Available() != 0 {
			t.Errorf("node %d got more than was published", n)
		}
	}
}

// TestDirectOverHops sends to one endpoint of the older kind from three hops away, and from it to a client as far away.
func TestDirectOverHops(t *testing.T) {
	nodes := ring(t, 5)
	client := endpoint(t, broker.Options{Forward: broker.ForwardNone}, "")
	join(t, client, nodes[2])
	sub := subscribe(t, client, "/direct")
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/hello"})
	peered(t, nodes[0], p)
	p.reached(client, "/hello")
	for i := range 10 {
		if err := client.PublishTo(p.id, "/unasked", data.Count(uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		m := p.waitFor("a message for it alone", func(e event) bool { return e.str("topic") == "/unasked" })
		if m.str("hex") != fmt.Sprintf("02%016x", i) || m.str("receiver") != p.id.String() || m.num("ttl") > 16 {
			t.Fatalf("message %d: %v", i, m)
		}
	}
	// peer.py itself sends to direct peers only: the frame is made by hand.
	to := client.ID()
	for i := range 10 {
		body := hex.EncodeToString(p.id[:]) + hex.EncodeToString(to[:]) + "01" + "0010" + "0007" + hex.EncodeToString([]byte("/direct")) + fmt.Sprintf("02%016x", i)
		p.do(command{"do": "raw", "hex": body, "frame": true})
		if m := get(t, sub); !data.Equal(m.Value, data.Count(uint64(i))) || m.Origin != p.id {
			t.Fatalf("message %d: %+v", i, m)
		}
	}
}

// TestLinkGone takes a link of a ring away under way: what comes to peer.py comes in order and once, and comes again when all is quiet.
func TestLinkGone(t *testing.T) {
	nodes := ring(t, 4)
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/t"})
	peered(t, nodes[2], p)
	p.reached(nodes[0], "/t/first")
	for i := range 300 {
		if err := nodes[0].Publish("/t/n", data.Count(uint64(i))); err != nil {
			t.Fatal(err)
		}
		if i == 150 {
			if err := nodes[0].UnpeerID(within(t), nodes[1].ID()); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.reached(nodes[0], "/t/last")
	p.mu.Lock()
	defer p.mu.Unlock()
	last := ""
	for _, ev := range p.lines {
		if ev.str("event") != "message" || ev.str("topic") != "/t/n" {
			continue
		}
		if ev.str("hex") <= last {
			t.Fatalf("%s after %s", ev.str("hex"), last)
		}
		last = ev.str("hex")
	}
	if last == "" {
		t.Error("nothing came")
	}
}

// TestOtherIDs meets peers whose IDs are of version 7 or of none: C++ Broker drops their status events.
func TestOtherIDs(t *testing.T) {
	for _, id := range []string{"01900000-0000-7000-8000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"} {
		e := endpoint(t, broker.Options{}, "")
		events, err := e.SubscribeStatus(false)
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, "--id", id)
		p.connect(listening(t, e), nil)
		p.wait("peered")
		for _, want := range []string{"endpoint_discovered", "peer_added"} {
			if ev, err := events.Get(within(t)); err != nil || ev.Code != want || ev.ID.String() != id {
				t.Errorf("event %+v, %v", ev, err)
			}
		}
	}
}
