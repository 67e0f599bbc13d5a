// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/topology/graph"
)

// rollLink is a connection that is to be: from the pod that dials to another, which is empty for an endpoint outside.
type rollLink struct {
	// name tells it from all others.
	name     string
	from, to string
	up       bool
}

// rollGraph is the graph of a mesh's pods, as far as the order of a roll depends on it.
type rollGraph struct {
	of       map[string][]string // neighbours, sorted, each once
	dials    map[string]int      // neighbours that a pod dials, less those that dial it
	bridges  map[[2]string]bool  // both ways: without it its ends are not joined
	joints   map[string]bool     // pods without which others are not joined
	distinct map[string]int      // neighbours, of which those that have the same neighbours count once
}

func newRollGraph(links []rollLink) *rollGraph {
	g := &rollGraph{
		of: make(map[string][]string), dials: make(map[string]int), bridges: make(map[[2]string]bool),
		joints: make(map[string]bool), distinct: make(map[string]int),
	}
	for _, l := range links {
		if l.to == "" || l.from == l.to {
			continue
		}
		g.of[l.from], g.of[l.to] = append(g.of[l.from], l.to), append(g.of[l.to], l.from)
		g.dials[l.from]++
		g.dials[l.to]--
	}
	for pod := range g.of {
		slices.Sort(g.of[pod])
		g.of[pod] = slices.Compact(g.of[pod])
	}
	g.cut()
	g.twins()
	return g
}

// cut finds bridges and joints: what is a block for itself, and who is in several.
func (g *rollGraph) cut() {
	pods := slices.Sorted(maps.Keys(g.of))
	at := make(map[string]int, len(pods))
	for i, pod := range pods {
		at[pod] = i
	}
	net := graph.New(len(pods))
	for i, pod := range pods {
		for _, other := range g.of[pod] {
			net.Join(i, at[other])
		}
	}
	in := make([]int, len(pods)) // how many blocks
	for _, block := range net.Blocks() {
		for _, v := range block {
			in[v]++
			g.joints[pods[v]] = in[v] > 1
		}
		if len(block) == 2 {
			a, b := pods[block[0]], pods[block[1]]
			g.bridges[[2]string{a, b}], g.bridges[[2]string{b, a}] = true, true
		}
	}
}

// twins counts the neighbours of each pod, with those that have the same neighbours as one: many workers of one proxy don't make it more
// central than a few do. Pods have the same neighbours also if each is the other's and the rest is the same.
func (g *rollGraph) twins() {
	open, closed := make(map[string]int), make(map[string]int)
	openOf, closedOf := make(map[string]string, len(g.of)), make(map[string]string, len(g.of))
	for pod, others := range g.of {
		with := slices.Clone(others)
		at, _ := slices.BinarySearch(with, pod)
		with = slices.Insert(with, at, pod)
		openOf[pod], closedOf[pod] = "o "+strings.Join(others, " "), "c "+strings.Join(with, " ")
		open[openOf[pod]]++
		closed[closedOf[pod]]++
	}
	class := make(map[string]string, len(g.of))
	for pod := range g.of {
		switch {
		case open[openOf[pod]] > 1:
			class[pod] = openOf[pod]
		case closed[closedOf[pod]] > 1:
			class[pod] = closedOf[pod]
		default:
			class[pod] = pod
		}
	}
	for pod, others := range g.of {
		seen := make(map[string]bool)
		for _, other := range others {
			if class[other] != class[pod] {
				seen[class[other]] = true
			}
		}
		g.distinct[pod] = len(seen)
	}
}

// roles are the values of the role label in the order in which a roll takes nodes of which the graph says the same.
var roles = []string{"worker", "proxy", "logger", "manager"}

// roleRank puts nodes without a role between the workers and the rest.
func roleRank(role string) int {
	switch i := slices.Index(roles, role); {
	case i < 0:
		return 1
	case i == 0:
		return 0
	default:
		return i + 1
	}
}

// before compares two pods by their turn in a roll: those that aren't ready first, since there is nothing to lose; then pods on which nobody
// else hangs, from the edge of the mesh inwards: few neighbours before many, who dials before who is dialed.
func (g *rollGraph) before(a, b *rollPod) int {
	return cmp.Or(
		boolOrder(b.Ready, a.Ready),
		boolOrder(g.joints[b.Name], g.joints[a.Name]),
		cmp.Compare(g.distinct[a.Name], g.distinct[b.Name]),
		cmp.Compare(g.dials[b.Name], g.dials[a.Name]),
		cmp.Compare(roleRank(a.Role), roleRank(b.Role)),
		cmp.Compare(len(g.of[a.Name]), len(g.of[b.Name])),
		cmp.Compare(a.Name, b.Name),
	)
}

// boolOrder puts the one that is true first.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
