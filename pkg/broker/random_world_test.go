// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Topics of random messages, and the prefixes that subscribers choose from.
var (
	randomTopics   = []string{"/a", "/a/b", "/a/b/c", "/ab", "/b", "/b/x", "z"}
	randomPrefixes = []string{"", "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "/b/", "z", "/nobody"}
)

// randomWorld makes members and links.
func randomWorld(rng *rand.Rand) *world {
	for {
		w := &world{links: map[link]bool{}}
		for range 2 + rng.IntN(2+rng.IntN(18)) {
			w.kinds = append(w.kinds, randomKind(rng))
		}
		w.kinds[0] = isNode
		w.rank = rng.Perm(len(w.kinds))
		w.linkNodes(rng)
		w.linkLeaves(rng)
		if w.sound() {
			return w
		}
	}
}

func randomKind(rng *rand.Rand) memberKind {
	switch n := rng.IntN(20); {
	case n < 10:
		return isNode
	case n < 15:
		return isClient
	case n < 19:
		return isForeign
	default:
		return isForwarder
	}
}

func (w *world) all(is func(memberKind) bool) (out []int) {
	for m, k := range w.kinds {
		if is(k) {
			out = append(out, m)
		}
	}
	return out
}

func (w *world) nodes() []int  { return w.all(func(k memberKind) bool { return k == isNode }) }
func (w *world) others() []int { return w.all(func(k memberKind) bool { return k != isNode }) }

// linkNodes makes meshes of the nodes: trees with more or less further links, or full ones.
func (w *world) linkNodes(rng *rand.Rand) {
	nodes := w.nodes()
	more := []float64{0, 0.1, 0.4, 1}[rng.IntN(4)]
	apart := []float64{0, 0, 0.2}[rng.IntN(3)] // how often a node begins a mesh of its own
	for i, n := range nodes[1:] {
		if rng.Float64() < apart {
			continue
		}
		to := nodes[rng.IntN(i+1)]
		w.links[linkOf(n, to)] = true
		for _, m := range nodes[:i+1] {
			if rng.Float64() < more {
				w.links[linkOf(n, m)] = true
			}
		}
	}
}

// linkLeaves peers each leaf with nodes, some of the foreign ones among themselves, and puts some behind forwarders.
func (w *world) linkLeaves(rng *rand.Rand) {
	nodes := w.nodes()
	for _, m := range w.others() {
		n := 1
		if w.kinds[m] != isForwarder && rng.IntN(4) == 0 {
			n += 1 + rng.IntN(2)
		}
		forwarders := w.all(func(k memberKind) bool { return k == isForwarder })
		if w.kinds[m] == isForeign && len(forwarders) > 0 && rng.IntN(2) == 0 {
			w.links[linkOf(m, forwarders[rng.IntN(len(forwarders))])] = true
			continue
		}
		for range n {
			w.try(linkOf(m, nodes[rng.IntN(len(nodes))]))
		}
	}
	foreign := w.all(func(k memberKind) bool { return k == isForeign })
	for range len(foreign) {
		if a, b := foreign[rng.IntN(len(foreign))], foreign[rng.IntN(len(foreign))]; a != b {
			w.try(linkOf(a, b))
		}
	}
}

// try adds or removes a link if the world stays sound.
func (w *world) try(l link) bool {
	had := w.links[l]
	w.set(l, !had)
	if !w.sound() {
		w.set(l, had)
		return false
	}
	return true
}

func (w *world) set(l link, up bool) {
	if up {
		w.links[l] = true
	} else {
		delete(w.links, l)
	}
}

// change finds a link to add or to remove.
func (w *world) change(rng *rand.Rand) (l link, ok bool) {
	nodes, others := w.nodes(), w.others()
	for range 20 {
		a, b := nodes[rng.IntN(len(nodes))], nodes[rng.IntN(len(nodes))]
		if len(others) > 0 && rng.IntN(2) == 0 {
			b = others[rng.IntN(len(others))]
		}
		if l := linkOf(a, b); a != b && w.mayChange(l) && w.try(l) {
			return l, true
		}
	}
	return link{}, false
}

// mayChange tells whether a link can come or go in this test: forwarders have one node.
func (w *world) mayChange(l link) bool {
	return w.links[l] || !slices.ContainsFunc(l[:], func(m int) bool {
		return w.kinds[m] == isForwarder && slices.ContainsFunc(w.peers(m), func(p int) bool { return w.kinds[p] == isNode })
	})
}

// String lists kinds and links.
func (w *world) String() string {
	text := ""
	for m, k := range w.kinds {
		text += fmt.Sprintf("%d %s %v\n", m, [...]string{"node", "client", "foreign", "forwarder"}[k], w.peers(m))
	}
	return text
}
