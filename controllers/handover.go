// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const (
	// errandTime is how long a roll waits for a master to be handed over; then the master goes down with its pod.
	errandTime = 2 * time.Minute
	// errandPause is when a handover that failed is tried again.
	errandPause = 10 * time.Minute
)

// errand is a master that the operator moves for a roll, or back.
type errand struct {
	node   string
	since  time.Time
	failed bool
}

// move is a master under way by somebody else's will: a user's, or a failover's.
type move struct {
	// to is the node it goes to; empty: none is under way.
	to    string
	since time.Time
}

// rollStore is a store as a roll sees it.
type rollStore struct {
	name string
	// node and pod hold the master; spec is where the user wants it.
	node, pod, spec string
	// away: it was moved by a roll. busy: somebody else moves it, or wants to.
	away, busy bool
	// move is what somebody else does with it.
	move move
	// fit are the pods that could take it at once.
	fit []string
	// taken is the node that serves it already as a later master than is written down; empty if none does.
	taken string
}

// runErrands ends the errands that are over, begins those that lead back, and says what the roll has to wait for; empty if nothing.
func (s *rollState) runErrands(step *rollStep) (blocker string) {
	step.Errands = make(map[string]errand)
	for i := range s.stores {
		t := &s.stores[i]
		e, on := s.errands[t.name]
		switch {
		case t.busy:
			continue
		case on && e.failed && s.now.Sub(e.since) < errandPause:
			step.Errands[t.name] = e
			continue
		case on && !e.failed && t.node != e.node && s.wanted(t, e):
			if left := errandTime - s.now.Sub(e.since); left > 0 {
				step.lookIn(left)
			} else {
				e.failed = true
			}
		default:
			if e, on = s.back(t); !on {
				continue
			}
		}
		step.Errands[t.name] = e
		if !e.failed && blocker == "" {
			blocker = moves(t.name, e.node)
		}
	}
	return blocker
}

func moves(store, node string) string {
	return fmt.Sprintf("the master of DataStore %s moves to %s first", store, node)
}

// wanted tells whether an errand under way still has a purpose.
func (s *rollState) wanted(t *rollStore, e errand) bool {
	p := s.pod(t.pod)
	return e.node == t.taken || e.node == t.spec && t.away || p != nil && (p.Unsettled || p.Old && !p.Held)
}

// back is the errand of a master that can return to where the spec wants it.
func (s *rollState) back(t *rollStore) (errand, bool) {
	home := s.pod(topology.PodName(t.spec, 0))
	if !t.away || t.node == t.spec || home == nil || home.Old && !home.Held || !s.mayTake(home) || !slices.Contains(t.fit, home.Name) {
		return errand{}, false
	}
	return errand{node: t.spec, since: s.now}, true
}

// mayTake tells whether a pod is one that a master may come to: it is there to stay for a while.
func (s *rollState) mayTake(p *rollPod) bool {
	_, away := s.flights[p.Name]
	return p.Ready && !p.Leaving && !away
}

// handOver begins the errands of the masters on a pod that is to be replaced, and says what that waits for; empty if nothing. A master that
// nobody can take, or that could not be moved, goes down with its pod: step.Down says so.
func (s *rollState) handOver(p *rollPod, step *rollStep) (words string) {
	for i := range s.stores {
		t := &s.stores[i]
		if t.pod != p.Name || t.busy {
			continue
		}
		heir := s.heir(t, p)
		switch e, on := step.Errands[t.name]; {
		case on && e.failed:
			step.Down = append(step.Down, fmt.Sprintf("the master of DataStore %s could not be moved to %s in time and goes down with it", t.name, e.node))
		case on:
			words = cmp.Or(words, moves(t.name, e.node))
		case heir == nil:
			step.Down = append(step.Down, fmt.Sprintf("no clone of DataStore %s is fit to take its master, which goes down with it", t.name))
		default:
			step.Errands[t.name] = errand{node: heir.Node, since: s.now}
			step.lookIn(errandTime)
			words = cmp.Or(words, moves(t.name, heir.Node))
		}
	}
	return words
}

// awaitMoves says which master's move a pod that is one of its ends has to wait for; empty if none. A move that takes too long is not waited
// for: step.Down says so if the master goes down with the pod.
func (s *rollState) awaitMoves(p *rollPod, step *rollStep) (words string) {
	for i := range s.stores {
		t := &s.stores[i]
		if t.move.to == "" || p.Name != t.pod && p.Name != topology.PodName(t.move.to, 0) {
			continue
		}
		if left := errandTime - s.now.Sub(t.move.since); left > 0 {
			step.lookIn(left)
			words = cmp.Or(words, moves(t.name, t.move.to))
		} else if p.Name == t.pod {
			step.Down = append(step.Down, fmt.Sprintf("the master of DataStore %s has not moved to %s yet and goes down with it", t.name, t.move.to))
		}
	}
	return words
}

// heir is the pod to which a master goes: at best where the spec wants it, then one that needn't be replaced any more. Nil if there is none.
func (s *rollState) heir(t *rollStore, p *rollPod) *rollPod {
	var best *rollPod
	better := func(a, b *rollPod) int {
		return cmp.Or(boolOrder(a.Node == t.spec, b.Node == t.spec), boolOrder(!a.Old, !b.Old), cmp.Compare(a.Name, b.Name))
	}
	for _, name := range t.fit {
		if q := s.pod(name); q != nil && q != p && s.mayTake(q) && (best == nil || better(q, best) < 0) {
			best = q
		}
	}
	return best
}

// rollStores are the stores of a mesh, with the clones that the pods themselves call in sync. The mutex is held.
func (m *mesh) rollStores(o topology.Objects, compiled topology.Result) []rollStore {
	plans := make(map[string]*topology.StorePlan, len(compiled.Stores))
	for i := range compiled.Stores {
		plans[compiled.Stores[i].Object] = &compiled.Stores[i]
	}
	nodes := make(map[string]*v1alpha1.BrokerNode, len(o.Nodes))
	for i := range o.Nodes {
		nodes[o.Nodes[i].Name] = &o.Nodes[i]
	}
	var out []rollStore
	under := make(map[string]move)
	for i := range o.Stores {
		object := &o.Stores[i]
		plan, status := plans[object.Name], object.Status.Master
		if plan == nil || plan.Fault != nil || plan.Removal || status == nil {
			continue
		}
		t := rollStore{
			name: object.Name, node: status.Node, pod: topology.PodName(status.Node, 0), spec: object.Spec.Master.Node,
			away: status.Away, busy: plan.Promotion || plan.Target != "" && !plan.Errand || plan.MoveFault != nil,
		}
		if t.busy && plan.MoveFault == nil {
			t.move = m.mu.moves[object.Name]
			if to := cmp.Or(plan.Target, plan.Master); t.move.to != to {
				t.move = move{to, m.now()}
			}
			under[object.Name] = t.move
		}
		for _, c := range plan.Clones {
			n := nodes[c.Node]
			if c.Fault != nil || len(c.Pods) != 1 || n == nil || n.Spec.Paused || nodes[status.Node] == nil || nodes[status.Node].Spec.Paused {
				continue
			}
			if (object.Spec.Master.Backend == v1alpha1.BackendMemory || n.Spec.Storage != nil) && m.inSync(c.Pods[0], object.Name) {
				t.fit = append(t.fit, c.Pods[0])
			}
		}
		if e := m.mu.errands[object.Name]; m.servesLater(topology.PodName(e.node, 0), object.Name, status.Epoch) {
			t.taken = e.node
		}
		out = append(out, t)
	}
	m.mu.moves = under
	return out
}

// inSync tells whether a pod has said lately that its clone is. The mutex is held.
func (m *mesh) inSync(pod, store string) bool {
	a, ok := m.mu.answers[pod]
	return ok && m.now().Sub(a.received) < evidence.MaxAge && slices.ContainsFunc(a.status.Stores, func(s statusapi.Store) bool {
		return s.Object == store && s.Role == statusapi.RoleClone && s.State == statusapi.StoreSynced
	})
}

// downWords says, for an Event, what goes down with a pod.
func downWords(down []string) string {
	if len(down) == 0 {
		return ""
	}
	return "; " + strings.Join(down, "; ")
}
