// SPDX-License-Identifier: Apache-2.0

// Package lint finds what is wrong with a topology, what will hurt, and what is worth knowing: the findings of the compiler
// (package topology), which say what can't be done at all, and its own, which say what can be done but was hardly meant. It is
// pure, and looks at objects alone: a mesh that runs is judged by package evidence.
//
// The rules follow from "Mesh routing", "Identity" and "Trust" of the architecture.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Check finds everything. Findings are sorted by object, field and code; each names an object that is there, and goes away with it.
func Check(o topology.Objects, opt topology.Options) []topology.Finding {
	m := newMesh(o, opt)
	findings := slices.Clone(m.plan.Findings)
	for _, check := range checks {
		findings = append(findings, check(m)...)
	}
	slices.SortFunc(findings, func(a, b topology.Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Message, b.Message))
	})
	return findings
}

// checks are all checks of this package. None looks at what another has found.
var checks = []func(*mesh) []topology.Finding{
	singlePoints, islands, forwardCycles, tooFar,
	copies, staleness, durability,
	memory, topics, protection, names, nodePorts, hostPorts,
}

// mesh is a compiled mesh as the checks see it.
type mesh struct {
	o     topology.Objects
	opt   topology.Options
	plan  topology.Result
	nodes map[string]*v1alpha1.BrokerNode
	pods  map[string]int // by node
	names []string       // of nodes, sorted
	// edges join two nodes, or a node with an address outside; each pair once. peerings are the names of those that do it.
	edges []edge
	// stores by DataStore.
	stores map[string]*topology.StorePlan
}

// edge is a pair of nodes that Peerings join, a < b; outside, b is an external node or an address, and a the node that it is joined with.
type edge struct {
	a, b     string
	outside  bool
	links    int
	peerings []string
}

func newMesh(o topology.Objects, opt topology.Options) *mesh {
	m := &mesh{o: o, opt: opt, plan: topology.Compile(o, opt), nodes: make(map[string]*v1alpha1.BrokerNode, len(o.Nodes)),
		pods: make(map[string]int, len(o.Nodes)), stores: make(map[string]*topology.StorePlan, len(o.Stores))}
	for i := range o.Nodes {
		m.nodes[o.Nodes[i].Name] = &o.Nodes[i]
	}
	for _, n := range m.plan.Nodes {
		if n.External {
			continue // whoever runs it knows what it is like
		}
		m.names = append(m.names, n.Node)
		m.pods[n.Node] = len(n.Pods)
	}
	for i := range m.plan.Stores {
		m.stores[m.plan.Stores[i].Object] = &m.plan.Stores[i]
	}
	m.join()
	return m
}

// join collects the edges.
func (m *mesh) join() {
	at := make(map[[2]string]int)
	for _, p := range m.plan.Peerings {
		for _, l := range p.Links {
			if l.Fault != nil {
				continue
			}
			e := edge{a: l.FromNode, b: cmp.Or(l.ToNode, l.Behind)}
			if e.a == "" {
				e.a, e.b = e.b, "" // an endpoint outside connects
			}
			if e.outside = e.b == ""; e.outside {
				e.b = cmp.Or(l.Outside, l.Address)
			} else if e.a, e.b = min(e.a, e.b), max(e.a, e.b); e.a == e.b {
				continue // pods of one node among themselves
			}
			key := [2]string{e.a, e.b}
			i, ok := at[key]
			if !ok {
				i = len(m.edges)
				at[key], m.edges = i, append(m.edges, e)
			}
			m.edges[i].links++
			if !slices.Contains(m.edges[i].peerings, p.Name) {
				m.edges[i].peerings = append(m.edges[i].peerings, p.Name)
			}
		}
	}
}

// forward is how a node passes messages on.
func (m *mesh) forward(node string) v1alpha1.ForwardMode {
	return cmp.Or(m.nodes[node].Spec.Forward, v1alpha1.ForwardMesh)
}

// quoted lists names, the first few of many.
func quoted(names []string) string {
	const most = 5
	var out []string
	for _, n := range names[:min(len(names), most)] {
		out = append(out, fmt.Sprintf("%q", n))
	}
	if more := len(names) - most; more > 0 {
		return strings.Join(out, ", ") + fmt.Sprintf(" and %d more", more)
	}
	if n := len(out); n > 1 {
		return strings.Join(out[:n-1], ", ") + " and " + out[n-1]
	}
	return strings.Join(out, "")
}

func node(name, field string, severity topology.Severity, code v1alpha1.Reason, format string, args ...any) topology.Finding {
	return topology.Finding{Kind: topology.KindBrokerNode, Name: name, Field: field, Severity: severity, Reason: code, Message: fmt.Sprintf(format, args...)}
}

func store(name, field string, severity topology.Severity, code v1alpha1.Reason, format string, args ...any) topology.Finding {
	return topology.Finding{Kind: topology.KindDataStore, Name: name, Field: field, Severity: severity, Reason: code, Message: fmt.Sprintf(format, args...)}
}
