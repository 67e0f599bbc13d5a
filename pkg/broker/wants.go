// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// wants is what this endpoint and its peers want, as the filters asked of peers are made of it. A peer is asked for what could be
// passed on from it: a node for what the leaves want, a leaf for what nodes want too.
type wants struct {
	mode ForwardMode
	own  topic.Filter
	// ofNodes is asked of nodes: own, clients', foreign. ofForeign is asked of foreign peers: own, clients', nodes'. all is everything.
	ofNodes, ofForeign, all topic.Filter
	// count tells how many of the own filter and the peers want exactly a prefix.
	count map[string]int
	peers map[endpointID]*peer
	// view, if the endpoint is a node of a mesh, knows what nodes and leaves behind the direct peers want.
	view *mesh.View
}

// gatherWants computes the wants. own are any prefixes; peers are the registered ones.
func gatherWants(mode ForwardMode, own []string, peers map[endpointID]*peer, view *mesh.View) *wants {
	w := &wants{mode: mode, own: topic.NewFilter(own...).Public(), peers: peers, view: view}
	if mode == ForwardNone {
		return w
	}
	w.count = make(map[string]int)
	add := func(f topic.Filter) topic.Filter {
		for _, p := range f {
			w.count[p]++
		}
		return f
	}
	byClass := make(map[PeerClass][]topic.Filter)
	for _, p := range peers {
		if n := p.is.Load(); !n.mesh {
			byClass[n.class] = append(byClass[n.class], add(p.filter.Public()))
		}
	}
	base := topic.Union(append(byClass[ClassClient], add(w.own))...)
	foreign, nodes := topic.Union(byClass[ClassForeign]...), topic.Union(byClass[ClassNode]...)
	behind := w.behind(endpointID{}, ClassClient)
	w.ofNodes, w.ofForeign, w.all = topic.Union(base, foreign), topic.Union(base, nodes), topic.Union(base, foreign, nodes, behind)
	return w
}

// behind is what a leaf is asked for because of other nodes of the mesh and their leaves.
func (w *wants) behind(leaf endpointID, class PeerClass) topic.Filter {
	if w.view == nil {
		return nil
	}
	return w.view.RemoteWants(leaf, (&nature{class: class}).leafClass())
}

// of is the filter to be asked of a peer: everything that could be passed on from it, but not its own wants.
func (w *wants) of(p *peer) topic.Filter {
	switch {
	case w.mode == ForwardNone:
		return bounded(w.own)
	case p.class() == ClassForeign:
		return bounded(topic.Union(w.ofForeign, w.behind(p.Peer, ClassForeign)))
	case p.class() == ClassNode:
		return bounded(w.ofNodes)
	case !w.unique(p):
		return bounded(w.all)
	}
	others := []topic.Filter{w.own, w.behind(p.Peer, ClassClient)}
	for _, q := range w.peers {
		if q != p && !q.is.Load().mesh {
			others = append(others, q.filter.Public())
		}
	}
	return bounded(topic.Union(others...))
}

// unique tells whether a peer wants something that nobody else wants in the same words.
func (w *wants) unique(p *peer) bool {
	for _, prefix := range p.filter {
		if w.count[prefix] == 1 {
			return true
		}
	}
	return false
}

// greeting is the filter for a handshake, when the peer's class is not known yet: what a foreign peer is asked for. Who publishes as
// soon as it is peered thus reaches the nodes too; a node is told its smaller filter right after.
func (w *wants) greeting() topic.Filter {
	if w.mode == ForwardNone {
		return bounded(w.own)
	}
	return bounded(topic.Union(w.ofForeign, w.behind(endpointID{}, ClassForeign)))
}

// maxAsked is the largest filter, in bytes, that is asked of peers: it has to fit into a handshake.
const maxAsked = wire.MaxFilterBody - 64

// bounded asks for everything if a filter has more entries or bytes than peers accept.
func bounded(f topic.Filter) topic.Filter {
	size := 0
	for _, prefix := range f {
		size += prefixOverhead + len(prefix)
	}
	if len(f) > wire.MaxFilterEntries || size > maxAsked {
		return topic.Filter{""}
	}
	return f
}

// prefixOverhead is what a prefix takes in a filter beside its bytes, at most: the length of maxTopic bytes is written in three.
const prefixOverhead = 3
