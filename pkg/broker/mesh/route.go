// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Step is one connection that a message is expected to go over.
type Step struct {
	From, To ID
	// Leaf: To is a leaf of From.
	Leaf bool
	// Wants: To wants the message itself, and not only others behind it.
	Wants bool
	// Hops is the number of connections that the message has then gone over.
	Hops int
}

// Route predicts which way a message takes that an origin publishes, if it enters at a node: the node itself, or the entry of a leaf.
// Steps come in the order of their distance. The answer is empty if nobody wants the topic or the entering node can't be reached.
func (v *View) Route(entering, origin ID, name string) []Step {
	if !v.graph.has(entering) {
		return nil
	}
	places, order := v.graph.spread(entering)
	wanting, needed, leaves := make(map[ID]bool), make(map[ID]bool), make(map[ID][]ID)
	for i := range v.Nodes {
		n := &v.Nodes[i]
		wanting[n.ID] = n.Reachable && n.Wants.Matches(name)
		for _, l := range n.Leaves {
			if !n.Reachable || l.Class == wire.LeafNode || v.exits[l.ID] != n.ID || !l.Wants.Matches(name) {
				continue
			}
			needed[n.ID] = true // whoever passes the message on doesn't look at who is apart from whom
			if l.ID != origin && !v.Apart(l.ID, origin) {
				leaves[n.ID] = append(leaves[n.ID], l.ID)
			}
		}
	}
	for _, n := range slices.Backward(order) {
		if needed[n] = needed[n] || wanting[n]; needed[n] && n != entering {
			needed[places[n].parent] = true
		}
	}
	entry := 0
	if origin != entering {
		entry = 1
	}
	var steps []Step
	for _, n := range order {
		if n != entering && needed[n] {
			steps = append(steps, Step{From: places[n].parent, To: n, Wants: wanting[n], Hops: entry + places[n].depth})
		}
		for _, l := range leaves[n] {
			steps = append(steps, Step{From: n, To: l, Leaf: true, Wants: true, Hops: entry + places[n].depth + 1})
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return a.Hops - b.Hops })
	return steps
}
