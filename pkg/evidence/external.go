// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// inbound looks at a link that an endpoint outside begins: only the end that accepts can be asked.
func (j *judge) inbound(peering string, l topology.Link) linkView {
	to := j.sights[l.To]
	v := linkView{link: l, from: outsideView, toEntry: acceptedEntry(to, peering)}
	v.to = viewOf(to, v.toEntry)
	if l.Fault != nil {
		v.to, v.toEntry, v.ruling = unrelatedView, nil, no(l.Fault.Reason, l.Fault.Field+": "+l.Fault.Message)
		return v
	}
	switch v.to {
	case goneView:
		v.ruling = no(v1alpha1.ReasonConnecting, l.To+" doesn't run")
	case connectedView:
		v.ruling = yes(v1alpha1.ReasonOneSided, "")
	case awaitedView:
		v.ruling = keeping(unknown(v1alpha1.ReasonConnecting, l.To+" has not answered yet"))
	case oldView:
		v.ruling = unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(l.To))
	default:
		v.ruling = no(v1alpha1.ReasonConnecting, fmt.Sprintf("%s isn't connected to %s", l.Outside, l.To))
	}
	return v
}

// acceptedEntry is what a node says of who came for a peering; one that is connected goes before others.
func acceptedEntry(s sight, peering string) *statusapi.Peer {
	if s.kind != fresh {
		return nil
	}
	var best *statusapi.Peer
	for i := range s.status.Peers {
		p := &s.status.Peers[i]
		if p.Peering == peering && !p.Dialed && (best == nil || best.State != statusapi.PeerPeered && p.State == statusapi.PeerPeered) {
			best = p
		}
	}
	return best
}

// externalReasons are why an external node isn't Ready, worst first.
var externalReasons = ranked{v1alpha1.ReasonNotSeen, v1alpha1.ReasonEvidenceTooOld}

// external is the status of a node that runs elsewhere: what its peers see of it.
func (j *judge) external(plan topology.NodePlan, object *v1alpha1.BrokerNode, previous v1alpha1.BrokerNodeStatus) v1alpha1.BrokerNodeStatus {
	views := j.outside[plan.Node]
	ready := seenBy(views)
	status := v1alpha1.BrokerNodeStatus{ObservedGeneration: object.Generation, EndpointID: previous.EndpointID, Peers: previous.Peers}
	if !ready.keep || previous.Peers == "" {
		up := 0
		for _, v := range views {
			if v.status == metav1.ConditionTrue {
				up++
			}
		}
		status.Peers = fmt.Sprintf("%d/%d", up, len(views))
	}
	if ready.status != metav1.ConditionUnknown || len(views) == 0 {
		status.EndpointID = clip(seenID(views), 64)
	}
	status.Conditions = []metav1.Condition{
		j.condition(v1alpha1.ConditionReady, previous.Conditions, object.Generation, ready),
		j.condition(v1alpha1.ConditionConfigured, previous.Conditions, object.Generation, j.certified(plan)),
	}
	status.Conditions = append(status.Conditions, j.holdsUp(plan, object, previous)...)
	return status
}

// seenBy says whether all who should see an external node do.
func seenBy(views []linkView) ruling {
	if len(views) == 0 {
		return unknown(v1alpha1.ReasonNotSeen, "no peering joins it with a pod that could see it")
	}
	var w worst
	bad := 0
	for _, v := range views {
		r := v.ruling
		switch {
		case v.status == metav1.ConditionTrue:
			continue
		case !r.keep && r.status == metav1.ConditionFalse:
			r.reason = v1alpha1.ReasonNotSeen
		default:
			r.reason = v1alpha1.ReasonEvidenceTooOld
		}
		bad++
		w.add(externalReasons, r)
	}
	switch {
	case !w.found:
		return yes(v1alpha1.ReasonSeenByPeers, seers(views))
	case bad > 1:
		w.message += fmt.Sprintf("; and %d more links", bad-1)
	}
	return w.ruling
}

func seers(views []linkView) string {
	pods := make(map[string]bool, len(views))
	for _, v := range views {
		pods[v.pod()] = true
	}
	verb := "report it"
	if len(pods) == 1 {
		verb = "reports it"
	}
	return names(slices.Sorted(maps.Keys(pods))) + " " + verb
}

// pod is the end of a link that isn't outside.
func (v *linkView) pod() string {
	if v.link.From != "" {
		return v.link.From
	}
	return v.link.To
}

// seenID is the endpoint's ID as its peers report it; of several the smallest.
func seenID(views []linkView) string {
	id := ""
	for _, v := range views {
		entry := v.fromEntry
		if entry == nil {
			entry = v.toEntry
		}
		if v.status == metav1.ConditionTrue && entry.EndpointID != "" && (id == "" || entry.EndpointID < id) {
			id = entry.EndpointID
		}
	}
	return id
}

// certified is what there is to configure of an external node: its certificate.
func (j *judge) certified(plan topology.NodePlan) ruling {
	facts := j.in.Facts[plan.Node]
	switch {
	case facts.CAMissing:
		return no(v1alpha1.ReasonCAMissing, caMissing)
	case facts.Conflict != "":
		return no(v1alpha1.ReasonConflict, facts.Conflict)
	}
	return yes(v1alpha1.ReasonRunsElsewhere, "it runs elsewhere: there is nothing to configure here but its certificate")
}

// undeclaredMemory is for how long a number of undeclared peers is shown after there were so many: who comes and goes all the time makes
// no changes of status.
const undeclaredMemory = time.Minute

// crowd is how many undeclared peers a node had at once, and when that was last so.
type crowd struct {
	count int32
	seen  time.Time
}

// undeclared counts the node's accepted peers that belong to no peering.
func (j *judge) undeclared(plan topology.NodePlan, previous int32) int32 {
	var count int32
	for _, p := range plan.Pods {
		s := j.sights[p.Pod]
		if s.kind == awaited || s.kind == old {
			return previous
		}
		if s.kind != fresh {
			continue
		}
		for i := range s.status.Peers {
			if j.isUndeclared(plan.Node, &s.status.Peers[i]) {
				count++
			}
		}
	}
	was := j.in.Previous.Memo.crowds[plan.Node]
	if count >= was.count || j.in.Now.Sub(was.seen) >= undeclaredMemory {
		was = crowd{count, j.in.Now}
	}
	if was.count > 0 {
		j.out.Memo.crowds[plan.Node] = was
	}
	if was.count > count {
		j.checkAt(was.seen.Add(undeclaredMemory))
	}
	return was.count
}

// isUndeclared tells whether a peer came that no peering of the node is about. People's tools come and go, and are known by their
// certificate; without one they count. While a partner of the node can't be told by its ID, nobody without a name counts.
func (j *judge) isUndeclared(node string, p *statusapi.Peer) bool {
	switch {
	case p.Dialed || p.Peering != "" || p.State != statusapi.PeerPeered || p.URI == meshtls.ClientURI(j.namespace()):
		return false
	case p.URI != "":
		for partner := range j.partners[node] {
			if p.URI == meshtls.NodeURI(j.namespace(), partner) {
				return false
			}
		}
		return true
	}
	for partner := range j.partners[node] {
		for _, pod := range j.podsOf[partner] {
			if s := j.sights[pod]; s.kind != absent && (s.endpointID() == "" || s.endpointID() == p.EndpointID) {
				return false
			}
		}
	}
	return true
}

// partnersOf are the nodes that peerings join, in both directions.
func partnersOf(peerings []topology.PeeringPlan) map[string]map[string]bool {
	partners := make(map[string]map[string]bool)
	add := func(a, b string) {
		if partners[a] == nil {
			partners[a] = make(map[string]bool)
		}
		partners[a][b] = true
	}
	for _, p := range peerings {
		for _, l := range p.Links {
			from, to := l.FromNode, l.ToNode
			if from == "" {
				from = l.Outside
			} else if to == "" {
				to = l.Outside + l.Behind // one of them, if any
			}
			add(from, to)
			add(to, from)
		}
	}
	return partners
}
