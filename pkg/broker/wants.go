// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// wants is what this endpoint and its leaves want, as the filters asked of peers are made of it.
type wants struct {
	mode ForwardMode
	own  topic.Filter
	// base is own and the clients' wants, all adds those of foreign peers.
	base, all topic.Filter
	// count tells how many of the own filter, clients and foreign peers want exactly a prefix.
	count  map[string]int
	leaves []*peer
}

// gatherWants computes the wants. own are any prefixes; peers are the registered ones.
func gatherWants(mode ForwardMode, own []string, peers map[endpointID]*peer) *wants {
	w := &wants{mode: mode, own: topic.NewFilter(own...).Public()}
	if mode == ForwardNone {
		return w
	}
	w.count = make(map[string]int)
	add := func(dst *[]topic.Filter, f topic.Filter) {
		*dst = append(*dst, f)
		for _, p := range f {
			w.count[p]++
		}
	}
	var clients, foreign []topic.Filter
	add(&clients, w.own)
	for _, p := range peers {
		switch p.class {
		case ClassClient:
			add(&clients, p.filter.Public())
		case ClassForeign:
			add(&foreign, p.filter.Public())
		default:
			continue
		}
		w.leaves = append(w.leaves, p)
	}
	w.base = topic.Union(clients...)
	w.all = topic.Union(append(foreign, w.base)...)
	return w
}

// of is the filter to be asked of a peer: everything that could be passed on from it, but not its own wants.
func (w *wants) of(p *peer) topic.Filter {
	switch {
	case w.mode == ForwardNone:
		return w.own
	case p.class == ClassForeign:
		return bounded(w.base)
	case p.class == ClassNode || !w.unique(p):
		return bounded(w.all)
	}
	others := []topic.Filter{w.own}
	for _, q := range w.leaves {
		if q != p {
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

// greeting is the filter for a handshake: the smallest one, since the peer's class is not known yet.
func (w *wants) greeting() topic.Filter {
	if w.mode == ForwardNone {
		return bounded(w.own)
	}
	return bounded(w.base)
}

// bounded asks for everything if a filter has more entries than peers accept.
func bounded(f topic.Filter) topic.Filter {
	if len(f) > wire.MaxFilterEntries {
		return topic.Filter{""}
	}
	return f
}
