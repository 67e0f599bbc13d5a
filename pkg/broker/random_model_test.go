// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"slices"
	"strings"
	"testing"
)

// memberKind is what an endpoint of a random mesh is.
type memberKind uint8

const (
	isNode memberKind = iota
	isClient
	isForeign   // as C++ Broker with forwarding off
	isForwarder // as C++ Broker with forwarding on: it wants everything and passes it to all its peers but the one that it came from
)

// link is a pair of members, the smaller number first.
type link [2]int

func linkOf(a, b int) link { return link{min(a, b), max(a, b)} }

// world is a mesh as the model sees it: who there is and who is peered with whom. It knows nothing of how messages travel, only what
// has to come out.
type world struct {
	kinds []memberKind
	rank  []int // the order of the members' IDs
	links map[link]bool
}

// peers are the members that a member is peered with, in order.
func (w *world) peers(m int) (out []int) {
	for l := range w.links {
		switch m {
		case l[0]:
			out = append(out, l[1])
		case l[1]:
			out = append(out, l[0])
		}
	}
	slices.Sort(out)
	return out
}

// mesh is the set of nodes that a node reaches over nodes.
func (w *world) mesh(node int) map[int]bool {
	seen := map[int]bool{node: true}
	for next := []int{node}; len(next) > 0; next = next[1:] {
		for _, p := range w.peers(next[0]) {
			if w.kinds[p] == isNode && !seen[p] {
				seen[p] = true
				next = append(next, p)
			}
		}
	}
	return seen
}

// leaves are the members that are peered with nodes of a mesh and no nodes themselves.
func (w *world) leaves(mesh map[int]bool) map[int]bool {
	out := map[int]bool{}
	for node := range mesh {
		for _, p := range w.peers(node) {
			if w.kinds[p] != isNode {
				out[p] = true
			}
		}
	}
	return out
}

// offers answers how often a message that a member publishes is offered to each other member.
func (w *world) offers(from int) []int {
	count := make([]int, len(w.kinds))
	w.spread(count, from, -1)
	return count
}

// spread passes a message on from a member that has published it, or got it from another one.
func (w *world) spread(count []int, at, from int) {
	entered := map[int]bool{}
	if w.kinds[at] == isNode {
		w.enter(count, at, at, entered)
		return
	}
	for _, p := range w.peers(at) {
		switch {
		case p == from:
		case w.kinds[p] == isNode:
			w.enter(count, p, at, entered)
		default:
			w.arrive(count, p, at)
		}
	}
}

// enter offers a message to a whole mesh, once; origin is the node or leaf that brought it.
func (w *world) enter(count []int, node, origin int, entered map[int]bool) {
	if entered[node] {
		return
	}
	mesh := w.mesh(node)
	for n := range mesh {
		entered[n] = true
		if n != origin {
			count[n]++
		}
	}
	for leaf := range w.leaves(mesh) {
		if leaf != origin && !w.apart(mesh, origin, leaf) {
			w.arrive(count, leaf, w.exit(mesh, leaf))
		}
	}
}

// exit is some node of a mesh that a leaf is peered with. Forwarders have no more than one.
func (w *world) exit(mesh map[int]bool, leaf int) int {
	for _, p := range w.peers(leaf) {
		if mesh[p] {
			return p
		}
	}
	return -1
}

// apart tells whether two members are foreign endpoints at one node, which may be peered among themselves.
func (w *world) apart(mesh map[int]bool, a, b int) bool {
	if w.kinds[a] < isForeign || w.kinds[b] < isForeign {
		return false
	}
	for node := range mesh {
		if w.links[linkOf(a, node)] && w.links[linkOf(b, node)] {
			return true
		}
	}
	return false
}

func (w *world) arrive(count []int, leaf, from int) {
	count[leaf]++
	if w.kinds[leaf] == isForwarder {
		w.spread(count, leaf, from)
	}
}

// sound tells whether nobody is offered a message twice or gets his own, whoever publishes: links among leaves can bring that about,
// and no node could know.
func (w *world) sound() bool {
	for from := range w.kinds {
		for to, n := range w.offers(from) {
			if n > 1 || to == from && n > 0 {
				return false
			}
		}
	}
	return true
}

// reaches tells whether a node knows a way to a member for messages to it alone.
func (w *world) reaches(node, to int) bool {
	mesh := w.mesh(node)
	return mesh[to] || w.leaves(mesh)[to]
}

// direct tells whether a message to one member arrives. Endpoints that are no nodes know their peers; clients leave the rest to the one
// of their nodes with the smallest ID.
func (w *world) direct(from, to int) bool {
	if w.links[linkOf(from, to)] {
		return true
	}
	switch w.kinds[from] {
	case isNode:
		return w.reaches(from, to)
	case isClient:
		nodes := w.peers(from)
		if len(nodes) == 0 {
			return false
		}
		return w.reaches(slices.MinFunc(nodes, func(a, b int) int { return w.rank[a] - w.rank[b] }), to)
	default:
		return false
	}
}

// origin is whom a message names as its publisher, at a node or client: forwarders hide who is behind them.
func (w *world) origin(from, at int) int {
	for _, p := range w.peers(from) {
		if p == at || w.kinds[from] != isForeign || w.kinds[p] == isNode && w.reaches(p, at) {
			return from
		}
	}
	for _, p := range w.peers(from) {
		if w.kinds[p] == isForwarder {
			return p
		}
	}
	return from
}

// hops is the number of connections between two nodes on the shortest way; 0 for other members, where several may be right.
func (w *world) hops(from, to int) int {
	if w.kinds[from] != isNode || w.kinds[to] != isNode {
		return 0
	}
	far := map[int]int{from: 0}
	for next := []int{from}; len(next) > 0; next = next[1:] {
		for _, p := range w.peers(next[0]) {
			if _, seen := far[p]; w.kinds[p] == isNode && !seen {
				far[p] = far[next[0]] + 1
				next = append(next, p)
			}
		}
	}
	return far[to]
}

func anyPrefix(prefixes []string, topic string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(topic, p) })
}

// TestModel checks the model by hand-made meshes.
func TestModel(t *testing.T) {
	n, c, f, a := isNode, isClient, isForeign, isForwarder
	for _, tt := range []struct {
		name  string
		kinds []memberKind
		links []link
		want  map[int][]int // publisher to how often each is offered the message
		sound bool
	}{
		{"pair", []memberKind{n, n}, []link{{0, 1}}, map[int][]int{0: {0, 1}, 1: {1, 0}}, true},
		{"nobody", []memberKind{n, n}, nil, map[int][]int{0: {0, 0}}, true},
		{"chain", []memberKind{n, n, n}, []link{{0, 1}, {1, 2}}, map[int][]int{0: {0, 1, 1}, 1: {1, 0, 1}}, true},
		{"ring", []memberKind{n, n, n, n}, []link{{0, 1}, {1, 2}, {2, 3}, {0, 3}}, map[int][]int{0: {0, 1, 1, 1}}, true},
		{"clients at the ends", []memberKind{c, n, n, c}, []link{{0, 1}, {1, 2}, {2, 3}}, map[int][]int{0: {0, 1, 1, 1}, 1: {1, 0, 1, 1}}, true},
		{"client at two nodes", []memberKind{n, n, c}, []link{{0, 1}, {0, 2}, {1, 2}}, map[int][]int{0: {0, 1, 1}, 2: {1, 1, 0}}, true},
		{"client between meshes", []memberKind{n, c, n}, []link{{0, 1}, {1, 2}}, map[int][]int{0: {0, 1, 0}, 1: {1, 0, 1}}, true},
		{"foreign at one node", []memberKind{f, n, f}, []link{{0, 1}, {1, 2}}, map[int][]int{0: {0, 1, 0}, 1: {1, 0, 1}}, true},
		{"foreign at one node and peered", []memberKind{f, n, f}, []link{{0, 1}, {1, 2}, {0, 2}}, map[int][]int{0: {0, 1, 1}}, true},
		{"foreign at two nodes", []memberKind{f, n, n, f}, []link{{0, 1}, {1, 2}, {2, 3}}, map[int][]int{0: {0, 1, 1, 1}}, true},
		{"foreign at two nodes and peered", []memberKind{f, n, n, f}, []link{{0, 1}, {1, 2}, {2, 3}, {0, 3}}, map[int][]int{0: {0, 1, 1, 2}}, false},
		{"foreign with a common node elsewhere", []memberKind{f, n, n, f}, []link{{0, 1}, {1, 2}, {0, 2}, {2, 3}}, map[int][]int{0: {0, 1, 1, 0}}, true},
		{"forwarder", []memberKind{n, a, f, f}, []link{{0, 1}, {1, 2}, {1, 3}},
			map[int][]int{0: {0, 1, 1, 1}, 1: {1, 0, 1, 1}, 2: {1, 1, 0, 1}}, true},
		{"behind a forwarder into a mesh", []memberKind{f, a, n, n, c}, []link{{0, 1}, {1, 2}, {2, 3}, {3, 4}},
			map[int][]int{0: {0, 1, 1, 1, 1}, 4: {1, 1, 1, 1, 0}}, true},
		{"forwarder and client at one node", []memberKind{f, a, n, c}, []link{{0, 1}, {1, 2}, {2, 3}}, map[int][]int{3: {1, 1, 1, 0}}, true},
		{"two leaves between two meshes", []memberKind{n, n, c, c}, []link{{0, 2}, {0, 3}, {1, 2}, {1, 3}}, map[int][]int{2: {1, 1, 0, 2}}, false},
		{"clients peered and at one node", []memberKind{n, c, c}, []link{{0, 1}, {0, 2}, {1, 2}}, map[int][]int{1: {1, 0, 2}}, false},
	} {
		w := &world{kinds: tt.kinds, links: map[link]bool{}}
		for _, l := range tt.links {
			w.links[l] = true
		}
		for from, want := range tt.want {
			if got := w.offers(from); !slices.Equal(got, want) {
				t.Errorf("%s: member %d publishes: offered %v, want %v", tt.name, from, got, want)
			}
		}
		if got := w.sound(); got != tt.sound {
			t.Errorf("%s: sound is %v", tt.name, got)
		}
	}
}
