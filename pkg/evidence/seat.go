// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// seat says where the master is. It changes only when the new place shows that it serves with a later epoch: as long as it does not, the
// old one has the store. The object's own status counts as what was before, never the last verdict: the topology is compiled from it, and
// what nobody has written down isn't acted on.
func (j *judge) seat(plan topology.StorePlan, object *v1alpha1.DataStore) *v1alpha1.MasterStatus {
	now := j.place(plan, object)
	if now == nil {
		return nil
	}
	if now.MovingTo = j.in.Errands[plan.Object]; now.MovingTo == now.Node {
		now.MovingTo = ""
	}
	return now
}

// place is where the master is by the evidence.
func (j *judge) place(plan topology.StorePlan, object *v1alpha1.DataStore) *v1alpha1.MasterStatus {
	before, spec := object.Status.Master, object.Spec.Master.Node
	if before == nil {
		if e := j.serving(plan.MasterPod, plan.Object); plan.Fault == nil && e != nil && e.Epoch > 0 {
			return &v1alpha1.MasterStatus{Node: plan.Master, Epoch: epochOf(e), SpecNode: spec}
		}
		return nil
	}
	now := *before
	if plan.Fault != nil || plan.Removal {
		return &now
	}
	successor, pod := plan.Target, plan.TargetPod
	if plan.Promotion {
		successor, pod = plan.Master, plan.MasterPod
	}
	if successor != "" {
		if e := j.serving(pod, plan.Object); e != nil && epochOf(e) > before.Epoch && (!plan.Promotion || epochOf(e) >= plan.Epoch) {
			now.Node, now.Epoch, now.Away = successor, epochOf(e), plan.Errand && successor != spec
			if successor == spec {
				now.SpecNode = spec
			}
		}
		return &now
	}
	if e := j.serving(plan.MasterPod, plan.Object); e != nil {
		now.Epoch = max(now.Epoch, epochOf(e))
		if object.Spec.Master.Backend == v1alpha1.BackendMemory && e.Epoch > 0 {
			now.Epoch = epochOf(e) // a new process begins a new history, from 1
		}
	}
	if spec == now.Node {
		now.SpecNode, now.Away = spec, false
	}
	return &now
}

// serving is what a pod says of the master that it serves; nil if it serves none, or was not heard lately.
func (j *judge) serving(pod, object string) *statusapi.Store {
	s := j.sights[pod]
	if s.kind != fresh {
		return nil
	}
	if e := storeEntry(s.status, object, statusapi.RoleMaster); e != nil && e.State == statusapi.StoreServing {
		return e
	}
	return nil
}

// epochOf is a node's epoch as the API carries it.
func epochOf(e *statusapi.Store) int64 { return int64(min(e.Epoch, 1<<62)) }

// moves adds to what is known of a master that it moves, can't, or has moved by itself. What is wrong with it comes first.
func (j *judge) moves(plan topology.StorePlan, object *v1alpha1.DataStore, master ruling) ruling {
	status := object.Status.Master
	switch {
	case plan.Fault != nil || plan.Removal || status == nil || plan.Promotion:
		return master
	case j.in.Waiting[plan.Object] != "" && master.status != metav1.ConditionTrue:
		return no(v1alpha1.ReasonFailingOver, master.message+"; "+j.in.Waiting[plan.Object])
	case plan.Target != "":
		return j.moving(plan, master)
	case master.status != metav1.ConditionTrue || master.keep:
		if plan.MoveFault != nil {
			master.message += "; it can't move: " + plan.MoveFault.Message
		}
		return master
	case plan.MoveFault != nil:
		return yes(v1alpha1.ReasonMoveRefused, plan.MoveFault.Field+": "+plan.MoveFault.Message)
	case plan.Notice != nil:
		return yes(plan.Notice.Reason, fmt.Sprintf("%s; %s: %s", master.message, plan.Notice.Field, plan.Notice.Message))
	case status.Node != object.Spec.Master.Node && status.Away:
		return yes(v1alpha1.ReasonMasterMoving, fmt.Sprintf("the master on %s serves while a pod of %s is replaced, and goes back", plan.MasterPod, status.SpecNode))
	case status.Node != object.Spec.Master.Node:
		return yes(v1alpha1.ReasonFailedOver, fmt.Sprintf("the master on %s serves; it was on %s (spec.master.node), which failed, and doesn't go back by itself",
			plan.MasterPod, status.SpecNode))
	}
	return master
}

// moving is about a master that is on its way.
func (j *judge) moving(plan topology.StorePlan, master ruling) ruling {
	if j.serving(plan.TargetPod, plan.Object) != nil {
		return yes(v1alpha1.ReasonServing, "the master on "+plan.TargetPod+" serves")
	}
	way := "it moves to " + plan.TargetPod
	s, refused := j.sights[plan.TargetPod], ""
	if s.kind == fresh {
		if e := storeEntry(s.status, plan.Object, statusapi.RoleMaster); e == nil {
			way += ", which has not begun"
		} else {
			refused = cmp.Or(e.Refused, e.Error)
		}
	} else {
		way += ", which doesn't answer"
	}
	switch {
	case master.status != metav1.ConditionTrue && refused != "":
		master.message += "; " + way + ": " + refused
	case master.status != metav1.ConditionTrue:
		master.message += "; " + way
	case refused != "":
		return yes(v1alpha1.ReasonMoveRefused, master.message+", "+way+": "+refused)
	default:
		return yes(v1alpha1.ReasonMasterMoving, master.message+", "+way)
	}
	return master
}
