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

func (j *judge) peering(plan topology.PeeringPlan) v1alpha1.PeeringStatus {
	object := j.peerings[plan.Name]
	if object == nil {
		object = &v1alpha1.Peering{}
	}
	previous, ok := j.in.Previous.Peerings[plan.Name]
	if !ok {
		previous = object.Status
	}
	views := make([]linkView, 0, len(plan.Links))
	of := make(map[string]int) // pods that connect -> their links
	for _, l := range plan.Links {
		of[l.From]++
	}
	for _, l := range plan.Links {
		v := j.link(plan.Name, l, of[l.From] == 1)
		j.count(v)
		views = append(views, v)
		if l.Fault == nil {
			j.out.Links = append(j.out.Links, LinkState{Peering: plan.Name, Link: l, Up: v.status == metav1.ConditionTrue})
		}
	}
	j.links[plan.Name] = views
	established, dropping := j.established(plan, views), j.dropping(plan, views)

	status := v1alpha1.PeeringStatus{ObservedGeneration: object.Generation, From: clip(plan.From, 300), To: clip(plan.To, 300)}
	if established.keep && previous.Links != "" {
		status.Links, status.Problems = previous.Links, slices.Clone(previous.Problems)
	} else {
		status.Links, status.Problems = columns(views)
	}
	status.Conditions = []metav1.Condition{
		j.condition(v1alpha1.ConditionReady, previous.Conditions, object.Generation, established),
		j.condition(v1alpha1.ConditionEstablished, previous.Conditions, object.Generation, established),
		j.condition(v1alpha1.ConditionDropping, previous.Conditions, object.Generation, dropping),
	}
	return status
}

// established is the worst of the links.
func (j *judge) established(plan topology.PeeringPlan, views []linkView) ruling {
	if plan.Fault != nil {
		return no(plan.Fault.Reason, plan.Fault.Field+": "+plan.Fault.Message)
	}
	var w worst
	bad := 0
	good := v1alpha1.ReasonBothEndsAgree
	for _, v := range views {
		w.add(linkReasons, v.ruling)
		if v.status != metav1.ConditionTrue {
			bad++
		} else if v.reason == v1alpha1.ReasonOneSided {
			good = v1alpha1.ReasonOneSided
		}
	}
	switch {
	case w.found && bad > 1:
		w.message += fmt.Sprintf("; and %d more links", bad-1)
		return w.ruling
	case w.found:
		return w.ruling
	case len(views) == 0:
		return yes(v1alpha1.ReasonNoLinks, fmt.Sprintf("no links: %s and %s have no pods to be joined", plan.From, plan.To))
	case good == v1alpha1.ReasonOneSided && plan.Links[0].From == "":
		return yes(good, fmt.Sprintf("%s reports %s, which isn't managed here%s", plan.To, plan.From, unproven(plan)))
	case good == v1alpha1.ReasonOneSided:
		return yes(good, fmt.Sprintf("%s reports %s, which isn't managed here%s", plan.From, plan.To, unproven(plan)))
	}
	return yes(good, fmt.Sprintf("%s and %s report each other%s", plan.From, plan.To, unproven(plan)))
}

// unproven says what a connection that stands does not prove: without certificates, who the other end is.
func unproven(plan topology.PeeringPlan) string {
	for _, l := range plan.Links {
		switch l.TLS {
		case nodeconfig.TLSAnonymous:
			return "; the connection is encrypted, not authenticated"
		case nodeconfig.TLSDisabled:
			return "; the connection is neither encrypted nor authenticated"
		}
	}
	return ""
}

// columns are the links that are established, of those that there should be, and the others, worst first.
func columns(views []linkView) (links string, problems []v1alpha1.LinkProblem) {
	var bad []linkView
	for _, v := range views {
		if v.status != metav1.ConditionTrue {
			bad = append(bad, v)
		}
	}
	slices.SortStableFunc(bad, func(a, b linkView) int {
		return cmp.Or(cmp.Compare(linkReasons.rank(a.reason), linkReasons.rank(b.reason)),
			cmp.Compare(a.link.Source(), b.link.Source()), cmp.Compare(a.link.Target(), b.link.Target()))
	})
	for _, v := range bad[:min(len(bad), MaxProblems)] {
		problems = append(problems, v1alpha1.LinkProblem{
			From: v.link.Source(), To: clip(v.link.Target(), 300),
			FromState: stateWord(v.from, v.fromEntry), ToState: stateWord(v.to, v.toEntry), LastError: errorClass(v.fromEntry),
		})
	}
	return fmt.Sprintf("%d/%d", len(views)-len(bad), len(views)), problems
}

var peerStates = []string{statusapi.PeerConnecting, statusapi.PeerPeered, statusapi.PeerDisconnected, statusapi.PeerClosing}

// stateWord is what an end says of a link, in one word of a closed list.
func stateWord(v view, entry *statusapi.Peer) string {
	switch v {
	case outsideView:
		return ""
	case goneView:
		return "NotRunning"
	case awaitedView, oldView:
		return "Unknown"
	case elsewhereView:
		return "Elsewhere"
	}
	if entry == nil || !slices.Contains(peerStates, entry.State) {
		return "NotReported"
	}
	return entry.State
}
