// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/credit"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// askEvery is how often a client asks its nodes who else there is.
const askEvery = 10 * time.Second

// origins are the endpoints that may publish and know flow control, as far as this one knows: direct peers, and nodes of the mesh with
// their clients. A client learns of the latter from its nodes. So those are limited too that have not sent anything yet. It belongs to
// the goroutine of credits.
type origins struct {
	routes  *snapshot
	told    []data.EndpointID // by nodes
	ids     map[data.EndpointID]bool
	version uint64
	asked   time.Time
}

// refresh goes over to present routes.
func (o *origins) refresh(s *snapshot) {
	o.routes, o.ids = s, make(map[data.EndpointID]bool)
	o.version++
	for id := range s.peers {
		o.add(id)
	}
	for _, id := range o.told {
		o.add(id)
	}
	if s.view == nil {
		return
	}
	for i := range s.view.Nodes {
		if n := &s.view.Nodes[i]; n.Reachable {
			o.add(n.ID)
			for k := range n.Leaves {
				o.add(n.Leaves[k].ID)
			}
		}
	}
}

// complete tells whether it is known who there is: a client must have been told, if there is somebody who can.
func (o *origins) complete() bool { return o.told != nil || o.asked.IsZero() }

func (o *origins) add(id data.EndpointID) {
	if o.routes.mayCredit(id) {
		o.ids[id] = true
	}
}

// lookAround finds out who may publish. A client asks its nodes when it has new ones, and from time to time.
func (e *Endpoint) lookAround(o *origins, tick bool) {
	c := &e.credits
	c.mu.Lock()
	told := c.mu.told
	c.mu.told = nil
	subs := len(c.mu.subs)
	c.mu.Unlock()
	if told != nil {
		o.told = told
	}
	s := e.routes.Load()
	changed := s != o.routes
	if changed || told != nil {
		o.refresh(s)
	}
	if s.mode != ForwardNone || subs == 0 || !changed && !(tick && time.Since(o.asked) >= askEvery) {
		return
	}
	for id, p := range s.peers {
		if p.class() == ClassNode {
			o.asked = time.Now()
			_ = e.tryInternal(id, creditTopic, credit.Ask{}.Value(), false) // it is asked again
		}
	}
}

// askedWho answers the question of a client.
func (e *Endpoint) askedWho(from data.EndpointID) {
	s := e.routes.Load()
	if p := s.peers[from]; p == nil || p.class() != ClassClient {
		return
	}
	a := e.credits.answer.Load()
	if a == nil || a.routes != s {
		var o origins
		o.refresh(s)
		k := credit.Known{IDs: []data.EndpointID{s.self}}
		for id := range o.ids {
			k.IDs = append(k.IDs, id)
		}
		slices.SortFunc(k.IDs[1:], data.EndpointID.Compare)
		a = &knownAnswer{s, k.Value()}
		e.credits.answer.Store(a)
	}
	_ = e.tryInternal(from, creditTopic, a.value, false)
}

// knownAnswer is what clients are answered while the routes are the same.
type knownAnswer struct {
	routes *snapshot
	value  data.Value
}

// toldWho takes the answer of a node. Several nodes of one mesh know the same; of two meshes the clients of one are known.
func (e *Endpoint) toldWho(from data.EndpointID, ids []data.EndpointID) {
	if p := e.routes.Load().peers[from]; p == nil || p.class() != ClassNode {
		return
	}
	c := &e.credits
	c.mu.Lock()
	c.mu.told = ids
	c.mu.Unlock()
	c.poke()
}
