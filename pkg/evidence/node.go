// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Names of listeners in a status.
const (
	listenerBroker    = "broker"
	listenerWebSocket = "websocket"
)

// readyReasons and configuredReasons are what those conditions of a BrokerNode can have besides good news, worst first.
var (
	readyReasons = ranked{v1alpha1.ReasonCAMissing, v1alpha1.ReasonImageUnavailable, v1alpha1.ReasonPodPending,
		v1alpha1.ReasonNotListening, v1alpha1.ReasonDraining, v1alpha1.ReasonEvidenceTooOld}
	configuredReasons = ranked{v1alpha1.ReasonConfigTooLarge, v1alpha1.ReasonPodTemplateRefused, v1alpha1.ReasonConflict, v1alpha1.ReasonCertificatePending,
		v1alpha1.ReasonNeedsNewerNode, v1alpha1.ReasonRejected, v1alpha1.ReasonPausedBySpec, v1alpha1.ReasonApplying,
		v1alpha1.ReasonRestartNeeded, v1alpha1.ReasonVolumeGrowing, v1alpha1.ReasonEvidenceTooOld}
)

func (j *judge) node(plan topology.NodePlan) v1alpha1.BrokerNodeStatus {
	object := j.nodes[plan.Node]
	if object == nil {
		object = &v1alpha1.BrokerNode{}
	}
	previous, ok := j.in.Previous.Nodes[plan.Node]
	if !ok {
		previous = object.Status
	}
	if plan.External {
		return j.external(plan, object, previous)
	}
	status := v1alpha1.BrokerNodeStatus{
		ObservedGeneration: object.Generation,
		UndeclaredPeers:    j.undeclared(plan, previous.UndeclaredPeers),
		Replicas:           new(j.replicas[plan.Node]),
		Selector:           v1alpha1.NodeLabel + "=" + plan.Node,
		Peers:              j.peersColumn(plan, previous.Peers),
		Stores:             j.masters[plan.Node],
		Image:              clip(j.in.Facts[plan.Node].Image, 512),
		Version:            previous.Version,
	}
	for _, p := range plan.Pods {
		status.Pods = append(status.Pods, j.podStatus(p, previous.Pods))
		if s := j.sights[p.Pod]; s.kind == fresh {
			status.Version = clip(s.status.Version, 128)
		}
	}
	status.Conditions = []metav1.Condition{
		j.condition(v1alpha1.ConditionReady, previous.Conditions, object.Generation, j.ready(plan)),
		j.condition(v1alpha1.ConditionConfigured, previous.Conditions, object.Generation, whilePaused(object, j.configured(plan))),
	}
	if object.Spec.Paused {
		status.Conditions = append(status.Conditions, j.condition(v1alpha1.ConditionPaused, previous.Conditions, object.Generation,
			yes(v1alpha1.ReasonPausedBySpec, "spec.paused: the node stays as it is")))
	}
	status.Conditions = append(status.Conditions, j.holdsUp(plan, object, previous)...)
	return status
}

// holdsUp is the condition of a node that holds up the replacement of the mesh's authority; others have none.
func (j *judge) holdsUp(plan topology.NodePlan, object *v1alpha1.BrokerNode, previous v1alpha1.BrokerNodeStatus) []metav1.Condition {
	words := j.in.Facts[plan.Node].HoldsUpRotation
	if words == "" {
		return nil
	}
	return []metav1.Condition{j.condition(v1alpha1.ConditionCertificatesCurrent, previous.Conditions, object.Generation, no(v1alpha1.ReasonHoldsUpRotation, words))}
}

const caMissing = "the Secret of the mesh's CA is gone, but certificates of nodes exist; no new CA is made"

// ready is the worst of the pods.
func (j *judge) ready(plan topology.NodePlan) ruling {
	if j.in.Facts[plan.Node].CAMissing {
		return no(v1alpha1.ReasonCAMissing, caMissing)
	}
	if len(plan.Pods) == 0 {
		return yes(v1alpha1.ReasonScaledToZero, "no pods: spec.replicas is 0")
	}
	var w worst
	for _, p := range plan.Pods {
		w.add(readyReasons, j.podReady(p))
	}
	if w.found {
		return w.ruling
	}
	return yes(v1alpha1.ReasonListening, podNames(plan)+verb(plan, " runs and listens", " run and listen"))
}

// podReady is a ruling of status True for a pod that is well.
func (j *judge) podReady(p topology.PodPlan) ruling {
	s := j.sights[p.Pod]
	switch {
	case s.pod == PodImageUnavailable:
		return no(v1alpha1.ReasonImageUnavailable, "the image of "+p.Pod+" can't be pulled")
	case s.kind == absent:
		return no(v1alpha1.ReasonPodPending, p.Pod+" doesn't run yet")
	case s.kind == old:
		return unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(p.Pod))
	case s.pod == PodTerminating, s.kind == fresh && s.status.Draining:
		return no(v1alpha1.ReasonDraining, p.Pod+" is on its way out")
	case s.kind == awaited:
		return j.unanswered(p)
	case !listens(s.status, listenerBroker), p.Config.WebSocketPort != 0 && !listens(s.status, listenerWebSocket):
		return no(v1alpha1.ReasonNotListening, p.Pod+" doesn't listen on all its ports")
	}
	return ruling{status: metav1.ConditionTrue}
}

// unanswered is for a pod that runs but has not answered yet. Its node's condition stays as it was, unless that was about
// the pod not running.
func (j *judge) unanswered(p topology.PodPlan) ruling {
	r := no(v1alpha1.ReasonNotListening, p.Pod+" has not answered yet")
	if _, known := j.in.Previous.Nodes[p.Config.Node]; !known {
		return keeping(r)
	}
	for _, c := range j.in.Previous.Nodes[p.Config.Node].Conditions {
		reason := v1alpha1.Reason(c.Reason)
		if c.Type == v1alpha1.ConditionReady && (reason == v1alpha1.ReasonPodPending || reason == v1alpha1.ReasonImageUnavailable) {
			return r
		}
	}
	return keeping(r)
}

func listens(s *statusapi.Status, name string) bool {
	return slices.ContainsFunc(s.Listeners, func(l statusapi.Listener) bool { return l.Name == name })
}

// configured is the worst of the pods.
func (j *judge) configured(plan topology.NodePlan) ruling {
	facts := j.in.Facts[plan.Node]
	switch {
	case plan.Fault != nil:
		return no(plan.Fault.Reason, plan.Fault.Message)
	case plan.PodFault != nil:
		return no(plan.PodFault.Reason, plan.PodFault.Field+": "+plan.PodFault.Message)
	case facts.Conflict != "":
		return no(v1alpha1.ReasonConflict, facts.Conflict)
	case facts.CertificatePending != "":
		return no(v1alpha1.ReasonCertificatePending, facts.CertificatePending)
	}
	var w worst
	for _, p := range plan.Pods {
		w.add(configuredReasons, j.podConfigured(p))
	}
	switch {
	case w.found:
		return w.ruling
	case facts.RestartNeeded != "":
		return no(v1alpha1.ReasonRestartNeeded, "a new pod is needed for "+facts.RestartNeeded)
	case facts.VolumeGrowing != "":
		return no(v1alpha1.ReasonVolumeGrowing, facts.VolumeGrowing)
	}
	if len(plan.Pods) == 0 {
		return yes(v1alpha1.ReasonApplied, "no pods: spec.replicas is 0")
	}
	return yes(v1alpha1.ReasonApplied, podNames(plan)+verb(plan, " runs the compiled config", " run the compiled config"))
}

// whilePaused says of a change that is under way that it doesn't go on.
func whilePaused(object *v1alpha1.BrokerNode, r ruling) ruling {
	if object.Spec.Paused && !r.keep && (r.reason == v1alpha1.ReasonApplying || r.reason == v1alpha1.ReasonRestartNeeded) {
		return no(v1alpha1.ReasonPausedBySpec, "spec.paused: "+r.message+", and stays as it is")
	}
	return r
}

func (j *judge) podConfigured(p topology.PodPlan) ruling {
	s := j.sights[p.Pod]
	switch s.kind {
	case absent:
		return no(v1alpha1.ReasonApplying, p.Pod+" doesn't run yet")
	case old:
		return unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(p.Pod))
	case awaited:
		return keeping(no(v1alpha1.ReasonApplying, p.Pod+" has not answered yet"))
	}
	refused := cmp.Or(s.status.ConfigError, s.rejected)
	switch {
	case !slices.Contains(s.status.ConfigVersions, nodeconfig.Version):
		return no(v1alpha1.ReasonNeedsNewerNode, fmt.Sprintf("%s doesn't read configs of version %d", p.Pod, nodeconfig.Version))
	case len(p.Config.Missing(s.status.Features)) > 0:
		return no(v1alpha1.ReasonNeedsNewerNode, fmt.Sprintf("%s doesn't know %s, which its config needs", p.Pod, names(p.Config.Missing(s.status.Features))))
	case s.status.ConfigHash != p.Hash && refused != "":
		return no(v1alpha1.ReasonRejected, p.Pod+" refused it: "+refused)
	case s.status.RestartNeeded != "":
		return no(v1alpha1.ReasonRestartNeeded, p.Pod+" needs a restart for "+s.status.RestartNeeded)
	case s.status.ConfigHash != p.Hash:
		return no(v1alpha1.ReasonApplying, "the compiled config is on its way to "+p.Pod)
	}
	return ruling{status: metav1.ConditionTrue}
}

func nothingHeard(pod string) string {
	return fmt.Sprintf("nothing was heard of %s for %d seconds", pod, int(MaxAge.Seconds()))
}

func verb(plan topology.NodePlan, one, several string) string {
	if len(plan.Pods) == 1 {
		return one
	}
	return several
}

func podNames(plan topology.NodePlan) string {
	var list []string
	for _, p := range plan.Pods {
		list = append(list, p.Pod)
	}
	return names(list)
}
