// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// edge is a link as seen from one of its ends.
type edge struct {
	to      string // pod
	peering string
	down    bool // certainly
}

// edges are the links of all pods, and the pods that relay. They are made when they are first asked for.
type edges struct {
	of     map[string][]edge
	relays map[string]bool
}

func (j *judge) edges() *edges {
	if j.graph != nil {
		return j.graph
	}
	j.graph = &edges{of: make(map[string][]edge), relays: make(map[string]bool)}
	for _, n := range j.in.Compiled.Nodes {
		for _, p := range n.Pods {
			j.graph.relays[p.Pod] = j.nodes[n.Node] != nil && topology.Relays(j.nodes[n.Node])
		}
	}
	for _, peering := range slices.Sorted(maps.Keys(j.links)) {
		for i := range j.links[peering] {
			v := &j.links[peering][i]
			if v.link.From == "" {
				continue // what is outside relays nothing for us
			}
			if to := cmp.Or(v.link.To, v.link.BehindPod); to != "" && v.link.Fault == nil {
				j.graph.of[v.link.From] = append(j.graph.of[v.link.From], edge{to, peering, v.isDown()})
				j.graph.of[to] = append(j.graph.of[to], edge{v.link.From, peering, v.isDown()})
			}
		}
	}
	return j.graph
}

// isDown tells whether a link certainly doesn't stand.
func (v *linkView) isDown() bool {
	return !v.keep && v.status == metav1.ConditionFalse && v.reason != v1alpha1.ReasonEndsDisagree
}

// cut names the peerings that keep a clone from its master because all their links are certainly down; empty if there may be a way.
func (j *judge) cut(c topology.ClonePlan, pod, master string) string {
	g := j.edges()
	reached := map[string]bool{pod: true}
	var down []string // lead out of what has been reached
	for todo := []string{pod}; len(todo) > 0; todo = todo[1:] {
		for _, e := range g.of[todo[0]] {
			direct := todo[0] == pod && e.to == master
			switch {
			case reached[e.to] || !direct && (!c.OverNodes || e.to != master && !g.relays[e.to]):
			case e.down:
				down = append(down, e.peering)
			case e.to == master:
				return ""
			default:
				reached[e.to] = true
				todo = append(todo, e.to)
			}
		}
	}
	slices.Sort(down)
	return strings.Join(slices.Compact(down), " and ")
}
