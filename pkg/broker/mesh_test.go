// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// member is one endpoint of a mesh with a subscriber of everything below "/m".
type member struct {
	name string
	e    *Endpoint
	sub  *Subscriber
}

// kinds of members.
var kinds = map[string]Options{
	"node": {}, "client": {Forward: ForwardNone}, "foreign": {PlainProtocol: true, Forward: ForwardNone}, "all": {Forward: ForwardAll}, "old": {firstStep: true},
}

// meshOf makes members of the given kinds, and connects the pairs.
func meshOf(t *testing.T, names []string, links ...[2]int) []*member {
	t.Helper()
	return meshBy(t, func(_ int, a, b *Endpoint) { connect(t, a, b) }, names, links...)
}

// meshBy is meshOf with a way to connect the n-th pair.
func meshBy(t *testing.T, link func(n int, a, b *Endpoint), names []string, links ...[2]int) []*member {
	t.Helper()
	var ms []*member
	for _, kind := range names {
		m := &member{name: kind, e: endpoint(t, kinds[kind])}
		var err error
		if m.sub, err = m.e.Subscribe([]string{"/m"}, QueueLimit{}); err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	for i, l := range links {
		link(i, ms[l[0]].e, ms[l[1]].e)
	}
	// A ping to each peer goes behind the filters that follow from the last peering, twice for filters that travel over two hops.
	for range 3 {
		for _, m := range ms {
			if err := m.e.syncPeers(within(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ms
}

// deliveries publishes at one member and answers which others received the message, and how often.
func deliveries(t *testing.T, ms []*member, from int) []int {
	t.Helper()
	publish(t, ms[from].e, fmt.Sprintf("/m/%d", from), data.Count(1))
	// As above: when every ping has been answered three times, no message is under way.
	for range 3 {
		for _, m := range ms {
			if err := m.e.syncPeers(within(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []int
	for i, m := range ms {
		for _, ok := m.sub.Poll(); ok; _, ok = m.sub.Poll() {
			got = append(got, i)
		}
	}
	return got
}

// TestForwarding checks who receives what in small meshes, whose peerings go over TCP, within the process, or both by turns.
func TestForwarding(t *testing.T) {
	for name, local := range map[string]func(n int) bool{
		"TCP": func(int) bool { return false }, "local": func(int) bool { return true },
		"even": func(n int) bool { return n%2 == 0 }, "odd": func(n int) bool { return n%2 == 1 },
	} {
		t.Run(name, func(t *testing.T) {
			testForwarding(t, func(n int, a, b *Endpoint) {
				if local(n) {
					connectLocal(t, a, b)
				} else {
					connect(t, a, b)
				}
			})
		})
	}
}

func testForwarding(t *testing.T, link func(n int, a, b *Endpoint)) {
	for _, c := range []struct {
		name  string
		kinds []string
		links [][2]int
		want  map[int][]int // publisher to receivers
	}{
		{"pair", []string{"node", "node"}, [][2]int{{0, 1}}, map[int][]int{0: {1}, 1: {0}}},
		{"triangle of nodes", []string{"node", "node", "node"}, [][2]int{{0, 1}, {1, 2}, {2, 0}},
			map[int][]int{0: {1, 2}, 1: {0, 2}, 2: {0, 1}}},
		{"chain of nodes", []string{"node", "node", "node"}, [][2]int{{0, 1}, {1, 2}}, map[int][]int{0: {1, 2}, 1: {0, 2}, 2: {0, 1}}},
		{"node relays for clients", []string{"client", "node", "client"}, [][2]int{{0, 1}, {2, 1}},
			map[int][]int{0: {1, 2}, 1: {0, 2}, 2: {0, 1}}},
		{"clients of two nodes", []string{"client", "node", "node", "client"}, [][2]int{{0, 1}, {1, 2}, {3, 2}},
			map[int][]int{0: {1, 2, 3}, 1: {0, 2, 3}, 3: {0, 1, 2}}},
		{"clients in a triangle", []string{"node", "node", "node", "client", "client"}, [][2]int{{0, 1}, {1, 2}, {2, 0}, {3, 0}, {4, 1}},
			map[int][]int{0: {1, 2, 3, 4}, 3: {0, 1, 2, 4}, 4: {0, 1, 2, 3}}},
		{"foreign endpoints are kept apart", []string{"foreign", "node", "foreign", "client"}, [][2]int{{0, 1}, {2, 1}, {3, 1}},
			map[int][]int{0: {1, 3}, 1: {0, 2, 3}, 2: {1, 3}, 3: {0, 1, 2}}},
		{"foreign endpoint of another node", []string{"foreign", "node", "node", "foreign"}, [][2]int{{0, 1}, {1, 2}, {3, 2}},
			map[int][]int{0: {1, 2, 3}, 1: {0, 2, 3}}},
		{"client in the middle passes nothing", []string{"node", "client", "node"}, [][2]int{{1, 0}, {1, 2}}, map[int][]int{0: {1}, 1: {0, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ms := meshBy(t, link, c.kinds, c.links...)
			for from, want := range c.want {
				if got := deliveries(t, ms, from); !slices.Equal(got, want) {
					t.Errorf("member %d published, received by %v, want %v", from, got, want)
				}
			}
		})
	}
}

// TestForwardAll passes everything on, as C++ Broker does when forwarding is on, to whoever the one in the middle hears of.
func TestForwardAll(t *testing.T) {
	ms := meshOf(t, []string{"all", "all", "all"}, [2]int{0, 1}, [2]int{1, 2})
	if got := deliveries(t, ms, 0); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("received by %v", got)
	}
}

// TestFiltersOfLeaves follows the filters that nodes ask each other for on behalf of their leaves.
func TestFiltersOfLeaves(t *testing.T) {
	node, other := endpoint(t, Options{}), endpoint(t, Options{})
	client, foreign := endpoint(t, kinds["client"]), endpoint(t, kinds["foreign"])
	connect(t, node, other)
	connect(t, client, node)
	connect(t, foreign, node)
	seenBy := func(e *Endpoint, want ...string) {
		t.Helper()
		poll(t, fmt.Sprintf("filter %q", want), func() bool {
			for _, p := range e.Peers() {
				if p.ID == node.ID() {
					return slices.Equal(p.Filter, want)
				}
			}
			return false
		})
	}
	node.SetWants([]string{"/own"})
	c, _ := client.Subscribe([]string{"/client", "/shared"}, QueueLimit{})
	f, _ := foreign.Subscribe([]string{"/foreign", "/shared"}, QueueLimit{})
	seenBy(other, "/client", "/foreign", "/own", "/shared")
	seenBy(client, "/foreign", "/own", "/shared")
	seenBy(foreign, "/client", "/own", "/shared")
	f.Close()
	seenBy(other, "/client", "/own", "/shared")
	seenBy(client, "/own")
	c.SetPrefixes([]string{"/client/a"})
	seenBy(other, "/client/a", "/own")
	seenBy(foreign, "/client/a", "/own")
	if err := client.Unpeer(within(t), client.Peers()[0].Address); err != nil {
		t.Fatal(err)
	}
	seenBy(other, "/own")
	node.SetWants(nil)
	seenBy(other)
}

// TestPointToPoint sends to one endpoint over no hop and over one.
func TestPointToPoint(t *testing.T) {
	ms := meshOf(t, []string{"client", "node", "client"}, [2]int{0, 1}, [2]int{2, 1})
	for _, c := range []struct {
		to    int
		topic string
	}{{1, "/m/x"}, {0, "/m/self"}} {
		if err := ms[0].e.PublishTo(ms[c.to].e.ID(), c.topic, data.Count(1)); err != nil {
			t.Fatal(err)
		}
		if m := get(t, ms[c.to].sub); m.Topic != c.topic || m.From != ms[0].e.ID() {
			t.Errorf("%+v", m)
		}
	}
	// The node knows the way to its other client, and says who the message is from.
	if err := ms[0].e.PublishTo(ms[2].e.ID(), "/m/far", data.Count(1)); err != nil {
		t.Fatal(err)
	}
	if m := get(t, ms[2].sub); m.Topic != "/m/far" || m.From != ms[1].e.ID() || m.Origin != ms[0].e.ID() || m.Hops != 2 {
		t.Errorf("%+v", m)
	}
	// A frame for another endpoint is passed on, whoever it comes from.
	r := rawDial(t, tcp(t, listening(t, ms[1].e)), ms[1].e)
	r.sendEnvelope(wire.Envelope{Sender: r.id, Receiver: ms[2].e.ID(), Type: wire.TypeData, TTL: 16, Topic: []byte("/m/hop"), Payload: []byte{0}})
	if m := get(t, ms[2].sub); m.Topic != "/m/hop" || m.From != ms[1].e.ID() || m.Origin != r.id {
		t.Errorf("%+v", m)
	}
	nowhere := data.NewEndpointID()
	if err := ms[1].e.PublishTo(nowhere, "/m", data.None()); !errors.Is(err, code.NoPathToPeer) {
		t.Errorf("to nowhere: %v", err)
	}
	if err := ms[0].e.PublishTo(nowhere, "/m", data.None()); err != nil { // only the node can know
		t.Errorf("to nowhere, from a client: %v", err)
	}
	poll(t, "a drop for want of a path", func() bool { return ms[1].e.Stats().Dropped[DropNoPath] == 1 })
	if _, ok := ms[1].sub.Poll(); ok {
		t.Error("a message for somebody else was delivered")
	}
}

// TestTTL passes frames on with one hop less and not without hops; the last one is still delivered here.
func TestTTL(t *testing.T) {
	ms := meshOf(t, []string{"node", "client"}, [2]int{1, 0})
	r := rawDial(t, tcp(t, listening(t, ms[0].e)), ms[0].e)
	watch := rawDialAs(t, tcp(t, listening(t, ms[0].e)), ms[0].e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 9}, "/m")
	watch.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1}.Append(nil)) // a client, which sees what foreign peers send
	if err := ms[0].e.AwaitPeer(within(t), watch.id); err != nil {
		t.Fatal(err)
	}
	for _, ttl := range []uint16{0, 1, 2, 16} {
		r.sendEnvelope(wire.Envelope{Sender: r.id, Type: wire.TypeData, TTL: ttl, Topic: []byte("/m"), Payload: []byte{2, 0, 0, 0, 0, 0, 0, 0, byte(ttl)}})
		if n, _ := get(t, ms[0].sub).Value.AsCount(); n != uint64(ttl) {
			t.Errorf("got %d, want %d", n, ttl)
		}
	}
	for _, want := range []uint16{1, 15} {
		env := watch.envelope()
		for env.Type != wire.TypeData {
			env = watch.envelope()
		}
		if env.TTL != want || env.Sender != ms[0].e.ID() {
			t.Errorf("passed on: %+v, want TTL %d", env, want)
		}
	}
	if n := ms[0].e.Stats().Dropped[DropTTL]; n != 4 { // two frames, two clients
		t.Errorf("%d drops counted", n)
	}
}
