// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"slices"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
	"github.com/brokermesh/brokermesh/pkg/topology/graph"
)

// forwardCycles finds cycles that a node with forward: All belongs to. Such nodes, and endpoints outside, which are taken for C++
// brokers, hand on everything; nodes with forward: Mesh keep to one way among themselves, so that all that are joined count as one.
func forwardCycles(m *mesh) []topology.Finding {
	vertex, names := m.contracted()
	if !slices.ContainsFunc(m.names, m.forwardsAll) {
		return nil
	}
	g := graph.New(len(names))
	for _, e := range m.edges {
		a, okA := vertex[e.a]
		b, okB := vertex[e.b]
		if okA && okB {
			g.Join(a, b)
		}
	}
	var out []topology.Finding
	for _, block := range g.Blocks() {
		if len(block) < 3 {
			continue
		}
		var members []string
		for _, v := range block {
			members = append(members, names[v])
		}
		slices.Sort(members)
		i := slices.IndexFunc(members, func(name string) bool { return m.nodes[name] != nil && m.forwardsAll(name) })
		if i < 0 {
			continue
		}
		others := slices.Delete(slices.Clone(members), i, i+1)
		out = append(out, node(members[i], "spec.forward", topology.Warning, ForwardCycle,
			"All, in a cycle with %s: messages come more than once, and go round until their hops are used up; allowed: Mesh, or no cycle", quoted(others)))
	}
	return out
}

func (m *mesh) forwardsAll(name string) bool { return m.forward(name) == v1alpha1.ForwardAll }

// contracted gives each node that forwards a vertex, one for all nodes with forward: Mesh that are joined, and each address outside.
// The name of a vertex is its first node's.
func (m *mesh) contracted() (vertex map[string]int, names []string) {
	at := make(map[string]int, len(m.names))
	for i, name := range m.names {
		at[name] = i
	}
	g := graph.New(len(m.names))
	for _, e := range m.edges {
		if !e.outside && m.forward(e.a) == v1alpha1.ForwardMesh && m.forward(e.b) == v1alpha1.ForwardMesh {
			g.Join(at[e.a], at[e.b])
		}
	}
	vertex = make(map[string]int)
	for _, part := range g.Parts(g.Vertices(), -1) {
		if m.forward(m.names[part[0]]) == v1alpha1.ForwardNone {
			continue
		}
		for _, v := range part {
			vertex[m.names[v]] = len(names)
		}
		names = append(names, m.names[part[0]])
	}
	for _, e := range m.edges {
		if _, known := vertex[e.b]; e.outside && !known {
			vertex[e.b] = len(names)
			names = append(names, e.b)
		}
	}
	return vertex, names
}
