// SPDX-License-Identifier: Apache-2.0

package look

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// prediction is where a message would go.
type prediction struct {
	Topic string `json:"topic"`
	inspect.Route
	// Absent are the nodes and leaves that don't get it, and why.
	Absent []absence `json:"absent,omitempty"`
}

// absence is an endpoint that a message does not come to.
type absence struct {
	ID   data.EndpointID `json:"id"`
	Name string          `json:"name"`
	Why  string          `json:"why"`
}

// predict explains a route by what the node where it begins knows of the mesh.
func (p *Picture) predict(name string, r inspect.Route) prediction {
	out := prediction{Topic: name, Route: r}
	got := map[data.EndpointID]bool{r.Entering: true}
	for _, s := range r.Steps {
		got[s.To] = true
	}
	for _, n := range p.meshAt(r.Entering) {
		switch {
		case !n.Reachable:
			out.miss(p, n.ID, "no path of connections leads there")
		case !got[n.ID]:
			out.miss(p, n.ID, "nobody there or behind it wants the topic")
		}
		for _, l := range n.Leaves {
			if n.Reachable && !got[l.ID] && topic.NewFilter(l.Wants...).Matches(name) {
				got[l.ID] = true // once, though it may be attached to several nodes
				out.miss(p, l.ID, whyNotLeaf(l, r.Origin))
			}
		}
	}
	slices.SortStableFunc(out.Absent, func(a, b absence) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (p *prediction) miss(in *Picture, id data.EndpointID, why string) {
	p.Absent = append(p.Absent, absence{id, in.Name(id), why})
}

func whyNotLeaf(l inspect.Leaf, origin data.EndpointID) string {
	switch {
	case l.ID == origin:
		return "it publishes the message"
	case l.Class == classNode:
		return "a node that knows no whole meshes: it gets what the node next to it and that one's leaves publish"
	case l.Class == classForeign:
		return "foreign as the publisher, and attached to the same node: the two may be peered with each other"
	default:
		return "the node that delivers to it does not reach it now"
	}
}

// meshAt are the nodes as one of them knows them.
func (p *Picture) meshAt(id data.EndpointID) []inspect.Node {
	at := slices.IndexFunc(p.Reports, func(r inspect.Report) bool { return r.ID == id })
	if at < 0 {
		return nil
	}
	return p.Reports[at].Mesh
}

// node is what the node where a message enters knows of another.
func (p *Picture) node(at, id data.EndpointID) (inspect.Node, bool) {
	nodes := p.meshAt(at)
	i := slices.IndexFunc(nodes, func(n inspect.Node) bool { return n.ID == id })
	if i < 0 {
		return inspect.Node{}, false
	}
	return nodes[i], true
}

// lines draws the prediction.
func (p *prediction) lines(in *Picture) []string {
	out := []string{fmt.Sprintf("%s would go so:", table.Plain(p.Topic))}
	out = append(out, in.routeTree(p).lines()...)
	if p.Truncated > 0 {
		out = append(out, fmt.Sprintf("… and %s more", table.Count(p.Truncated, "step", "steps")))
	}
	if len(p.Absent) > 0 {
		out = append(out, "and not to:")
		for _, a := range p.Absent {
			out = append(out, fmt.Sprintf("  %s: %s", a.Name, a.Why))
		}
	}
	return out
}

// routeTree is the route as a tree.
func (p *Picture) routeTree(r *prediction) *branch {
	root := &branch{text: p.rootText(r)}
	at := map[data.EndpointID]*branch{r.Entering: root}
	for _, s := range r.Steps {
		b := &branch{text: fmt.Sprintf("%s (%s): %s", p.Name(s.To), table.Count(s.Hops, "hop", "hops"), p.stepText(r, s))}
		if from := at[s.From]; from != nil {
			from.below = append(from.below, b)
		}
		if !s.Leaf {
			at[s.To] = b
		}
	}
	return root
}

// rootText is what happens where the message enters.
func (p *Picture) rootText(r *prediction) string {
	text := p.Name(r.Entering)
	n, _ := p.node(r.Entering, r.Entering)
	wants := topic.NewFilter(n.Wants...).Matches(r.Topic)
	switch {
	case r.Origin != r.Entering && wants:
		text += ": enters, from " + p.Name(r.Origin) + "; wants it"
	case r.Origin != r.Entering:
		text += ": enters, from " + p.Name(r.Origin)
	case wants:
		text += ": publishes it (its own subscribers don't get that)"
	default:
		text += ": publishes it"
	}
	if len(r.Steps) == 0 {
		text += "; nobody else wants it"
	}
	return text
}

// stepText is what an endpoint does with a message.
func (p *Picture) stepText(r *prediction, s inspect.Step) string {
	if s.Leaf {
		n, _ := p.node(r.Entering, s.From)
		at := slices.IndexFunc(n.Leaves, func(l inspect.Leaf) bool { return l.ID == s.To })
		if at < 0 {
			return "wants it"
		}
		return strings.ToLower(n.Leaves[at].Class) + ", wants it"
	}
	if s.Wants {
		return "wants it"
	}
	return "passes it on"
}
