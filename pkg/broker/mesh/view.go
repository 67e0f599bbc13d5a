// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// View is a mesh as one node sees it. It is immutable, and any number of goroutines may read it.
type View struct {
	Self ID
	// Nodes are all nodes that are known, this one included, ascending by ID.
	Nodes []Node
	// Times: somebody wants stamps to carry the time of entry.
	Times bool

	graph   *graph
	kept    map[ID]*graph
	exits   map[ID]ID
	foreign map[ID][]ID // the nodes to which a foreign leaf is attached
	wants   *topic.Table[ID]
	remote  func() topic.Filter
	early   []topic.Filter // wants of neighbours that have not advertised them yet
}

// View answers the present view. Nodes that became unreachable did so now.
func (d *Database) View(now time.Time) *View {
	if !d.stale && d.view != nil {
		return d.view
	}
	links, own := d.links()
	g := newGraph(d.self, links, own)
	if d.view != nil && g.equal(d.view.graph) {
		g = d.view.graph
	}
	d.note(g, now)
	v := &View{Self: d.self, graph: g, kept: make(map[ID]*graph), exits: make(map[ID]ID), foreign: make(map[ID][]ID)}
	for id, k := range d.kept {
		v.kept[id] = k.graph
	}
	for _, id := range slices.SortedFunc(maps.Keys(d.records), ID.Compare) {
		n := d.records[id].node
		n.Reachable = g.has(id)
		v.Nodes = append(v.Nodes, n)
		v.Times = v.Times || n.Times && n.Reachable
	}
	v.attach()
	v.table(d.peers)
	v.remote = sync.OnceValue(func() topic.Filter { return v.remoteWants(func(*Leaf) bool { return true }) })
	d.view, d.stale = v, false
	return v
}

// links are the connections that both ends speak of. own has those of nodes that still speak of a connection of which the other end has
// ceased to speak.
func (d *Database) links() (links, own map[ID][]ID) {
	links, own = make(map[ID][]ID, len(d.records)), make(map[ID][]ID)
	for id, r := range d.records {
		for _, to := range r.node.Neighbours {
			if id == d.self || to == d.self {
				continue
			}
			if other := d.records[to]; other != nil && other.node.linked(id) {
				links[id] = append(links[id], to)
				r.meet(to)
			}
		}
	}
	for p, l := range d.peers {
		if r := d.records[p]; !l.heard || r != nil && r.node.linked(d.self) {
			links[d.self] = append(links[d.self], p)
			links[p] = append(links[p], d.self)
			if r != nil && r.node.linked(d.self) {
				r.meet(d.self)
			}
		}
	}
	for id, r := range d.records {
		if len(r.met) > len(links[id]) {
			own[id] = slices.SortedFunc(maps.Keys(r.met), ID.Compare)
		}
	}
	return links, own
}

// note keeps the last graph of nodes that have become unreachable, and since when they are.
func (d *Database) note(g *graph, now time.Time) {
	if d.view != nil {
		for id := range d.view.graph.links {
			if !g.has(id) {
				d.kept[id] = keptGraph{d.view.graph, now}
			}
		}
	}
	for id := range g.links {
		delete(d.kept, id)
	}
	for id, r := range d.records {
		switch {
		case g.has(id):
			r.since, r.again = time.Time{}, false
		case r.since.IsZero():
			r.since = now
		}
	}
}

// attach finds the exits of leaves.
func (v *View) attach() {
	for i := range v.Nodes { // ascending: the first node that has a leaf is its exit
		n := &v.Nodes[i]
		if !n.Reachable {
			continue
		}
		for _, l := range n.Leaves {
			if l.Class == wire.LeafNode || v.graph.has(l.ID) {
				continue
			}
			if _, ok := v.exits[l.ID]; !ok {
				v.exits[l.ID] = n.ID
			}
			if l.Class == wire.LeafForeign {
				v.foreign[l.ID] = append(v.foreign[l.ID], n.ID)
			}
		}
	}
}

// table makes the table of what other nodes want for themselves and for the leaves whose exits they are.
func (v *View) table(peers map[ID]*link) {
	var entries []topic.Entry[ID]
	add := func(node ID, f topic.Filter) {
		for _, prefix := range f {
			entries = append(entries, topic.Entry[ID]{Prefix: prefix, Dest: node})
		}
	}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Reachable && n.ID != v.Self {
			add(n.ID, n.Wants)
			for _, l := range n.Leaves {
				if v.exits[l.ID] == n.ID {
					add(n.ID, l.Wants)
				}
			}
		}
	}
	for p, l := range peers {
		if !l.heard {
			add(p, l.wants.Public())
			v.early = append(v.early, l.wants.Public())
		}
	}
	v.wants = topic.NewTable(entries)
}

// Tree answers the tree of a root: the last one if the root can't be reached any more, nil if it is unknown.
func (v *View) Tree(root ID) *Tree {
	if t := v.graph.tree(root); t != nil {
		return t
	}
	return v.kept[root].tree(root)
}

// Reaches tells whether a path of links leads to a node.
func (v *View) Reaches(node ID) bool { return v.graph.has(node) }

// AppendChildren appends the children of this node in a tree behind which somebody wants a topic.
func (v *View) AppendChildren(dst []ID, t *Tree, name []byte) []ID {
	for _, node := range v.wants.AppendMatches(nil, name) {
		if child, ok := t.via[node]; ok && !slices.Contains(dst, child) {
			dst = append(dst, child)
		}
	}
	return dst
}

// Exit is the node through which a leaf's messages enter and leave the mesh; false if the leaf is unknown.
func (v *View) Exit(leaf ID) (ID, bool) {
	id, ok := v.exits[leaf]
	return id, ok
}

// NextHop is whom this node passes a message to that goes along a tree to one node or leaf: a child, or the node itself if it is the
// leaf's exit. False: there is no way.
func (v *View) NextHop(t *Tree, to ID) (ID, bool) {
	if !v.graph.has(to) {
		exit, ok := v.exits[to]
		if !ok {
			return ID{}, false
		}
		to = exit
	}
	if to == v.Self {
		return to, true
	}
	return t.Via(to)
}

// Apart tells whether two leaves are foreign and attached to one node. Messages of one don't go to the other: the two may be peered
// with each other, without anybody knowing.
func (v *View) Apart(a, b ID) bool {
	for _, node := range v.foreign[a] {
		if slices.Contains(v.foreign[b], node) {
			return true
		}
	}
	return false
}

// RemoteWants is what a leaf of this node is to be asked for because of other nodes and their leaves. The class is wire.LeafClient or
// wire.LeafForeign; the zero ID stands for a leaf that is not known yet.
func (v *View) RemoteWants(leaf ID, class uint8) topic.Filter {
	special := false
	for i := range v.Nodes {
		special = special || v.Nodes[i].ID != v.Self && v.Nodes[i].leaf(leaf) != nil
	}
	if !special && class != wire.LeafForeign || !special && !v.apartFromAny(leaf) {
		return v.remote()
	}
	return v.remoteWants(func(l *Leaf) bool {
		return l.ID != leaf && !(class == wire.LeafForeign && v.Apart(leaf, l.ID))
	})
}

// apartFromAny tells whether a leaf of another node is kept apart from a leaf.
func (v *View) apartFromAny(leaf ID) bool {
	for other := range v.foreign {
		if other != leaf && v.Apart(leaf, other) && !(len(v.foreign[other]) == 1 && v.foreign[other][0] == v.Self) {
			return true
		}
	}
	return false
}

func (v *View) remoteWants(counts func(*Leaf) bool) topic.Filter {
	all := slices.Clone(v.early)
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if !n.Reachable || n.ID == v.Self {
			continue
		}
		all = append(all, n.Wants)
		for k := range n.Leaves {
			if l := &n.Leaves[k]; l.Class != wire.LeafNode && counts(l) {
				all = append(all, l.Wants)
			}
		}
	}
	return topic.Union(all...)
}

// Foreign tells whether a leaf is foreign at a node that can be reached.
func (v *View) Foreign(leaf ID) bool { return len(v.foreign[leaf]) > 0 }

// Joint is the node with the smallest ID to which both of two leaves are attached; false if there is none. What goes between a leaf and
// a node that takes no part in the mesh, each of which may be attached to several nodes, goes through that one.
func (v *View) Joint(a, b ID) (ID, bool) {
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Reachable && n.leaf(a) != nil && n.leaf(b) != nil {
			return n.ID, true
		}
	}
	return ID{}, false
}
