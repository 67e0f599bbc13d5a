// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// Relays tells whether a node passes on, over any number of hops, what is meant for others: store commands, for instance.
func Relays(n *v1alpha1.BrokerNode) bool {
	return n.Spec.Forward == "" || n.Spec.Forward == v1alpha1.ForwardMesh
}

// overNodes tells whether a path over nodes that relay joins two nodes. Nodes that forward nothing are leaves: they begin and end paths.
// Nodes that forward everything don't take part in the mesh and have their direct peers only.
func (c *compiler) overNodes(a, b string) bool {
	if c.nodes[a].Spec.Forward == v1alpha1.ForwardAll || c.nodes[b].Spec.Forward == v1alpha1.ForwardAll {
		return false
	}
	return c.walk(a, func(from, to string) bool {
		return (Relays(c.nodes[to]) || to == b) && (from != a || to != b)
	})[b]
}

// walk answers the nodes that can be reached from one over peerings between nodes that may be taken.
func (c *compiler) walk(from string, may func(from, to string) bool) map[string]bool {
	seen := map[string]bool{from: true}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for next := range c.neighbors[todo[0]] {
			if !seen[next] && may(todo[0], next) {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return seen
}

// unreachable says why the clone's node can't hear the master's.
func (c *compiler) unreachable(f Finding, clone, master string) *Finding {
	f.Reason, f.Message = v1alpha1.ReasonUnreachable, c.noWay(clone, master)
	return c.find(f)
}

// joined tells whether two nodes have a way for stores between them.
func (c *compiler) joined(a, b string) bool {
	return len(c.neighbors[a][b]) > 0 || c.nodes[a] != nil && c.nodes[b] != nil && c.overNodes(a, b)
}

// noWay says why the two aren't joined.
func (c *compiler) noWay(clone, master string) string {
	if c.walk(clone, func(string, string) bool { return true })[master] {
		return fmt.Sprintf("the path that joins BrokerNode %q to the master on %q doesn't carry stores: every node on it needs forward: Mesh (at its ends None will do), or the two need a Peering of their own",
			clone, master)
	}
	return fmt.Sprintf("no path of Peerings joins BrokerNode %q to the master on %q", clone, master)
}
