// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// ConditionReasons is one condition with every reason that it can have.
type ConditionReasons struct {
	Kind, Type string
	Reasons    []v1alpha1.Reason
}

// Reasons is the closed list of what Judge says: for each condition of each kind, first what it is when all is well, then
// the worst first. The documentation is made from it.
func Reasons() []ConditionReasons {
	established := append([]v1alpha1.Reason{v1alpha1.ReasonBothEndsAgree, v1alpha1.ReasonOneSided, v1alpha1.ReasonNoLinks,
		v1alpha1.ReasonNodeMissing, v1alpha1.ReasonDuplicate, v1alpha1.ReasonBothOutside}, linkReasons...)
	master := []v1alpha1.Reason{v1alpha1.ReasonServing, v1alpha1.ReasonMasterMoving, v1alpha1.ReasonMoveRefused, v1alpha1.ReasonFailedOver,
		v1alpha1.ReasonMasterNeedsOnePod, v1alpha1.ReasonRunsElsewhere,
		v1alpha1.ReasonFailingOver, v1alpha1.ReasonLeaseMissing, v1alpha1.ReasonTwoMasters, v1alpha1.ReasonNodeMissing,
		v1alpha1.ReasonStorageMissing, v1alpha1.ReasonRestoreFailed, v1alpha1.ReasonBackendFailure, v1alpha1.ReasonNodeNotReady, v1alpha1.ReasonLoading,
		v1alpha1.ReasonEvidenceTooOld, v1alpha1.ReasonDeleting}
	clones := append([]v1alpha1.Reason{v1alpha1.ReasonAllSynced, v1alpha1.ReasonNotCompiled}, cloneReasons...)
	store := append([]v1alpha1.Reason{v1alpha1.ReasonAllSynced}, without(master, v1alpha1.ReasonServing)...)
	store = append(store, without(cloneReasons, store...)...)
	return []ConditionReasons{
		{topology.KindBrokerNode, v1alpha1.ConditionReady, append([]v1alpha1.Reason{v1alpha1.ReasonListening, v1alpha1.ReasonScaledToZero, v1alpha1.ReasonSeenByPeers}, append(slices.Clone(readyReasons), v1alpha1.ReasonNotSeen)...)},
		{topology.KindBrokerNode, v1alpha1.ConditionConfigured, append([]v1alpha1.Reason{v1alpha1.ReasonApplied, v1alpha1.ReasonRunsElsewhere}, append(slices.Clone(configuredReasons), v1alpha1.ReasonCAMissing)...)},
		{topology.KindBrokerNode, v1alpha1.ConditionCertificatesCurrent, []v1alpha1.Reason{v1alpha1.ReasonHoldsUpRotation}},
		{topology.KindBrokerNode, v1alpha1.ConditionPaused, []v1alpha1.Reason{v1alpha1.ReasonPausedBySpec}},
		{topology.KindPeering, v1alpha1.ConditionReady, established},
		{topology.KindPeering, v1alpha1.ConditionEstablished, established},
		{topology.KindPeering, v1alpha1.ConditionDropping, []v1alpha1.Reason{v1alpha1.ReasonNothingDropped,
			v1alpha1.ReasonQueueOverflow, v1alpha1.ReasonNotCompiled, v1alpha1.ReasonEvidenceTooOld}},
		{topology.KindDataStore, v1alpha1.ConditionReady, store},
		{topology.KindDataStore, v1alpha1.ConditionMasterAvailable, master},
		{topology.KindDataStore, v1alpha1.ConditionClonesSynced, clones},
		{topology.KindDataStore, v1alpha1.ConditionBackedUp, []v1alpha1.Reason{v1alpha1.ReasonBackupTaken, v1alpha1.ReasonNotCompiled, v1alpha1.ReasonBackupFailed,
			v1alpha1.ReasonNodeNotReady, v1alpha1.ReasonBackupPending, v1alpha1.ReasonEvidenceTooOld}},
		{topology.KindDataStore, v1alpha1.ConditionRestored, []v1alpha1.Reason{v1alpha1.ReasonRestored, v1alpha1.ReasonNotCompiled, v1alpha1.ReasonRestoreFailed,
			v1alpha1.ReasonRestoreRefused, v1alpha1.ReasonRestorePending}},
		{topology.KindBrokerMesh, v1alpha1.ConditionReady, append([]v1alpha1.Reason{v1alpha1.ReasonAllReady}, meshReasons...)},
	}
}

func without(list []v1alpha1.Reason, out ...v1alpha1.Reason) []v1alpha1.Reason {
	var kept []v1alpha1.Reason
	for _, r := range list {
		if ranked(out).rank(r) < 0 {
			kept = append(kept, r)
		}
	}
	return kept
}
