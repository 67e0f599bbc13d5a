// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// cloneView is one clone with what its pod says of it. The ruling's status is True if it is in sync.
type cloneView struct {
	pod, state string
	ruling
}

// clones looks at every clone that the store should have; none if the store itself is left out.
func (j *judge) clones(plan topology.StorePlan) []cloneView {
	var views []cloneView
	for _, c := range plan.Clones {
		if plan.Fault != nil || c.Fault != nil && len(c.Pods) == 0 {
			v := cloneView{pod: c.Node, state: "NotCompiled", ruling: no(v1alpha1.ReasonNotCompiled, c.Node)}
			if c.Fault != nil {
				v.ruling = no(c.Fault.Reason, c.Fault.Message)
			}
			views = append(views, v)
		}
		if plan.Fault != nil {
			continue
		}
		for _, pod := range c.Pods {
			views = append(views, j.clone(plan, c, pod))
		}
	}
	return views
}

func (j *judge) clone(plan topology.StorePlan, c topology.ClonePlan, pod string) cloneView {
	v := cloneView{pod: pod, state: "Unknown"}
	s := j.sights[pod]
	switch s.kind {
	case absent:
		v.state = "NotRunning"
		v.ruling = no(v1alpha1.ReasonNodeNotReady, pod+" doesn't run")
		return v
	case awaited:
		v.ruling = keeping(unknown(v1alpha1.ReasonSyncing, pod+" has not answered yet"))
		return v
	case old:
		v.ruling = unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(pod))
		return v
	}
	v.state = "Missing"
	e := storeEntry(s.status, plan.Object, statusapi.RoleClone)
	if e != nil && slices.Contains(cloneStates, e.State) {
		v.state = e.State
	}
	v.ruling = j.ruleClone(plan, c, v)
	if e != nil && e.NewHistory && v.reason != v1alpha1.ReasonUnreachable {
		v.ruling = no(v1alpha1.ReasonNewHistory, v.pod+" keeps the old content: brokerctl store adopt")
	}
	return v
}

var cloneStates = []string{statusapi.StoreAttaching, statusapi.StoreSynced, statusapi.StoreStale, statusapi.StoreBroken}

// ruleClone trusts a clone that calls itself in sync only as long as nothing cuts it off: it may not have noticed yet.
func (j *judge) ruleClone(plan topology.StorePlan, c topology.ClonePlan, v cloneView) ruling {
	if c.Fault != nil && (len(c.CutOff) == 0 || slices.Contains(c.CutOff, v.pod)) {
		return no(c.Fault.Reason, c.Fault.Message)
	}
	if cut := j.cut(c, v.pod, plan.MasterPod); cut != "" {
		return no(v1alpha1.ReasonUnreachable, fmt.Sprintf("%s is cut off: Peering %s isn't established", v.pod, cut))
	}
	switch v.state {
	case statusapi.StoreSynced:
		return ruling{status: metav1.ConditionTrue}
	case statusapi.StoreStale:
		return no(v1alpha1.ReasonStale, v.pod+" is stale")
	case statusapi.StoreAttaching, statusapi.StoreBroken:
		return no(v1alpha1.ReasonSyncing, v.pod+" is on its way to the master's state")
	}
	return no(v1alpha1.ReasonSyncing, v.pod+" doesn't report its clone yet")
}

// cloneColumns are the clones in sync, of those that there should be, and the others, worst first.
func (j *judge) cloneColumns(views []cloneView, previous []v1alpha1.CloneStatus) (synced string, list []v1alpha1.CloneStatus) {
	var bad []cloneView
	for _, v := range views {
		if v.status != metav1.ConditionTrue {
			bad = append(bad, v)
		}
	}
	slices.SortStableFunc(bad, func(a, b cloneView) int {
		return cmp.Or(cmp.Compare(cloneReasons.rank(a.reason), cloneReasons.rank(b.reason)), cmp.Compare(a.pod, b.pod))
	})
	for _, v := range bad[:min(len(bad), MaxProblems)] {
		if v.reason == v1alpha1.ReasonNotCompiled {
			continue // the store's own conditions say why
		}
		status := v1alpha1.CloneStatus{Node: clip(v.pod, 63), State: v.state}
		if v.state == statusapi.StoreStale {
			status.StaleSince = j.staleSince(status.Node, previous)
		}
		list = append(list, status)
	}
	return fmt.Sprintf("%d/%d", len(views)-len(bad), len(views)), list
}

// staleSince is when the clone was first seen stale.
func (j *judge) staleSince(pod string, previous []v1alpha1.CloneStatus) *metav1.Time {
	for _, p := range previous {
		if p.Node == pod && p.StaleSince != nil {
			return p.StaleSince
		}
	}
	now := seconds(j.in.Now)
	return &now
}
