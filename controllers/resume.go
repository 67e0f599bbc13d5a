// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"

	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// A roll outlives the manager that began it. Where it hands a master to is written into the status of the DataStore (master.movingTo) before
// any node is told of it, and what is written there is what the next manager goes on with; that a master is away, and so goes back, stands
// there too. Which pods were replaced and are not back is guessed from their age.

// adopt takes over the errands of an earlier manager: those of the stores that this one sees for the first time.
func (m *mesh) adopt(o topology.Objects) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := make(map[types.UID]bool, len(o.Stores))
	for i := range o.Stores {
		s := &o.Stores[i]
		seen[s.UID] = true
		if at := s.Status.Master; !m.mu.seen[s.UID] && at != nil && at.MovingTo != "" {
			if m.mu.errands == nil {
				m.mu.errands = make(map[string]errand)
			}
			m.mu.errands[s.Name] = errand{node: at.MovingTo, since: m.now()}
		}
	}
	m.mu.seen = seen
}

// errands are those under way, by DataStore: all of them, and those that are written down, which alone the nodes may be told of.
func (m *mesh) errands(o topology.Objects) (all, written map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, written = make(map[string]string, len(m.mu.errands)), make(map[string]string, len(m.mu.errands))
	for store, e := range m.mu.errands {
		if !e.failed {
			all[store] = e.node
		}
	}
	for i := range o.Stores {
		s := &o.Stores[i]
		if at, to := s.Status.Master, all[s.Name]; to != "" && at != nil && at.MovingTo == to {
			written[s.Name] = to
		}
	}
	return all, written
}

// remember keeps the errands of a step, and asks for another view if they are others than before. The mutex is held.
func (m *mesh) remember(step rollStep) {
	same := maps.EqualFunc(m.mu.errands, step.Errands, func(a, b errand) bool { return a.node == b.node && a.failed == b.failed })
	m.mu.errands = step.Errands
	if !same {
		m.kick()
	}
}

// servesLater tells whether a pod has said that it serves a store as a later master. The mutex is held.
func (m *mesh) servesLater(pod, store string, epoch int64) bool {
	a, ok := m.mu.answers[pod]
	if !ok {
		return false
	}
	for _, s := range a.status.Stores {
		if s.Object == store && s.Role == statusapi.RoleMaster && s.State == statusapi.StoreServing && s.Epoch > uint64(max(epoch, 0)) {
			return true
		}
	}
	return false
}

// resume guesses, at the first look of a manager, which pods an earlier one has replaced that are not back: those that are to be and are
// not there or on their way out, and young ones. All their connections may have stood before.
func (s *rollState) resume(wanted []string) map[string]flight {
	s.index()
	out := make(map[string]flight)
	for _, name := range wanted {
		p := s.pod(name)
		f := flight{well: true, guessed: true, at: s.now, links: make(map[string]bool)}
		switch {
		case p == nil:
		case p.Leaving:
			f.uid = p.UID
		case p.Old || s.now.Sub(p.Created) >= rollMemory:
			continue
		}
		out[name] = f
	}
	for _, l := range s.links {
		for _, end := range []string{l.from, l.to} {
			if f, ok := out[end]; ok {
				f.links[l.name] = true
			}
		}
	}
	return out
}

// unheard says which pod this manager waits to hear of, before it can tell which connections stand and which clones are in sync; empty if
// none. It does so for as long as its evidence is allowed to be missing.
func (s *rollState) unheard(step *rollStep) string {
	left := evidence.MaxAge - s.now.Sub(s.started)
	if left <= 0 {
		return ""
	}
	for _, p := range s.pods {
		if p.Ready && !p.Leaving && !p.Heard {
			step.lookIn(left)
			return "nothing has been heard yet of pod " + p.Name
		}
	}
	return ""
}
