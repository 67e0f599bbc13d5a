// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// backup judges the backups that the master's node makes, by what it says of them.
func (j *judge) backup(plan topology.StorePlan) ruling {
	if plan.Fault != nil {
		return no(v1alpha1.ReasonNotCompiled, "the store is left out")
	}
	pod := plan.MasterPod
	s, silent := j.masterSays(pod)
	if s == nil {
		return silent
	}
	entry := storeEntry(s.status, plan.Object, statusapi.RoleMaster)
	if entry == nil || entry.Backup == nil {
		return keeping(unknown(v1alpha1.ReasonBackupPending, pod+" doesn't report backups yet"))
	}
	b := entry.Backup
	switch {
	case b.Error != "":
		return no(v1alpha1.ReasonBackupFailed, pod+": "+clip(b.Error, 300))
	case b.Last != nil:
		return yes(v1alpha1.ReasonBackupTaken, pod+" wrote "+clip(b.File, 100))
	case b.Next != nil:
		return unknown(v1alpha1.ReasonBackupPending, "the first backup is due at "+b.Next.UTC().Format(time.RFC3339))
	}
	return unknown(v1alpha1.ReasonBackupPending, "no backup was made yet")
}
