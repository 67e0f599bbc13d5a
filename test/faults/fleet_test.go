// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// maxPeak bounds the memory of an endpoint's process in tests in which nobody asks for much: a Go program with its test binary, and
// room for queues of the messages that the tests send.
const maxPeak = memoryFactor * 256 << 20

// fleet is a world that really runs. It belongs to the goroutine of the test.
type fleet struct {
	t       testing.TB
	w       *world
	lab     *lab.Lab
	members []*member
	sent    []map[string]uint64 // by each member in its present life
	// strangers: others than the members may be peered with them, and want things.
	strangers bool
	totals    totals
}

// totals are what a test has done.
type totals struct {
	Members, Faults, Published, Received, Paths, Lost uint64
}

func (t *totals) add(o totals) {
	t.Members += o.Members
	t.Faults += o.Faults
	t.Published += o.Published
	t.Received += o.Received
	t.Paths += o.Paths
	t.Lost += o.Lost
}

// String is what the log of a soak says.
func (t totals) String() string {
	return fmt.Sprintf("%d members, %d faults and other steps, %d messages published and %d received, %d paths that had to lose nothing, %d peerings lost",
		t.Members, t.Faults, t.Published, t.Received, t.Paths, t.Lost)
}

// newFleet makes the lab and starts the members, which dial each other as the world says. keepIDs says who has the same ID in all its
// lives.
func newFleet(t testing.TB, w *world, seed uint64, keepIDs func(m int) bool) *fleet {
	t.Helper()
	return newFleetTuned(t, w, seed, keepIDs, 0, func(int) order { return order{Messages: pumpRoom} })
}

// newFleetTuned is newFleet with further hosts, and options for members.
func newFleetTuned(t testing.TB, w *world, seed uint64, keepIDs func(m int) bool, over int, tune func(m int) order) *fleet {
	t.Helper()
	l, err := lab.New(len(w.kinds)+over, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	logs, err := os.MkdirTemp("", "faults-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() || *keepFlag {
			t.Logf("the logs of the endpoints are in %s", logs)
			return
		}
		os.RemoveAll(logs)
	})
	f := &fleet{t: t, w: w, lab: l, sent: make([]map[string]uint64, len(w.kinds)), strangers: over > 0}
	f.totals.Members = uint64(len(w.kinds))
	for i, k := range w.kinds {
		m := newMember(t, fmt.Sprintf("m%d", i), k, l.Hosts()[i], keepIDs(i), logs)
		m.wants, m.opt = w.wants[i], tune(i)
		f.members = append(f.members, m)
		m.start()
	}
	for i, l := range sorted(w.links) {
		a, b := l[i%2], l[1-i%2]
		if w.kinds[b] != kindNode { // leaves dial their node
			a, b = b, a
		}
		f.members[a].dial(f.members[b])
	}
	return f
}

func never(int) bool { return false }

// index finds a member by its present ID.
func (f *fleet) index(id string) int {
	return slices.IndexFunc(f.members, func(m *member) bool { return m.alive() && m.id == id })
}

// states asks everybody.
func (f *fleet) states() []answer {
	f.t.Helper()
	return f.all(func(int) order { return order{Do: doState} })
}

// all gives an order to everybody and waits for the answers.
func (f *fleet) all(o func(m int) order) []answer {
	f.t.Helper()
	out := make([]answer, len(f.members))
	for i, m := range f.members {
		m.send(o(i))
	}
	for i, m := range f.members {
		out[i] = m.answer(o(i).Do)
	}
	return out
}

// settle waits until the mesh is what the world says: everybody is peered with whom he should be, and everybody's filters and pictures
// of the mesh are right. The answer are the states then.
func (f *fleet) settle(when string) (states []answer) {
	f.t.Helper()
	poll(f.t, when+": the mesh", func() string {
		states = f.states()
		for i, s := range states {
			if wrong := cmp.Or(f.wrongPeers(i, &s), f.wrongView(i, &s)); wrong != "" {
				return fmt.Sprintf("m%d: %s", i, wrong)
			}
		}
		return ""
	})
	return states
}

// wrongPeers says what is wrong with a member's peers.
func (f *fleet) wrongPeers(i int, s *answer) string {
	var got []int
	for _, p := range s.Peers {
		at := f.index(p.ID)
		if at < 0 && f.strangers {
			continue
		}
		if p.State != "Peered" || at < 0 {
			return fmt.Sprintf("peer %+v", p)
		}
		got = append(got, at)
		if want := f.w.filter(at, i); !f.asks(p.Filter, want) {
			return fmt.Sprintf("m%d asks for %q, want %q", at, p.Filter, want)
		}
	}
	slices.Sort(got)
	if want := f.w.peers(i); !slices.Equal(got, want) {
		return fmt.Sprintf("peered with %v, want %v", got, want)
	}
	return ""
}

// asks tells whether a filter is the right one. What strangers want may come on top.
func (f *fleet) asks(got, want topic.Filter) bool {
	if !f.strangers {
		return got.Equal(want)
	}
	return !slices.ContainsFunc(want, func(prefix string) bool { return !got.Matches(prefix) })
}

// wrongView says what is wrong with a node's picture of the mesh. Nodes that it can't reach it may still know.
func (f *fleet) wrongView(i int, s *answer) string {
	if f.w.kinds[i] != kindNode {
		return ""
	}
	got, want := make(map[string]nodeReport), make(map[string]nodeReport)
	for _, n := range s.Nodes {
		if n.Reachable {
			maps.DeleteFunc(n.Leaves, func(id string, _ []string) bool { return f.strangers && f.index(id) < 0 })
			got[n.ID] = n
		}
	}
	for m, k := range f.w.kinds {
		if k == kindNode {
			want[f.members[m].id] = f.expected(m)
		}
	}
	for id, w := range want {
		if g, ok := got[id]; !ok {
			return fmt.Sprintf("doesn't know m%d", f.index(id))
		} else if !g.equal(&w) {
			return fmt.Sprintf("knows m%d as %+v, want %+v", f.index(id), g, w)
		}
		delete(got, id)
	}
	if len(got) > 0 {
		return fmt.Sprintf("thinks that it reaches %v, too", slices.Collect(maps.Keys(got)))
	}
	return ""
}

// expected is what the mesh should know of a node.
func (f *fleet) expected(m int) nodeReport {
	r := nodeReport{ID: f.members[m].id, Reachable: true, Wants: topic.NewFilter(f.w.wants[m]...), Leaves: map[string][]string{}}
	for _, p := range f.w.peers(m) {
		if f.w.kinds[p] == kindNode {
			r.Neighbours = append(r.Neighbours, f.members[p].id)
		} else {
			r.Leaves[f.members[p].id] = topic.NewFilter(f.w.wants[p]...)
		}
	}
	slices.Sort(r.Neighbours)
	return r
}

func (n *nodeReport) equal(other *nodeReport) bool {
	return slices.Equal(n.Neighbours, other.Neighbours) && slices.Equal(n.Wants, other.Wants) && maps.EqualFunc(n.Leaves, other.Leaves, slices.Equal)
}

// since tells for each direction of a peering since when it stands.
type since map[[2]int]int64

func (f *fleet) since(states []answer) since {
	out := make(since)
	for i, s := range states {
		for _, p := range s.Peers {
			if at := f.index(p.ID); at >= 0 && p.State == "Peered" {
				out[[2]int{i, at}] = p.Since
			}
		}
	}
	return out
}

// stable tells whether a path has been up all the time between two looks.
func stable(path []int, a, b since) bool {
	for i := 1; i < len(path); i++ {
		for _, d := range [][2]int{{path[i-1], path[i]}, {path[i], path[i-1]}} {
			if a[d] == 0 || a[d] != b[d] {
				return false
			}
		}
	}
	return true
}

// published counts what members have published in a life that ends.
func (f *fleet) published(sent map[string]uint64) {
	for _, n := range sent {
		f.totals.Published += n
	}
}

// finish closes everybody at once, with all lines good, and sees that nothing is left and that nobody has taken much memory.
func (f *fleet) finish() {
	f.t.Helper()
	for _, sent := range f.sent {
		f.published(sent)
	}
	for i, a := range f.all(func(int) order { return order{Do: doClose} }) {
		f.members[i].reap()
		f.totals.Lost += a.Stats.Lost
		for _, s := range a.Streams {
			for _, spans := range s {
				f.totals.Received += sum(spans)
			}
		}
		if a.Use.Peak > maxPeak {
			f.t.Errorf("m%d took up to %d MiB", i, a.Use.Peak>>20)
		}
	}
}

// quit ends a test that has failed.
func (f *fleet) quit() {
	f.t.Helper()
	if f.t.Failed() {
		f.t.FailNow()
	}
}

func wanted(prefixes []string, topic string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(topic, p) })
}
