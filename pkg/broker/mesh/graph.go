// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"maps"
	"slices"
	"sync"
)

// graph is the part of a mesh that one node can reach, with the trees that were asked for.
type graph struct {
	self  ID
	links map[ID][]ID // of each reachable node, ascending
	// own are the links of nodes as they themselves see them, of those that see more than their neighbours do: they count in the
	// node's own tree. Its neighbours may notice the end of a connection before all that it has sent has come through, in particular
	// when it says goodbye to all of them.
	own map[ID][]ID

	mu struct {
		sync.Mutex
		trees map[ID]*Tree
	}
}

// newGraph takes over links, which lead both ways, and forgets what self can't reach.
func newGraph(self ID, links, own map[ID][]ID) *graph {
	g := &graph{self: self, links: map[ID][]ID{}, own: own}
	g.mu.trees = make(map[ID]*Tree)
	for next := []ID{self}; len(next) > 0; next = next[1:] {
		if _, seen := g.links[next[0]]; seen {
			continue
		}
		to := slices.Clone(links[next[0]])
		slices.SortFunc(to, ID.Compare)
		g.links[next[0]] = to
		next = append(next, to...)
	}
	return g
}

func (g *graph) equal(h *graph) bool {
	return h != nil && maps.EqualFunc(g.links, h.links, slices.Equal[[]ID]) && maps.EqualFunc(g.own, h.own, slices.Equal[[]ID])
}

func (g *graph) has(node ID) bool {
	_, ok := g.links[node]
	return ok
}

// place is a node's place in a tree.
type place struct {
	parent ID // zero for the root
	depth  int
}

// spread computes a whole tree: the places of all nodes, and the nodes in order of their depth, the parent before its children.
func (g *graph) spread(root ID) (places map[ID]place, order []ID) {
	places = map[ID]place{root: {}}
	for level := []ID{root}; len(level) > 0; {
		order = append(order, level...)
		var next []ID
		for _, parent := range level {
			links := g.links[parent]
			if own, ok := g.own[parent]; ok && parent == root {
				links = own
			}
			for _, n := range links {
				at, seen := places[n]
				switch {
				case !seen:
					places[n] = place{parent, places[parent].depth + 1}
					next = append(next, n)
				case at.depth == places[parent].depth+1 && parent.Compare(at.parent) < 0:
					places[n] = place{parent, at.depth}
				}
			}
		}
		level = next
	}
	return places, order
}

// Tree is the tree of one root as one node sees it. It is immutable.
type Tree struct {
	Root ID
	// Parent is from whom the node takes messages of the root; zero if the node is the root.
	Parent ID
	// Depth is how many links the node is away from the root.
	Depth int
	// Children are to whom the node passes them, ascending.
	Children []ID
	// via names the child behind which each node of the own subtree is.
	via map[ID]ID
}

// Via names the child behind which a node is, or which it is.
func (t *Tree) Via(node ID) (child ID, ok bool) {
	child, ok = t.via[node]
	return child, ok
}

// tree answers the tree of a root, nil if the root is unknown.
func (g *graph) tree(root ID) *Tree {
	if g == nil || !g.has(root) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.mu.trees[root]; t != nil {
		return t
	}
	places, order := g.spread(root)
	own := places[g.self]
	t := &Tree{Root: root, Parent: own.parent, Depth: own.depth, via: make(map[ID]ID)}
	for _, n := range order {
		if n == g.self || n == root {
			continue
		}
		if parent := places[n].parent; parent == g.self {
			t.Children = append(t.Children, n)
			t.via[n] = n
		} else if child, ok := t.via[parent]; ok {
			t.via[n] = child
		}
	}
	slices.SortFunc(t.Children, ID.Compare)
	g.mu.trees[root] = t
	return t
}
