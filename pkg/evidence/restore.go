// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// restoring is what the master's node says of the backup that the store is to begin with; nil if it has said nothing yet.
func (j *judge) restoring(plan topology.StorePlan) *statusapi.Restore {
	s := j.sights[plan.MasterPod]
	if plan.Restore == "" || s.kind != fresh {
		return nil
	}
	entry := storeEntry(s.status, plan.Object, statusapi.RoleMaster)
	if entry == nil || entry.Restore == nil || entry.Restore.Request != plan.Restore {
		return nil
	}
	return entry.Restore
}

// restored is what is known for good of spec.restoreFrom.
func (j *judge) restored(plan topology.StorePlan, object *v1alpha1.DataStore, before *v1alpha1.RestoreStatus) *v1alpha1.RestoreStatus {
	if object.Spec.RestoreFrom == nil {
		return nil
	}
	if r := j.restoring(plan); r != nil && (r.Refused || r.File != "") {
		return &v1alpha1.RestoreStatus{Request: clip(r.Request, 600), File: clip(r.File, 32)}
	}
	if before == nil {
		return nil
	}
	now := *before
	return &now
}

// restore judges the backup that the store is to begin with.
func (j *judge) restore(plan topology.StorePlan, known *v1alpha1.RestoreStatus) ruling {
	if plan.Fault != nil {
		return no(v1alpha1.ReasonNotCompiled, "the store is left out")
	}
	if known != nil && (plan.Restore == "" || known.Request == plan.Restore) {
		if known.File == "" {
			return no(v1alpha1.ReasonRestoreRefused, "the store had entries already, which it keeps; nothing was restored")
		}
		return yes(v1alpha1.ReasonRestored, fmt.Sprintf("the store began with %s (%s)", known.File, clip(known.Request, 300)))
	}
	if r := j.restoring(plan); r != nil && r.Error != "" {
		return no(v1alpha1.ReasonRestoreFailed, plan.MasterPod+": "+clip(r.Error, 500))
	}
	return unknown(v1alpha1.ReasonRestorePending, "the node of the master has not said yet what became of it")
}

// more are the conditions that only some stores have.
func (j *judge) more(plan topology.StorePlan, object *v1alpha1.DataStore, previous []metav1.Condition, status *v1alpha1.DataStoreStatus) {
	if plan.Removal {
		return
	}
	if object.Spec.Backup != nil {
		status.Conditions = append(status.Conditions, j.condition(v1alpha1.ConditionBackedUp, previous, object.Generation, j.backup(plan)))
	}
	if object.Spec.RestoreFrom != nil {
		status.Conditions = append(status.Conditions, j.condition(v1alpha1.ConditionRestored, previous, object.Generation, j.restore(plan, status.Restore)))
	}
}
