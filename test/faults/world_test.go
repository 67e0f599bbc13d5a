// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// link is a pair of members, the smaller number first.
type link [2]int

func linkOf(a, b int) link { return link{min(a, b), max(a, b)} }

// world is what a mesh should be when nothing is broken: who there is, who is peered with whom, and who wants what. Leaves, which are
// all that are not nodes, have one node each.
type world struct {
	kinds []kind
	links map[link]bool
	wants [][]string
}

// randomWorld makes a mesh of 2 to 12 members. The nodes are all connected.
func randomWorld(rng *rand.Rand) *world {
	w := &world{links: make(map[link]bool)}
	var nodes []int
	for m := range 2 + rng.IntN(11) {
		k := kindNode
		if dice := rng.IntN(10); m > 0 && dice >= 8 {
			k = kindForeign
		} else if m > 0 && dice >= 6 {
			k = kindClient
		}
		w.kinds = append(w.kinds, k)
		w.wants = append(w.wants, randomPrefixes(rng))
		if m > 0 {
			w.links[linkOf(m, nodes[rng.IntN(len(nodes))])] = true
		}
		if k == kindNode {
			nodes = append(nodes, m)
		}
	}
	more := []float64{0, 0.2, 0.5}[rng.IntN(3)]
	for i, a := range nodes {
		for _, b := range nodes[:i] {
			if rng.Float64() < more {
				w.links[linkOf(a, b)] = true
			}
		}
	}
	return w
}

func randomPrefixes(rng *rand.Rand) (out []string) {
	for range 1 + rng.IntN(3) {
		out = append(out, prefixes[rng.IntN(len(prefixes))])
	}
	return out
}

// sorted lists links in order.
func sorted(links map[link]bool) (out []link) {
	for l := range links {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b link) int { return slices.Compare(a[:], b[:]) })
	return out
}

// peers are the members that one is peered with, in order.
func (w *world) peers(m int) (out []int) {
	for _, l := range sorted(w.links) {
		switch m {
		case l[0]:
			out = append(out, l[1])
		case l[1]:
			out = append(out, l[0])
		}
	}
	return out
}

// entry is the node at which messages of a member enter the mesh, and leave it for the member.
func (w *world) entry(m int) int {
	if w.kinds[m] == kindNode {
		return m
	}
	return w.peers(m)[0]
}

// hasLeaves tells whether leaves have a node as their entry.
func (w *world) hasLeaves(node int) bool {
	return slices.ContainsFunc(w.peers(node), func(p int) bool { return w.kinds[p] != kindNode })
}

// offered tells whether what a member publishes goes to another one: to everybody but from one foreign endpoint to another one at the
// same node.
func (w *world) offered(from, to int) bool {
	apart := w.kinds[from] == kindForeign && w.kinds[to] == kindForeign && w.entry(from) == w.entry(to)
	return from != to && !apart
}

// filter is what a member asks a peer for.
func (w *world) filter(m, peer int) topic.Filter {
	all := slices.Clone(w.wants[m])
	switch {
	case w.kinds[m] != kindNode:
	case w.kinds[peer] == kindNode:
		for _, p := range w.peers(m) {
			if w.kinds[p] != kindNode {
				all = append(all, w.wants[p]...)
			}
		}
	default:
		for other := range w.kinds {
			if w.offered(peer, other) {
				all = append(all, w.wants[other]...)
			}
		}
	}
	return topic.NewFilter(all...)
}

// only is the path between two members if there is one shortest path, the members included; nil if there are several or none.
func (w *world) only(from, to int) []int {
	a, b := w.entry(from), w.entry(to)
	count, before, far := map[int]int{a: 1}, map[int]int{}, map[int]int{a: 0}
	for next := []int{a}; len(next) > 0; next = next[1:] {
		n := next[0]
		for _, p := range w.peers(n) {
			if w.kinds[p] != kindNode {
				continue
			}
			d, seen := far[p]
			if !seen {
				far[p], before[p] = far[n]+1, n
				next = append(next, p)
			}
			if !seen || d == far[n]+1 {
				count[p] += count[n]
			}
		}
	}
	if count[b] != 1 {
		return nil
	}
	path := []int{b}
	for at := b; at != a; at = before[at] {
		path = append(path, before[at])
	}
	slices.Reverse(path)
	if from != a {
		path = append([]int{from}, path...)
	}
	if to != b {
		path = append(path, to)
	}
	return path
}

// String lists members, links and wants.
func (w *world) String() string {
	var b strings.Builder
	for m, k := range w.kinds {
		fmt.Fprintf(&b, "  m%d %s, peered with %v, wants %q\n", m, k, w.peers(m), w.wants[m])
	}
	return b.String()
}

// TestWorld checks the model by a mesh made by hand.
func TestWorld(t *testing.T) {
	w := &world{
		kinds: []kind{kindNode, kindNode, kindNode, kindNode, kindForeign, kindForeign, kindClient},
		links: map[link]bool{{0, 1}: true, {1, 2}: true, {2, 3}: true, {0, 3}: true, {0, 4}: true, {0, 5}: true, {2, 6}: true},
		wants: [][]string{{"/0"}, {"/1"}, {"/2"}, {"/3"}, {"/4"}, {"/5"}, {"/6"}},
	}
	for _, tt := range []struct {
		from, to int
		want     []int
	}{{0, 1, []int{0, 1}}, {0, 2, nil}, {4, 5, []int{4, 0, 5}}, {6, 3, []int{6, 2, 3}}, {4, 6, nil}, {4, 0, []int{4, 0}}} {
		if got := w.only(tt.from, tt.to); !slices.Equal(got, tt.want) {
			t.Errorf("the only path from %d to %d is %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
	for _, tt := range []struct {
		m, peer int
		want    topic.Filter
	}{
		{0, 1, topic.NewFilter("/0", "/4", "/5")}, {0, 4, topic.NewFilter("/0", "/1", "/2", "/3", "/6")}, {4, 0, topic.NewFilter("/4")},
		{2, 6, topic.NewFilter("/0", "/1", "/2", "/3", "/4", "/5")}, {3, 2, topic.NewFilter("/3")},
	} {
		if got := w.filter(tt.m, tt.peer); !got.Equal(tt.want) {
			t.Errorf("%d asks %d for %q, want %q", tt.m, tt.peer, got, tt.want)
		}
	}
	if w.offered(4, 5) || !w.offered(4, 6) || w.offered(1, 1) {
		t.Error("offered is wrong")
	}
}

func TestMissing(t *testing.T) {
	for _, tt := range []struct {
		spans    []span
		from, to uint64
		want     []span
	}{
		{nil, 0, 0, nil},
		{nil, 2, 4, []span{{3, 4}}},
		{[]span{{1, 10}}, 2, 10, nil},
		{[]span{{1, 3}, {5, 5}, {8, 12}}, 2, 9, []span{{4, 4}, {6, 7}}},
		{[]span{{1, 3}, {20, 22}}, 3, 9, []span{{4, 9}}},
		{[]span{{5, 6}}, 0, 6, []span{{1, 4}}},
	} {
		if got := missing(tt.spans, tt.from, tt.to); !slices.Equal(got, tt.want) {
			t.Errorf("missing(%v, %d, %d) = %v, want %v", tt.spans, tt.from, tt.to, got, tt.want)
		}
	}
}
