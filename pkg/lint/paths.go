// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"slices"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
	"github.com/brokermesh/brokermesh/pkg/topology/graph"
)

// meshHops is how far a node's messages go in a mesh: their TTL between nodes of this project.
const meshHops = 64

// mostSinglePoints are as many as are told: a mesh with more of them is a chain, where that is plain.
const mostSinglePoints = 50

// relays is the graph of the nodes, as messages see it: a node that passes nothing on is a vertex of its own for each of its edges,
// because no path leads through it. owner names the node of every vertex. Endpoints outside aren't in it: nothing of ours passes
// through them.
func (m *mesh) relays() (g *graph.Graph, owner []string) {
	at := make(map[string]int, len(m.names))
	for i, name := range m.names {
		at[name] = i
	}
	g, owner = graph.New(len(m.names)), slices.Clone(m.names)
	used := make([]bool, len(m.names))
	vertex := func(name string) int {
		v := at[name]
		if m.forward(name) != v1alpha1.ForwardNone || !used[v] {
			used[v] = true
			return v
		}
		owner = append(owner, name)
		return g.Grow()
	}
	for _, e := range m.edges {
		if !e.outside {
			g.Join(vertex(e.a), vertex(e.b))
		}
	}
	return g, owner
}

// singlePoints finds the nodes and the peerings without which a mesh falls apart.
func singlePoints(m *mesh) []topology.Finding {
	g, owner := m.relays()
	in := make([]int, len(owner)) // how many blocks
	blocks := g.Blocks()
	for _, block := range blocks {
		for _, v := range block {
			in[v]++
		}
	}
	var out []topology.Finding
	for v, name := range owner {
		if in[v] < 2 || m.pods[name] > 1 || len(out) == mostSinglePoints {
			continue
		}
		parts := named(g.Parts(g.Near(v), v), owner, name)
		if len(parts) < 2 {
			continue
		}
		out = append(out, node(name, "spec", topology.Warning, SinglePoint,
			"without it the mesh falls into %d parts, such as %s on one side and %s on the other; allowed: another Peering around it",
			len(parts), quoted(parts[1]), quoted(parts[0])))
	}
	for _, block := range blocks {
		if len(block) == 2 {
			out = append(out, m.bridge(g, owner, block[0], block[1])...)
		}
	}
	return out
}

// named turns parts into sorted lists of names, the largest part first. What is left of a node that has vertices in several parts
// isn't cut off.
func named(parts [][]int, owner []string, without string) [][]string {
	count := make(map[string]int)
	lists := make([][]string, len(parts))
	for i, part := range parts {
		for _, v := range part {
			lists[i] = append(lists[i], owner[v])
		}
		slices.Sort(lists[i])
		lists[i] = slices.Compact(lists[i])
		for _, name := range lists[i] {
			count[name]++
		}
	}
	var out [][]string
	for _, list := range lists {
		own := slices.DeleteFunc(list, func(name string) bool { return name == without || count[name] > 1 })
		if len(own) > 0 {
			out = append(out, own)
		}
	}
	slices.SortStableFunc(out, func(a, b []string) int { return len(b) - len(a) })
	return out
}

// bridge is the finding about an edge that alone joins two parts of a mesh, each of two nodes or more: of a node with one peering
// everybody knows what hangs on it.
func (m *mesh) bridge(g *graph.Graph, owner []string, a, b int) []topology.Finding {
	if len(g.Near(a)) < 2 || len(g.Near(b)) < 2 {
		return nil
	}
	x, y := min(owner[a], owner[b]), max(owner[a], owner[b])
	i := slices.IndexFunc(m.edges, func(e edge) bool { return e.a == x && e.b == y })
	if i < 0 || len(m.edges[i].peerings) != 1 || m.edges[i].links > 1 {
		return nil
	}
	f := topology.Finding{Kind: topology.KindPeering, Name: m.edges[i].peerings[0], Field: "spec", Severity: topology.Info, Reason: SingleLink}
	f.Message = "it alone joins the part of the mesh behind BrokerNode \"" + x + "\" with the part behind BrokerNode \"" + y + "\""
	return []topology.Finding{f}
}

// islands finds nodes that no peering joins with the rest.
func islands(m *mesh) []topology.Finding {
	at := make(map[string]int, len(m.names))
	for i, name := range m.names {
		at[name] = i
	}
	g := graph.New(len(m.names))
	outside := make(map[string]bool) // nodes with a peering to somewhere else
	for _, e := range m.edges {
		if e.outside {
			outside[e.a] = true
		} else {
			g.Join(at[e.a], at[e.b])
		}
	}
	parts := g.Parts(g.Vertices(), -1)
	slices.SortStableFunc(parts, func(a, b []int) int { return len(b) - len(a) })
	var out []topology.Finding
	for i, part := range parts {
		first := m.names[part[0]]
		switch {
		case m.pods[first] == 0: // scaled to nothing, on purpose, or external: what that is joined with can't be seen
		case len(part) > 1 && i > 0:
			out = append(out, node(first, "metadata.name", topology.Info, Island,
				"%s have no Peering with the %d nodes around %q", quoted(m.labels(part)), len(parts[0]), m.names[parts[0][0]]))
		case len(part) > 1 || len(m.names) == 1 || outside[first]:
		case len(m.nodes[first].Spec.Subscriptions) > 0:
			out = append(out, node(first, "spec.subscriptions", topology.Warning, NobodyToAsk,
				"no Peering joins the node with anybody whom it could ask for %s", quoted(m.nodes[first].Spec.Subscriptions)))
		default:
			out = append(out, node(first, "metadata.name", topology.Info, Island, "no Peering joins the node with any other"))
		}
	}
	return out
}

func (m *mesh) labels(vertices []int) []string {
	var out []string
	for _, v := range vertices {
		out = append(out, m.names[v])
	}
	return out
}

// tooFar finds meshes in which messages end before they have arrived everywhere.
func tooFar(m *mesh) []topology.Finding {
	g, owner := m.relays()
	var out []topology.Finding
	for _, part := range g.Parts(g.Vertices(), -1) {
		if len(part) <= meshHops+1 {
			continue
		}
		first := g.Hops(part[0])
		if 2*slices.Max(first) <= meshHops {
			continue // from anywhere over that one vertex to anywhere
		}
		if a, b, far := farthest(g, part); far > meshHops {
			out = append(out, node(min(owner[a], owner[b]), "spec", topology.Warning, TooFar,
				"%d hops away from BrokerNode %q, allowed: at most %d; what one of them publishes doesn't reach the other", far, max(owner[a], owner[b]), meshHops))
		}
	}
	return out
}

// farthest are two vertices of a part that are as far from each other as any.
func farthest(g *graph.Graph, part []int) (a, b, far int) {
	for _, v := range part {
		for w, n := range g.Hops(v) {
			if n > far {
				a, b, far = v, w, n
			}
		}
	}
	return a, b, far
}
