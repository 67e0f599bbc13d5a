// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

func persistent(s *v1alpha1.DataStore) bool {
	b := s.Spec.Master.Backend
	return b == v1alpha1.BackendSQLite || b == v1alpha1.BackendPebble
}

func automatic(s *v1alpha1.DataStore) bool {
	return s.Spec.Failover != nil && s.Spec.Failover.Policy == v1alpha1.FailoverAutomatic
}

// copies looks at what becomes of a store when its master is gone.
func copies(m *mesh) []topology.Finding {
	var out []topology.Finding
	for i := range m.o.Stores {
		s := &m.o.Stores[i]
		plan := m.stores[s.Name]
		if plan.Fault != nil || plan.Target != "" || plan.Promotion {
			continue // left out, or on its way: who has a clone is settled afterwards
		}
		switch heirs := m.heirs(s, plan); {
		case len(plan.Clones) == 0 && automatic(s):
			out = append(out, store(s.Name, "spec.failover.policy", topology.Warning, NothingToFailOverTo,
				"Automatic, but the store has no clones that could become the master"))
		case len(plan.Clones) == 0 && persistent(s):
			out = append(out, store(s.Name, "spec.clones", topology.Info, SingleCopy,
				"none: while BrokerNode %q is away nobody can read the store, and with its volume all entries are lost", plan.Master))
		case len(plan.Clones) == 0:
			out = append(out, store(s.Name, "spec.clones", topology.Info, SingleCopy,
				"none, and the backend is Memory: each restart of BrokerNode %q empties the store", plan.Master))
		case automatic(s) && heirs == 0:
			out = append(out, store(s.Name, "spec.failover.policy", topology.Warning, NothingToFailOverTo,
				"Automatic, but no clone can become the master: its node needs a way to the others, one pod only, and for files spec.storage"))
		case !automatic(s):
			out = append(out, store(s.Name, "spec.failover.policy", topology.Info, NoFailover,
				"Manual: when BrokerNode %q stays away, the store can't be written until somebody moves its master", plan.Master))
		}
	}
	return out
}

// heirs counts the nodes that could become the master.
func (m *mesh) heirs(s *v1alpha1.DataStore, plan *topology.StorePlan) int {
	n := 0
	for _, c := range plan.Clones {
		owner := m.nodes[c.Node]
		if c.Fault == nil && owner != nil && slices.ContainsFunc(c.Pods, plan.CanMaster) && (owner.Spec.Storage != nil || !persistent(s) || !m.opt.RequireStorage) {
			n++
		}
	}
	return n
}

// staleness finds clones that answer for ever.
func staleness(m *mesh) []topology.Finding {
	var out []topology.Finding
	for i := range m.o.Stores {
		s := &m.o.Stores[i]
		for j, c := range s.Spec.Clones {
			if c.StaleAfter == nil {
				out = append(out, store(s.Name, fmt.Sprintf("spec.clones[%d].staleAfter", j), topology.Info, NeverStale,
					"unset: without its master the clone answers for ever with what it had"))
			}
		}
	}
	return out
}

// durability finds settings by which acknowledged changes can be lost.
func durability(m *mesh) []topology.Finding {
	var out []topology.Finding
	for i := range m.o.Stores {
		s := &m.o.Stores[i]
		if q := s.Spec.Master.SQLite; q != nil {
			if q.Synchronous == "Off" || q.Synchronous == "Normal" && q.JournalMode == "WAL" {
				out = append(out, store(s.Name, "spec.master.sqlite.synchronous", topology.Info, MayLoseChanges,
					"%q: a power cut can take the latest changes with it, although they were acknowledged; allowed for those who need them: Full", q.Synchronous))
			}
			if q.FailureMode == "Delete" {
				out = append(out, store(s.Name, "spec.master.sqlite.failureMode", topology.Warning, MayLoseChanges,
					"Delete: a file that can't be opened is removed, with everything in it; allowed for those who need it: Fail"))
			}
		}
		if p := s.Spec.Master.Pebble; p != nil && p.Synchronous == "Off" {
			out = append(out, store(s.Name, "spec.master.pebble.synchronous", topology.Info, MayLoseChanges,
				"\"Off\": the end of the process can take the latest changes with it, although they were acknowledged; allowed for those who need them: Full"))
		}
	}
	return out
}
