// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

func (j *judge) store(plan topology.StorePlan) v1alpha1.DataStoreStatus {
	object := j.stores[plan.Object]
	if object == nil {
		object = &v1alpha1.DataStore{}
	}
	previous, ok := j.in.Previous.Stores[plan.Object]
	if !ok {
		previous = object.Status
	}
	views := j.clones(plan)
	clones := clonesSynced(plan, views, j.stranded(plan))
	status := v1alpha1.DataStoreStatus{ObservedGeneration: object.Generation, StoreName: clip(plan.StoreName, 255)}
	if clones.keep && previous.ClonesSynced != "" {
		status.ClonesSynced, status.Clones = previous.ClonesSynced, slices.Clone(previous.Clones)
	} else {
		status.ClonesSynced, status.Clones = j.cloneColumns(views, previous.Clones)
	}
	status.Master = j.seat(plan, object)
	status.Restore = j.restored(plan, object, previous.Restore)
	if plan.Removal {
		j.out.Removals[plan.Object] = j.awaited(plan)
	}
	master := j.condition(v1alpha1.ConditionMasterAvailable, previous.Conditions, object.Generation, j.moves(plan, object, j.master(plan)))
	synced := j.condition(v1alpha1.ConditionClonesSynced, previous.Conditions, object.Generation, clones)
	ready := j.condition(v1alpha1.ConditionReady, previous.Conditions, object.Generation, both(master, synced))
	status.Conditions = []metav1.Condition{ready, master, synced}
	j.more(plan, object, previous.Conditions, &status)
	return status
}

// both sums up the two conditions as they stand: what is wrong before what is unknown, the master first.
func both(master, clones metav1.Condition) ruling {
	for _, status := range []metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionUnknown} {
		for _, c := range []metav1.Condition{master, clones} {
			if c.Status == status {
				return ruling{status: status, reason: v1alpha1.Reason(c.Reason), message: c.Message}
			}
		}
	}
	if master.Reason != string(v1alpha1.ReasonServing) {
		return yes(v1alpha1.Reason(master.Reason), master.Message)
	}
	return yes(v1alpha1.ReasonAllSynced, clones.Message)
}

// masterSays is what the pod of a store's master says, or what follows from its silence.
func (j *judge) masterSays(pod string) (*sight, ruling) {
	s := j.sights[pod]
	switch s.kind {
	case absent:
		return nil, no(v1alpha1.ReasonNodeNotReady, pod+" doesn't run")
	case awaited:
		return nil, keeping(unknown(v1alpha1.ReasonNodeNotReady, pod+" has not answered yet"))
	case old:
		return nil, unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(pod))
	}
	return &s, ruling{}
}

// master judges the node that should hold it.
func (j *judge) master(plan topology.StorePlan) ruling {
	if plan.Fault != nil {
		return no(plan.Fault.Reason, plan.Fault.Field+": "+plan.Fault.Message)
	}
	if plan.Removal {
		return no(v1alpha1.ReasonDeleting, removing(j.awaited(plan)))
	}
	pod := plan.MasterPod
	s, silent := j.masterSays(pod)
	if s == nil {
		return silent
	}
	entry := storeEntry(s.status, plan.Object, statusapi.RoleMaster)
	switch {
	case entry == nil && s.status.ConfigHash != j.hashes[pod]:
		return no(v1alpha1.ReasonNodeNotReady, pod+" doesn't run the compiled config yet")
	case entry == nil:
		return no(v1alpha1.ReasonLoading, pod+" doesn't report the master yet")
	case entry.Conflict != "":
		return no(v1alpha1.ReasonTwoMasters, pod+": "+entry.Conflict)
	case entry.Restore != nil && entry.Restore.Error != "":
		return no(v1alpha1.ReasonRestoreFailed, pod+": "+clip(entry.Restore.Error, 500))
	}
	return ruleMaster(plan, pod, entry)
}

// ruleMaster is what the master's own node says of it.
func ruleMaster(plan topology.StorePlan, pod string, entry *statusapi.Store) ruling {
	switch {
	case entry.Refused != "":
		return no(v1alpha1.ReasonMoveRefused, fmt.Sprintf("%s is to be the master: %s", pod, entry.Refused))
	case entry.State == statusapi.StoreServing && entry.LeaseMissing:
		return no(v1alpha1.ReasonLeaseMissing, "the master on "+pod+" has no lease and refuses writes")
	case entry.State == statusapi.StoreServing:
		return yes(v1alpha1.ReasonServing, "the master on "+pod+" serves")
	case entry.State == statusapi.StoreFailed:
		return no(v1alpha1.ReasonBackendFailure, "the backend of the master on "+pod+" failed")
	case entry.State == statusapi.StoreTakingOver && plan.Promotion:
		return no(v1alpha1.ReasonFailingOver, "the clone on "+pod+" becomes the master")
	case entry.State == statusapi.StoreTakingOver:
		return no(v1alpha1.ReasonMasterMoving, fmt.Sprintf("%s has less than epoch %d of the store and looks for a master to get it from", pod, plan.Epoch))
	}
	return no(v1alpha1.ReasonLoading, "the master on "+pod+" opens its backend")
}

// stranded are the foreign clones that the master gave up.
func (j *judge) stranded(plan topology.StorePlan) []string {
	s := j.sights[plan.MasterPod]
	if plan.Fault != nil || s.kind != fresh {
		return nil
	}
	if entry := storeEntry(s.status, plan.Object, statusapi.RoleMaster); entry != nil {
		return entry.Stranded
	}
	return nil
}

func storeEntry(s *statusapi.Status, object, role string) *statusapi.Store {
	i := slices.IndexFunc(s.Stores, func(e statusapi.Store) bool { return e.Object == object && e.Role == role })
	if i < 0 {
		return nil
	}
	return &s.Stores[i]
}

// cloneReasons are those of clones that aren't in sync, worst first.
var cloneReasons = ranked{v1alpha1.ReasonNodeMissing, v1alpha1.ReasonRunsElsewhere, v1alpha1.ReasonUnreachable, v1alpha1.ReasonNodeNotReady,
	v1alpha1.ReasonNewHistory, v1alpha1.ReasonStale, v1alpha1.ReasonSyncing, v1alpha1.ReasonForeignCloneStranded, v1alpha1.ReasonEvidenceTooOld}

// clonesSynced is the worst of the clones; the message names all that have the same reason. stranded are those that nobody declared and
// that the master can't serve.
func clonesSynced(plan topology.StorePlan, views []cloneView, stranded []string) ruling {
	switch {
	case plan.Fault != nil:
		return no(v1alpha1.ReasonNotCompiled, "the store is left out")
	}
	var w worst
	if len(stranded) > 0 {
		w.add(cloneReasons, no(v1alpha1.ReasonForeignCloneStranded, ""))
	}
	for _, v := range views {
		w.add(cloneReasons, v.ruling)
	}
	switch {
	case !w.found && len(plan.Clones) == 0:
		return yes(v1alpha1.ReasonAllSynced, "no clones declared")
	case !w.found && len(views) == 0:
		return yes(v1alpha1.ReasonAllSynced, "no clones: their nodes have no pods")
	case w.reason == v1alpha1.ReasonForeignCloneStranded:
		w.message = "must be attached anew: " + names(stranded)
		return w.ruling
	case !w.found:
		return yes(v1alpha1.ReasonAllSynced, fmt.Sprintf("%d of %d clones are in sync", len(views), len(views)))
	}
	var same []string
	for _, v := range views {
		if v.reason == w.reason && v.status == w.status && v.keep == w.keep {
			same = append(same, v.message)
		}
	}
	w.message = names(same)
	return w.ruling
}
