// SPDX-License-Identifier: Apache-2.0

package look

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// Asker asks nodes; [inspect.Client] is the one that does it for real.
type Asker interface {
	Report(ctx context.Context, node data.EndpointID) (inspect.Report, error)
	Ping(ctx context.Context, node data.EndpointID) (inspect.Clock, error)
	Route(ctx context.Context, node data.EndpointID, topic string, entering, origin data.EndpointID) (inspect.Route, error)
	Trace(ctx context.Context, node data.EndpointID, prefix string, from uint64) (inspect.Trace, error)
	Tap(ctx context.Context, node data.EndpointID) error
}

// Picture is a mesh at one moment, as its nodes tell.
type Picture struct {
	// Self is the endpoint that asked, First the node that it is peered with.
	Self, First data.EndpointID
	// Foreign, if not nil, is First when it is no node of brokermesh: then
	// there is nothing else.
	Foreign *broker.PeerInfo
	// Reports of the nodes, by name.
	Reports []inspect.Report
	// Silent are nodes that are known and did not answer.
	Silent []Silent

	names map[data.EndpointID]string
}

// Silent is a node that did not answer.
type Silent struct {
	ID    data.EndpointID `json:"id"`
	Error string          `json:"error"`
}

// atOnce bounds how many nodes are asked at the same time.
const atOnce = 16

// gather asks the first node, then every node that any report tells of. Each
// has the given time to answer. An error means that the first one didn't.
func gather(ctx context.Context, a Asker, self, first data.EndpointID, patience time.Duration) (*Picture, error) {
	p := &Picture{Self: self, First: first, names: make(map[data.EndpointID]string)}
	asked := map[data.EndpointID]bool{first: true}
	for todo := []data.EndpointID{first}; len(todo) > 0; {
		reports, silent := askAll(ctx, a, todo, patience)
		if err, ok := silent[first]; ok {
			return nil, err
		}
		todo = nil
		p.Reports = append(p.Reports, reports...)
		for id, err := range silent {
			p.Silent = append(p.Silent, Silent{id, err.Error()})
		}
		for i := range reports {
			for _, id := range nodesOf(&reports[i]) {
				if !asked[id] {
					asked[id] = true
					todo = append(todo, id)
				}
			}
		}
	}
	p.sort()
	return p, ctx.Err()
}

// nodesOf are the nodes that a report tells of.
func nodesOf(r *inspect.Report) []data.EndpointID {
	var ids []data.EndpointID
	for _, n := range r.Mesh {
		if n.Reachable {
			ids = append(ids, n.ID)
		}
	}
	if len(ids) > 0 {
		return ids
	}
	for _, p := range r.Peers {
		if p.Class == broker.ClassNode.String() && p.State == broker.Peered.String() {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// askAll asks nodes for their reports.
func askAll(ctx context.Context, a Asker, ids []data.EndpointID, patience time.Duration) (reports []inspect.Report, silent map[data.EndpointID]error) {
	silent = make(map[data.EndpointID]error)
	var mu sync.Mutex
	each(ids, func(id data.EndpointID) {
		asking, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		r, err := a.Report(asking, id)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			silent[id] = err
			return
		}
		r.ID = id // whatever it says
		reports = append(reports, r)
	})
	return reports, silent
}

// each calls f for every ID, for several at the same time, and waits.
func each(ids []data.EndpointID, f func(data.EndpointID)) {
	var all sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for _, id := range ids {
		turns <- struct{}{}
		all.Go(func() {
			f(id)
			<-turns
		})
	}
	all.Wait()
}

// sort puts the picture into the order in which it is shown.
func (p *Picture) sort() {
	for i := range p.Reports {
		r := &p.Reports[i]
		p.names[r.ID] = cmp.Or(r.Pod, r.Node)
	}
	// A node with one pod is called by its own name, as in manifests.
	pods := make(map[string]int)
	for i := range p.Reports {
		pods[p.Reports[i].Node]++
	}
	for i := range p.Reports {
		if r := &p.Reports[i]; r.Node != "" && pods[r.Node] == 1 {
			p.names[r.ID] = r.Node
		}
	}
	slices.SortFunc(p.Reports, func(a, b inspect.Report) int {
		return cmp.Or(cmp.Compare(p.Name(a.ID), p.Name(b.ID)), a.ID.Compare(b.ID))
	})
	slices.SortFunc(p.Silent, func(a, b Silent) int { return a.ID.Compare(b.ID) })
}
