// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// settled waits until all members of a mesh know the same of it: every node has the newest advertisement of every other one, and hears
// of so many nodes.
func settled(t testing.TB, nodes int, ms ...*member) {
	t.Helper()
	poll(t, "link state to arrive everywhere", func() bool {
		newest := make(map[endpointID]uint64)
		for _, m := range ms {
			if v := m.e.MeshView(); v != nil {
				for _, n := range v.Nodes {
					if n.Reachable {
						newest[n.ID] = max(newest[n.ID], n.Version)
					}
				}
			}
		}
		for _, m := range ms {
			v := m.e.MeshView()
			if v == nil {
				continue
			}
			seen := 0
			for _, n := range v.Nodes {
				if n.Reachable && n.Version != newest[n.ID] {
					return false
				} else if n.Reachable {
					seen++
				}
			}
			if seen != nodes {
				return false
			}
		}
		return len(newest) == nodes
	})
}

// meshDrops are the messages that a mesh has dropped, by cause; there should be none in a mesh at rest.
func meshDrops(ms []*member) map[DropCause]uint64 {
	out := make(map[DropCause]uint64)
	for _, m := range ms {
		for cause, n := range m.e.Stats().Dropped {
			if n > 0 {
				out[cause] += n
			}
		}
	}
	return out
}

func nodesOf(n int) []string { return slices.Repeat([]string{"node"}, n) }

func chain(n int) (links [][2]int) {
	for i := range n - 1 {
		links = append(links, [2]int{i, i + 1})
	}
	return links
}

func ring(n int) [][2]int { return append(chain(n), [2]int{n - 1, 0}) }

func fullMesh(n int) (links [][2]int) {
	for i := range n {
		for k := range i {
			links = append(links, [2]int{k, i})
		}
	}
	return links
}

func grid(w, h int) (links [][2]int) {
	for y := range h {
		for x := range w {
			if x > 0 {
				links = append(links, [2]int{y*w + x - 1, y*w + x})
			}
			if y > 0 {
				links = append(links, [2]int{y*w + x - w, y*w + x})
			}
		}
	}
	return links
}

// membersOf makes the members of a mesh without waiting for anything but the peerings.
func membersOf(t testing.TB, names []string, links ...[2]int) []*member {
	t.Helper()
	var ms []*member
	for _, kind := range names {
		m := &member{name: kind, e: endpoint(t, kinds[kind])}
		var err error
		if m.sub, err = m.e.Subscribe([]string{"/m"}, wait); err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	for _, l := range links {
		connect(t, ms[l[0]].e, ms[l[1]].e)
	}
	return ms
}

// TestTopologies publishes at every node of some meshes. Everybody else gets everything once and in order, over the shortest path, and
// nothing is dropped.
func TestTopologies(t *testing.T) {
	const messages = 50
	for name, c := range map[string]struct {
		nodes int
		links [][2]int
	}{
		"ring": {5, ring(5)}, "full mesh": {6, fullMesh(6)}, "line of 20": {20, chain(20)}, "grid": {12, grid(4, 3)},
		"ring with a chord": {6, append(ring(6), [2]int{0, 3})},
	} {
		t.Run(name, func(t *testing.T) {
			ms := membersOf(t, nodesOf(c.nodes), c.links...)
			settled(t, c.nodes, ms...)
			for i := range messages {
				for k, m := range ms {
					publish(t, m.e, fmt.Sprintf("/m/%d", k), data.Count(uint64(i)))
				}
			}
			for k, m := range ms {
				next := make(map[endpointID]uint64)
				for range messages * (c.nodes - 1) {
					msg := get(t, m.sub)
					n, _ := msg.Value.AsCount()
					if n != next[msg.Origin] {
						t.Fatalf("node %d got message %d of %v, want %d", k, n, msg.Origin, next[msg.Origin])
					}
					next[msg.Origin]++
					v := m.e.MeshView()
					if tree := v.Tree(msg.Origin); msg.Hops != tree.Depth || msg.From != tree.Parent {
						t.Fatalf("node %d got a message over %d hops from %v", k, msg.Hops, msg.From)
					}
				}
			}
			quiet(t, ms)
			if drops := meshDrops(ms); len(drops) > 0 {
				t.Errorf("dropped: %v", drops)
			}
		})
	}
}

// quiet fails if somebody has received something that nobody has read, once every ping has been answered over some hops.
func quiet(t testing.TB, ms []*member) {
	t.Helper()
	for range 3 {
		for _, m := range ms {
			if err := m.e.syncPeers(within(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, m := range ms {
		if msg, ok := m.sub.Poll(); ok {
			t.Errorf("member %d has received %+v once more", i, msg)
		}
	}
}

// receivers publishes at one member of a mesh at rest and answers who got it, and how often.
func receivers(t testing.TB, ms []*member, from, want int) []int {
	t.Helper()
	publish(t, ms[from].e, "/m/x", data.Count(7))
	poll(t, "messages", func() bool {
		n := 0
		for _, m := range ms {
			n += m.sub.Available()
		}
		return n >= want
	})
	for range 3 {
		for _, m := range ms {
			m.e.syncPeers(within(t))
		}
	}
	var got []int
	for i, m := range ms {
		for msg, ok := m.sub.Poll(); ok; msg, ok = m.sub.Poll() {
			got = append(got, i)
			if msg.Origin != ms[from].e.ID() && m.name != "foreign" && m.name != "old" {
				t.Errorf("member %d got it from %v", i, msg.Origin)
			}
		}
	}
	return got
}

// TestLeaves has leaves at one node and at two, of every kind, in a ring of nodes.
func TestLeaves(t *testing.T) {
	for _, kind := range []string{"client", "foreign"} {
		t.Run(kind, func(t *testing.T) {
			names := append(nodesOf(5), kind, "client", kind)
			links := append(ring(5), [2]int{5, 0}, [2]int{5, 2}, [2]int{6, 3}, [2]int{7, 3}) // member 5 has two attachments
			ms := membersOf(t, names, links...)
			settled(t, 5, ms...)
			all := []int{0, 1, 2, 3, 4, 5, 6, 7}
			for from := range ms {
				want := slices.DeleteFunc(slices.Clone(all), func(i int) bool { return i == from })
				if got := receivers(t, ms, from, len(want)); !slices.Equal(got, want) {
					t.Errorf("member %d published, received by %v", from, got)
				}
			}
			// Directly to and from the leaf: over each of its nodes, and from afar.
			for _, from := range []int{0, 2, 4, 6} {
				if err := ms[from].e.PublishTo(ms[5].e.ID(), "/m/direct", data.Count(1)); err != nil {
					t.Error(err)
				}
				if m := get(t, ms[5].sub); m.Topic != "/m/direct" {
					t.Errorf("%+v", m)
				}
			}
			for _, to := range []int{0, 2} {
				if err := ms[5].e.PublishTo(ms[to].e.ID(), "/m/back", data.Count(1)); err != nil {
					t.Error(err)
				}
				if m := get(t, ms[to].sub); m.Origin != ms[5].e.ID() {
					t.Errorf("%+v", m)
				}
			}
			quiet(t, ms)
			drops := meshDrops(ms)
			if drops[DropEntry] != 1 { // what the leaf with two attachments published, at the one that is not its entry
				t.Errorf("dropped: %v", drops)
			}
			delete(drops, DropEntry)
			if len(drops) > 0 {
				t.Errorf("dropped: %v", drops)
			}
		})
	}
}

// TestLeafChangesNode: a client of two nodes goes on to receive, each message once, when the connection to its exit ends.
func TestLeafChangesNode(t *testing.T) {
	ms := membersOf(t, append(nodesOf(3), "client"), [2]int{0, 1}, [2]int{1, 2}, [2]int{3, 0}, [2]int{3, 2})
	settled(t, 3, ms...)
	exit, _ := ms[1].e.MeshView().Exit(ms[3].e.ID())
	receivers(t, ms, 1, 3)
	if err := ms[3].e.UnpeerID(within(t), exit); err != nil {
		t.Fatal(err)
	}
	poll(t, "the other exit", func() bool {
		other, ok := ms[1].e.MeshView().Exit(ms[3].e.ID())
		return ok && other != exit
	})
	settled(t, 3, ms...)
	if got := receivers(t, ms, 1, 3); !slices.Equal(got, []int{0, 2, 3}) {
		t.Errorf("received by %v", got)
	}
	if got := receivers(t, ms, 3, 3); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("received by %v", got)
	}
}

// TestOlderNode has a node that knows nothing of link state among new ones, all of them peered with each other, with leaves here and
// there, one of them at an old and a new node and one at two new ones.
func TestOlderNode(t *testing.T) {
	names := []string{"node", "node", "node", "old", "client", "client", "client"}
	ms := membersOf(t, names, append(fullMesh(4), [2]int{4, 0}, [2]int{5, 3}, [2]int{6, 1}, [2]int{6, 2})...)
	settled(t, 3, ms...)
	for _, m := range ms {
		if err := m.e.syncPeers(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, "the old node to ask for its client's topics", func() bool { return wantsNow(ms[0].e, "/m") && wantsNow(ms[5].e, "/m") })
	for from := range ms {
		want := slices.DeleteFunc([]int{0, 1, 2, 3, 4, 5, 6}, func(i int) bool { return i == from })
		publish(t, ms[from].e, "/m/x", data.Count(7))
		for _, i := range want {
			get(t, ms[i].sub)
		}
		quiet(t, ms)
	}
}

// TestWaitingReader: while the reader of one peer waits for a subscriber, that of another one, which has messages from the same root,
// can be ended.
func TestWaitingReader(t *testing.T) {
	e := endpoint(t, Options{})
	addr := listening(t, e)
	sub, err := e.Subscribe([]string{"/m"}, QueueLimit{Messages: 1, Overflow: OverflowWait})
	if err != nil {
		t.Fatal(err)
	}
	var raws []*rawPeer
	origin := data.EndpointID{9}
	for i := range 2 {
		r := rawDialAs(t, tcp(t, addr), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, byte(i + 1)})
		r.send(wire.TypePing, topic.Reserved, wire.Announcement{Version: 1, Features: (&Options{}).features(), Nonce: 1}.Append(nil))
		ls := wire.LinkState{Node: r.id, Version: 1, Neighbours: []endpointID{e.ID(), origin}}
		r.send(wire.TypeLinkState, topic.Reserved, ls.Append(nil))
		raws = append(raws, r)
	}
	ls := wire.LinkState{Node: origin, Version: 1, Neighbours: []endpointID{raws[0].id, raws[1].id}}
	raws[0].send(wire.TypeLinkState, topic.Reserved, ls.Append(nil))
	poll(t, "the root", func() bool { return e.MeshView().Reaches(origin) })
	for n := range uint64(3) {
		st := wire.Stamp{Origin: origin, Entering: origin, Number: n + 1}
		raws[0].send(wire.TypeStampedData, "/m", append(st.Append(nil, raws[0].id), 0))
	}
	root := e.roots.get(origin)
	poll(t, "the first reader to wait", func() bool { return sub.Available() == 1 && len(root.lock) == 1 })
	st := wire.Stamp{Origin: origin, Entering: origin, Number: 9}
	raws[1].send(wire.TypeStampedData, "/m", append(st.Append(nil, raws[1].id), 0))
	second := e.routes.Load().peers[raws[1].id]
	poll(t, "the second one to have read", func() bool { return second.BytesIn.Load() > 0 && len(root.lock) == 1 })
	second.Fail(nil)
	<-second.gone
	for range 3 {
		get(t, sub)
	}
}
