// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"maps"
	"slices"
)

// Callers says who is meant to connect to the native port of a node.
type Callers struct {
	// Nodes are the BrokerNodes whose pods connect, sorted.
	Nodes []string
	// Anybody: an endpoint outside may connect as well, from wherever it is.
	Anybody bool
}

// Callers gives the callers of every node that has any, as the sound peerings declare them.
func (r Result) Callers() map[string]Callers {
	nodes, anybody := make(map[string]map[string]bool), make(map[string]bool)
	for _, p := range r.Peerings {
		for _, l := range p.Links {
			for _, to := range []string{l.ToNode, l.Behind} {
				switch {
				case to == "":
				case l.From == "": // dials from where nobody knows
					anybody[to] = true
				default:
					if nodes[to] == nil {
						nodes[to] = make(map[string]bool)
					}
					nodes[to][l.FromNode] = true
				}
			}
		}
	}
	out := make(map[string]Callers, len(nodes))
	for to, from := range nodes {
		out[to] = Callers{Nodes: slices.Sorted(maps.Keys(from))}
	}
	for to := range anybody {
		out[to] = Callers{Nodes: out[to].Nodes, Anybody: true}
	}
	return out
}
