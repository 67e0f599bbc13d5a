// SPDX-License-Identifier: Apache-2.0

// Package graph draws a mesh: as SVG by a layout of its own, or as text for
// Graphviz (DOT) and Mermaid. The same mesh gives the same bytes. Of a mesh that
// runs it shows what isn't well.
package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// State is how something is.
type State int

// The states. Of objects that don't run nothing is known, which is fine.
const (
	// Plain: nothing is known, or all is well.
	Plain State = iota
	// Doubtful: nobody could tell how it is.
	Doubtful
	// Bad: it isn't as it should be.
	Bad
)

// Graph is what is drawn. Nodes are sorted by ID, edges by their ends and names.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// Node is a BrokerNode, or an endpoint outside.
type Node struct {
	// ID is unique: the name, or the address.
	ID string
	// Lines are what stands in the box: the name, then its stores.
	Lines   []string
	Outside bool
	State   State
	// Why says why the state isn't Plain.
	Why string
}

// Edge is a Peering between two nodes; From dials.
type Edge struct {
	From, To, Name string
	// Label is short; empty for the ordinary case.
	Label string
	// Open: the connection isn't protected by certificates of the mesh.
	Open  bool
	State State
	Why   string
}

// Of makes the graph of a mesh.
func Of(m meshobjects.Mesh) Graph {
	plan := topology.Compile(m.Objects, m.Options())
	nodes := make(map[string]*Node)
	status := make(map[string][]metav1.Condition)
	for i := range m.Objects.Nodes {
		n := &m.Objects.Nodes[i]
		node := &Node{ID: n.Name, Lines: []string{n.Name}}
		if node.Outside = topology.External(n); node.Outside {
			node.Lines[0] += " (external)"
		} else if pods := len(topology.Pods(n)); pods != 1 {
			node.Lines[0] = fmt.Sprintf("%s (%s)", n.Name, meshobjects.Count(pods, "pod"))
		}
		node.State, node.Why = judged(m, n.Status.Conditions)
		nodes[n.Name] = node
	}
	for i := range m.Objects.Peerings {
		status[m.Objects.Peerings[i].Name] = m.Objects.Peerings[i].Status.Conditions
	}
	edges := edgesOf(m, plan, nodes, status)
	stores(m, plan, nodes)
	g := Graph{Edges: edges}
	for _, n := range nodes {
		g.Nodes = append(g.Nodes, *n)
	}
	slices.SortFunc(g.Nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(g.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Name, b.Name))
	})
	return g
}

// judged reads the condition Ready of an object that runs.
func judged(m meshobjects.Mesh, conditions []metav1.Condition) (State, string) {
	if !m.Live() {
		return Plain, ""
	}
	for _, c := range conditions {
		if c.Type != v1alpha1.ConditionReady {
			continue
		}
		switch c.Status {
		case metav1.ConditionTrue:
			return Plain, ""
		case metav1.ConditionFalse:
			return Bad, c.Reason
		}
		return Doubtful, c.Reason
	}
	return Doubtful, "nothing known yet"
}

// edgesOf makes an edge for each pair of nodes that a peering joins, and the
// nodes outside that they lead to. A peering at fault has one as far as its
// ends are there.
func edgesOf(m meshobjects.Mesh, plan topology.Result, nodes map[string]*Node, status map[string][]metav1.Condition) []Edge {
	var out []Edge
	for _, p := range plan.Peerings {
		state, why := judged(m, status[p.Name])
		pairs := make(map[[2]string]*Edge)
		for _, l := range p.Links {
			from, to := cmp.Or(l.FromNode, l.Outside), cmp.Or(l.ToNode, l.Behind)
			if to == "" {
				to = cmp.Or(l.Outside, l.Address)
			}
			if nodes[to] == nil {
				nodes[to] = &Node{ID: to, Lines: []string{to}, Outside: true}
			}
			pair := [2]string{from, to}
			if pairs[pair] == nil {
				pairs[pair] = &Edge{From: from, To: to, Name: p.Name, State: state, Why: why, Open: l.TLS != nodeconfig.TLSMesh}
				if l.TLS != nodeconfig.TLSMesh {
					pairs[pair].Label = "TLS " + strings.ToLower(l.TLS)
				}
			}
		}
		if p.Fault != nil && nodes[p.From] != nil && nodes[p.To] != nil {
			pairs[[2]string{}] = &Edge{From: p.From, To: p.To, Name: p.Name, State: Bad, Why: string(p.Fault.Reason)}
		}
		for _, e := range pairs {
			out = append(out, *e)
		}
	}
	return out
}

// stores writes masters and clones into the boxes of their nodes.
func stores(m meshobjects.Mesh, plan topology.Result, nodes map[string]*Node) {
	backend := make(map[string]v1alpha1.Backend)
	for i := range m.Objects.Stores {
		s := &m.Objects.Stores[i]
		backend[s.Name] = cmp.Or(s.Spec.Master.Backend, v1alpha1.BackendMemory)
	}
	add := func(node, format string, args ...any) {
		if n := nodes[node]; n != nil {
			n.Lines = append(n.Lines, fmt.Sprintf(format, args...))
		}
	}
	for _, s := range plan.Stores {
		if s.Fault != nil {
			add(s.Master, "! %s: %s", s.Object, s.Fault.Reason)
			continue
		}
		add(s.Master, "\u25cf %s (%s)", s.Object, backend[s.Object])
		if s.Target != "" {
			add(s.Target, "\u25cf %s moves here", s.Object)
		}
		for _, c := range s.Clones {
			if c.Fault != nil {
				add(c.Node, "! %s: %s", s.Object, c.Fault.Reason)
			} else {
				add(c.Node, "\u25cb %s", s.Object)
			}
		}
	}
}
