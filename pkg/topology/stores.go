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
func (c *compiler) stores(o Objects) {
	claims := make(map[string]string, len(o.Stores)) // store name -> the object that has it
	for _, s := range byClaim(o.Stores, func(s *v1alpha1.DataStore) *metav1.ObjectMeta { return &s.ObjectMeta }) {
		at := seatOf(s, o.Failovers[s.Name], o.Errands[s.Name])
		plan := StorePlan{Object: s.Name, StoreName: cmp.Or(s.Spec.StoreName, s.Name), Lease: c.lease(s)}
		if s.DeletionTimestamp != nil {
			plan.Lease = 0
			if plan.Fault = c.storeFault(s, plan.StoreName, at, claims); plan.Fault == nil {
				c.removal(s, &plan, at)
			}
			c.out.Stores = append(c.out.Stores, plan)
			continue
		}
		plan.MoveFault = c.seat(s, &plan, &at)
		plan.Fault = c.storeFault(s, plan.StoreName, at, claims)
		plan.Notice = c.notice(s, &plan)
		if plan.Fault == nil {
			c.vault(s)
		}
		if plan.Fault == nil {
			c.masters(s, &plan, at)
		}
		c.clones(s, &plan, at)
		c.out.Stores = append(c.out.Stores, plan)
	}
}

// storeFault finds what is wrong with the store as a whole, and returns the first. The older object keeps the store's name
// even if it is at fault: else its data would come back under another master.
func (c *compiler) storeFault(s *v1alpha1.DataStore, storeName string, at seat, claims map[string]string) *Finding {
	if older, taken := claims[storeName]; taken {
		field := "spec.storeName"
		if s.Spec.StoreName == "" {
			field = "metadata.name"
		}
		return c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: field, Reason: v1alpha1.ReasonTwoMasters,
			Message: fmt.Sprintf("DataStore %q is the store %q already", older, storeName)})
	}
	claims[storeName] = s.Name
	if s.Status.Master != nil {
		return nil // whatever has become of its node since: the clones have its entries, and one of them may be the next master
	}
	if fault := c.nodeMissing(KindDataStore, s.Name, "spec.master.node", at.where); fault != nil {
		return fault
	}
	if words := c.runsElsewhere(at.where); words != "" {
		return c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: "spec.master.node", Reason: v1alpha1.ReasonRunsElsewhere, Message: words})
	}
	if words := c.notOnePod(at.where); words != "" {
		return c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: "spec.master.node", Reason: v1alpha1.ReasonMasterNeedsOnePod, Message: words})
	}
	if words := c.storageMissing(s, at.where); words != "" {
		return c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: "spec.master.backend", Reason: v1alpha1.ReasonStorageMissing, Message: words})
	}
	return nil
}

// notice is what is wrong with a master that serves all the same.
func (c *compiler) notice(s *v1alpha1.DataStore, plan *StorePlan) *Finding {
	if plan.Fault != nil || c.nodes[plan.Master] == nil {
		return nil
	}
	words := c.notOnePod(plan.Master)
	if words == "" {
		return nil
	}
	return c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: "spec.master.node", Reason: v1alpha1.ReasonMasterNeedsOnePod, Message: words})
}

// notOnePod says why a node's pods can't hold a master; empty if the node has exactly one.
func (c *compiler) notOnePod(node string) string {
	if words := c.runsElsewhere(node); words != "" {
		return words
	}
	n := Replicas(c.nodes[node])
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("BrokerNode %q has %d replicas, allowed for a master: exactly one", node, n)
}

// storageMissing says why a node can't hold the store's files; empty if it can.
func (c *compiler) storageMissing(s *v1alpha1.DataStore, node string) string {
	if !c.opt.RequireStorage || !persistent(s.Spec.Master.Backend) || c.nodes[node].Spec.Storage != nil {
		return ""
	}
	return fmt.Sprintf("%s on BrokerNode %q, which has no spec.storage, allowed: %s", s.Spec.Master.Backend, node, v1alpha1.BackendMemory)
}

func persistent(b v1alpha1.Backend) bool {
	return b == v1alpha1.BackendSQLite || b == v1alpha1.BackendPebble
}

// masters puts the master into its pod's config, and into that of the node that it moves to: each has exactly one pod.
func (c *compiler) masters(s *v1alpha1.DataStore, plan *StorePlan, at seat) {
	plan.MasterPod = PodName(plan.Master, 0)
	if holder := c.memberOf(plan.Master); holder != outside {
		store := c.vaulted(masterConfig(s, plan), plan.Master)
		if !at.promotion && plan.Target == "" {
			c.restore(s, plan, &store)
		}
		switch {
		case at.promotion:
			store.Epoch, store.Promote, store.StrandForeignClones = uint64(at.epoch), true, s.Spec.Master.StrandForeignClones
		case at.epoch > 1 && persistent(s.Spec.Master.Backend):
			store.Epoch = uint64(at.epoch) // what is in memory begins anew with its process
		}
		c.hold(holder, store)
	}
	if plan.Target != "" {
		plan.TargetPod = PodName(plan.Target, 0)
		store := c.vaulted(masterConfig(s, plan), plan.Target)
		store.Epoch, store.StrandForeignClones = uint64(at.epoch+1), s.Spec.Master.StrandForeignClones
		c.hold(c.memberOf(plan.Target), store)
	}
}

// hold has a member hold a master or a clone.
func (c *compiler) hold(member int, s nodeconfig.Store) {
	config := c.members[member].config
	config.Stores = append(config.Stores, s)
}

// masterConfig is what a master of the store is told, wherever it is.
func masterConfig(s *v1alpha1.DataStore, plan *StorePlan) nodeconfig.Store {
	spec := s.Spec.Master
	store := nodeconfig.Store{Object: s.Name, StoreName: plan.StoreName, Role: nodeconfig.RoleMaster, Backend: string(spec.Backend), LeaseSeconds: plan.Lease.Seconds()}
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
	if s.Spec.Expiry != nil {
		store.ExpirySeconds = s.Spec.Expiry.Seconds()
	}
	if b := s.Spec.Backup; b != nil {
		store.BackupSchedule, store.BackupKeep, store.BackupClaim = b.Schedule, cmp.Or(int(b.Keep), defaultBackupKeep), b.VolumeClaim
	}
	store.EntryBytes, store.HistoryBytes = bytesOf(spec.EntrySize), bytesOf(spec.HistorySize)
	return store
}

// defaultBackupKeep is spec.backup.keep unless it is set.
const defaultBackupKeep = 7

// vault gives the pods that the master is on, or is to be on, the volumes for its backups and of the one that it begins with.
func (c *compiler) vault(s *v1alpha1.DataStore) {
	var claims []string
	if s.Spec.Backup != nil {
		claims = append(claims, s.Spec.Backup.VolumeClaim)
	}
	if s.Spec.RestoreFrom != nil {
		claims = append(claims, s.Spec.RestoreFrom.VolumeClaim)
	}
	if c.vaults == nil {
		c.vaults = make(map[string][]string)
	}
	nodes := []string{s.Spec.Master.Node}
	if s.Status.Master != nil && s.Status.Master.Node != s.Spec.Master.Node && !s.Status.Master.Away {
		nodes = append(nodes, s.Status.Master.Node)
	}
	for _, node := range nodes {
		for _, claim := range claims {
			if i, there := slices.BinarySearch(c.vaults[node], claim); !there {
				c.vaults[node] = slices.Insert(c.vaults[node], i, claim)
			}
		}
	}
}

// restore has a master begin with a backup, unless it is known already what became of that. A store that is with a clone's node for a while
// waits until it is back.
func (c *compiler) restore(s *v1alpha1.DataStore, plan *StorePlan, store *nodeconfig.Store) {
	from := s.Spec.RestoreFrom
	if from == nil {
		return
	}
	with := *store
	with.RestoreClaim, with.RestoreStore, with.RestoreFile = from.VolumeClaim, cmp.Or(from.StoreName, plan.StoreName), from.File
	plan.Restore = with.RestoreRequest()
	_, mounted := slices.BinarySearch(c.vaults[plan.Master], from.VolumeClaim)
	if done := s.Status.Restore; mounted && (done == nil || done.Request != plan.Restore) {
		*store = with
	}
}

// vaulted is a master's config without backups if its node has no volume for them, because the master is there for a short time only.
func (c *compiler) vaulted(s nodeconfig.Store, node string) nodeconfig.Store {
	if _, there := slices.BinarySearch(c.vaults[node], s.BackupClaim); !there {
		s.BackupSchedule, s.BackupKeep, s.BackupClaim = "", 0, ""
	}
	return s
}
