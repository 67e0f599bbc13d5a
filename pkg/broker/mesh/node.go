// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Node is what a node of a mesh says of itself.
type Node struct {
	ID      ID
	Version uint64
	// Times: somebody there wants stamps to carry the time of entry.
	Times bool
	// Neighbours are the nodes that it is peered with, ascending.
	Neighbours []ID
	// Wants is what the node itself wants, without its leaves.
	Wants topic.Filter
	// Leaves are attached to it, ascending by ID.
	Leaves []Leaf
	// Reachable, in a View: a path of links leads there.
	Reachable bool
}

// Leaf is an endpoint that is attached to a node.
type Leaf struct {
	ID ID
	// Class is wire.LeafNode, wire.LeafClient or wire.LeafForeign.
	Class uint8
	Wants topic.Filter
}

func nodeOf(ls *wire.LinkState) Node {
	n := Node{ID: ls.Node, Version: ls.Version, Times: ls.Times, Neighbours: slices.Clone(ls.Neighbours), Wants: topic.NewFilter(ls.Wants...).Public()}
	for _, l := range ls.Leaves {
		n.Leaves = append(n.Leaves, Leaf{l.ID, l.Class, topic.NewFilter(l.Filter...).Public()})
	}
	n.sort()
	return n
}

func (n *Node) sort() {
	slices.SortFunc(n.Neighbours, ID.Compare)
	slices.SortFunc(n.Leaves, func(a, b Leaf) int { return a.ID.Compare(b.ID) })
}

// says tells whether two advertisements differ in their versions at most.
func (n *Node) says(old *Node) bool {
	return n.Times == old.Times && slices.Equal(n.Neighbours, old.Neighbours) && n.Wants.Equal(old.Wants) &&
		slices.EqualFunc(n.Leaves, old.Leaves, func(a, b Leaf) bool {
			return a.ID == b.ID && a.Class == b.Class && a.Wants.Equal(b.Wants)
		})
}

// lacks tells whether the node has lost a neighbour or a leaf.
func (n *Node) lacks(old *Node) bool {
	for _, id := range old.Neighbours {
		if !n.linked(id) {
			return true
		}
	}
	for _, l := range old.Leaves {
		if n.leaf(l.ID) == nil {
			return true
		}
	}
	return false
}

func (n *Node) linked(id ID) bool {
	_, ok := slices.BinarySearchFunc(n.Neighbours, id, ID.Compare)
	return ok
}

func (n *Node) leaf(id ID) *Leaf {
	i, ok := slices.BinarySearchFunc(n.Leaves, id, func(l Leaf, id ID) int { return l.ID.Compare(id) })
	if !ok {
		return nil
	}
	return &n.Leaves[i]
}
