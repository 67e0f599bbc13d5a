// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology/graph"
)

// Relays tells whether a node passes on, over any number of hops, what is meant for others: store commands, for instance.
func Relays(n *v1alpha1.BrokerNode) bool {
	return n.Spec.Forward == "" || n.Spec.Forward == v1alpha1.ForwardMesh
}

// hop is a link as seen from one of its ends.
type hop struct {
	to      int // member
	peering string
}

// join remembers that a peering joins two members.
func (c *compiler) join(a, b int, peering string) {
	c.hops[a] = append(c.hops[a], hop{b, peering})
	c.hops[b] = append(c.hops[b], hop{a, peering})
}

// between names the peerings that join two members directly.
func (c *compiler) between(a, b int) []string {
	var names []string
	for _, h := range c.hops[a] {
		if h.to == b {
			names = append(names, h.peering)
		}
	}
	return names
}

// ways are the parts that a mesh falls into. They are found once, when all peerings are compiled.
type ways struct {
	// part numbers the parts that any links hold together, relayed those that links between members that relay do. Members that don't
	// relay have a number of relayed for themselves.
	part, relayed []int
	// only are pairs of members that relay, the lower first, with no other way over such members than their direct links.
	only map[[2]int]bool
}

func (c *compiler) ways() *ways {
	if c.found != nil {
		return c.found
	}
	all, relays := graph.New(len(c.members)), graph.New(len(c.members))
	for m, hops := range c.hops {
		for _, h := range hops {
			all.Join(m, h.to)
			if c.relays(m) && c.relays(h.to) {
				relays.Join(m, h.to)
			}
		}
	}
	c.found = &ways{part: numbered(all), relayed: numbered(relays), only: make(map[[2]int]bool)}
	for _, block := range relays.Blocks() {
		if len(block) == 2 {
			c.found.only[[2]int(block)] = true
		}
	}
	return c.found
}

// numbered gives each member the number of its part.
func numbered(g *graph.Graph) []int {
	vertices := g.Vertices()
	part := make([]int, len(vertices))
	for n, members := range g.Parts(vertices, -1) {
		for _, m := range members {
			part[m] = n
		}
	}
	return part
}

func (c *compiler) relays(m int) bool { return Relays(c.members[m].node) }

// overNodes tells whether a path over members that relay, besides a direct link, joins two members. Nodes that forward nothing are leaves:
// they begin and end paths. Nodes that forward everything don't take part in the mesh and have their direct peers only.
func (c *compiler) overNodes(a, b int) bool {
	if c.members[a].node.Spec.Forward == v1alpha1.ForwardAll || c.members[b].node.Spec.Forward == v1alpha1.ForwardAll {
		return false
	}
	if c.relays(a) && c.relays(b) {
		return c.ways().relayed[a] == c.ways().relayed[b] && !c.ways().only[[2]int{min(a, b), max(a, b)}]
	}
	doors := c.doors(a, b)
	for part := range c.doors(b, a) {
		if doors[part] {
			return true
		}
	}
	return false
}

// doors are the parts by which a member can be entered on the way from another one, not from that one itself.
func (c *compiler) doors(m, other int) map[int]bool {
	if c.relays(m) {
		return map[int]bool{c.ways().relayed[m]: true}
	}
	parts := make(map[int]bool)
	for _, h := range c.hops[m] {
		if h.to != other && c.relays(h.to) {
			parts[c.ways().relayed[h.to]] = true
		}
	}
	return parts
}

// joined tells whether the first pods of two nodes have a way for stores between them.
func (c *compiler) joined(a, b string) bool {
	x, y := c.memberOf(a), c.memberOf(b)
	return x != outside && y != outside && (len(c.between(x, y)) > 0 || c.overNodes(x, y))
}

// memberOf is the place of a node's first pod.
func (c *compiler) memberOf(node string) int {
	if s := c.spans[node]; s.first < s.end {
		return s.first
	}
	return outside
}

// noWay says why a clone's pod, of a node, can't hear the master's.
func (c *compiler) noWay(clone string, pod int, master string) string {
	if m := c.memberOf(master); m != outside && pod != outside && c.ways().part[m] == c.ways().part[pod] {
		return fmt.Sprintf("the path that joins BrokerNode %q to the master on %q doesn't carry stores: every node on it needs forward: Mesh (at its ends None will do), or the two need a Peering of their own",
			clone, master)
	}
	return fmt.Sprintf("no path of Peerings joins BrokerNode %q to the master on %q", clone, master)
}
