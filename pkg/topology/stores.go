// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// stores plans every DataStore; the peerings are compiled before.
func (c *compiler) stores(list []v1alpha1.DataStore) {
	claims := make(map[string]string, len(list)) // store name -> the object that has it
	for _, s := range byClaim(list, func(s *v1alpha1.DataStore) *metav1.ObjectMeta { return &s.ObjectMeta }) {
		plan := StorePlan{Object: s.Name, StoreName: cmp.Or(s.Spec.StoreName, s.Name), Master: s.Spec.Master.Node}
		plan.Fault = c.storeFault(s, plan.StoreName, claims)
		if plan.Fault == nil {
			plan.MasterPod = c.master(s, plan.StoreName)
		}
		c.clones(s, &plan)
		c.out.Stores = append(c.out.Stores, plan)
	}
}

// storeFault finds what is wrong with the store as a whole, and returns the first. The older object keeps the store's name
// even if it is at fault: else its data would come back under another master.
func (c *compiler) storeFault(s *v1alpha1.DataStore, storeName string, claims map[string]string) *Finding {
	if older, taken := claims[storeName]; taken {
		field := "spec.storeName"
		if s.Spec.StoreName == "" {
			field = "metadata.name"
		}
		return c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: field, Reason: v1alpha1.ReasonTwoMasters,
			Message: fmt.Sprintf("DataStore %q is the store %q already", older, storeName)})
	}
	claims[storeName] = s.Name
	if fault := c.nodeMissing(KindDataStore, s.Name, "spec.master.node", s.Spec.Master.Node); fault != nil {
		return fault
	}
	node := c.nodes[s.Spec.Master.Node]
	if c.opt.RequireStorage && persistent(s.Spec.Master.Backend) && node.Spec.Storage == nil {
		return c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: "spec.master.backend", Reason: v1alpha1.ReasonStorageMissing,
			Message: fmt.Sprintf("%s on BrokerNode %q, which has no spec.storage, allowed: %s", s.Spec.Master.Backend, node.Name, v1alpha1.BackendMemory)})
	}
	return nil
}

func persistent(b v1alpha1.Backend) bool {
	return b == v1alpha1.BackendSQLite || b == v1alpha1.BackendPebble
}

// master puts the master into its pod's config: a master's node has exactly one.
func (c *compiler) master(s *v1alpha1.DataStore, storeName string) string {
	spec := s.Spec.Master
	store := nodeconfig.Store{Object: s.Name, StoreName: storeName, Role: nodeconfig.RoleMaster, Backend: string(spec.Backend)}
	if spec.SQLite != nil && spec.Backend == v1alpha1.BackendSQLite {
		store.Synchronous, store.JournalMode = spec.SQLite.Synchronous, spec.SQLite.JournalMode
		store.IntegrityCheck, store.FailureMode = spec.SQLite.IntegrityCheck, spec.SQLite.FailureMode
	}
	if spec.Pebble != nil && spec.Backend == v1alpha1.BackendPebble {
		store.Synchronous, store.CacheBytes = spec.Pebble.Synchronous, bytesOf(spec.Pebble.CacheSize)
	}
	if spec.Memory != nil && !persistent(spec.Backend) {
		store.MemoryBytes = bytesOf(spec.Memory.MaxSize)
	}
	store.EntryBytes, store.HistoryBytes = bytesOf(spec.EntrySize), bytesOf(spec.HistorySize)
	pod := Pods(c.nodes[spec.Node])[0]
	c.configs[pod].Stores = append(c.configs[pod].Stores, store)
	return pod
}

func (c *compiler) clones(s *v1alpha1.DataStore, plan *StorePlan) {
	for i, spec := range s.Spec.Clones {
		f := Finding{Kind: KindDataStore, Name: s.Name, Field: fmt.Sprintf("spec.clones[%d].node", i)}
		clone := ClonePlan{Node: spec.Node, Fault: c.nodeMissing(f.Kind, f.Name, f.Field, spec.Node)}
		if clone.Fault == nil && plan.Fault == nil {
			clone.Pods = c.clone(s, plan.StoreName, spec)
			clone.Peerings = slices.Sorted(slices.Values(c.neighbors[spec.Node][plan.Master]))
			clone.OverNodes = c.overNodes(spec.Node, plan.Master)
			if len(clone.Peerings) == 0 && !clone.OverNodes {
				clone.Fault = c.unreachable(f, spec.Node, plan.Master)
			}
		}
		plan.Clones = append(plan.Clones, clone)
	}
}

func (c *compiler) clone(s *v1alpha1.DataStore, storeName string, spec v1alpha1.CloneSpec) []string {
	store := nodeconfig.Store{Object: s.Name, StoreName: storeName, Role: nodeconfig.RoleClone}
	if spec.StaleAfter != nil {
		store.StaleAfterSeconds = spec.StaleAfter.Seconds()
	}
	store.StaleReads, store.WriteQueueBytes = spec.StaleReads, bytesOf(spec.WriteQueueSize)
	pods := Pods(c.nodes[spec.Node])
	for _, pod := range pods {
		c.configs[pod].Stores = append(c.configs[pod].Stores, store)
	}
	return pods
}
