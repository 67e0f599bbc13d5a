// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// view is what one end of a link says of it.
type view uint8

const (
	outsideView   view = iota // nobody to ask
	connectedView             // reports the other end
	elsewhereView             // is connected, but to another endpoint than the one that the other end is
	unrelatedView             // doesn't report the other end
	goneView                  // there is no process
	awaitedView               // hasn't answered yet
	oldView                   // nothing heard, or it can't be told whom it reports
)

// linkView is one link with what both ends say, and the ruling on it. Its status is True if the link is well.
type linkView struct {
	link      topology.Link
	from, to  view
	fromEntry *statusapi.Peer // what the end that connects says of this link; nil if nothing
	toEntry   *statusapi.Peer
	ruling
}

// linkReasons are those of a link that isn't well, worst first.
var linkReasons = ranked{v1alpha1.ReasonTLSMismatch, v1alpha1.ReasonNoAddress, v1alpha1.ReasonEndsDisagree, v1alpha1.ReasonTLSFailed, v1alpha1.ReasonIncompatible,
	v1alpha1.ReasonRefused, v1alpha1.ReasonConnecting, v1alpha1.ReasonEvidenceTooOld}

// mismatch is a contradiction between the ends of a link.
type mismatch struct {
	from, to view
	seen     time.Time
}

// link looks at one link from both ends. alone tells that the pod that connects has no other link of the peering.
func (j *judge) link(peering string, l topology.Link, alone bool) linkView {
	if l.From == "" {
		return j.inbound(peering, l)
	}
	v := linkView{link: l}
	if l.Fault != nil {
		v.from, v.ruling = unrelatedView, no(l.Fault.Reason, l.Fault.Field+": "+l.Fault.Message)
		return v
	}
	from, to := j.sights[l.From], j.sights[l.To]
	v.fromEntry = j.fromEntry(from, peering, l, to.endpointID(), alone)
	v.from = viewOf(from, v.fromEntry)
	if l.To != "" {
		v.toEntry = j.toEntry(to, l, from)
		v.to = viewOf(to, v.toEntry)
		if to.kind == fresh && v.toEntry == nil && !j.recognizable(l, from) {
			v.to = oldView
		}
		if v.from == connectedView && to.kind == fresh && v.fromEntry.EndpointID != to.endpointID() {
			v.from = elsewhereView
		}
	}
	v.ruling = j.ruleLink(peering, v, from, to)
	return v
}

// fromEntry finds what the connecting end says. Best is a connection with the endpoint that the other end is: the two may
// have met on another way. Next is the entry of this peering with the link's address, and where the peering has no other link of this
// pod, any entry of it.
func (j *judge) fromEntry(s sight, peering string, l topology.Link, other string, alone bool) *statusapi.Peer {
	if s.kind != fresh {
		return nil
	}
	said := j.peersOf(l.From, s)
	if e := said.peered[other]; e != nil && other != "" {
		return e
	}
	if e := said.named[[2]string{peering, l.Address}]; e != nil || !alone {
		return e
	}
	return said.any[peering]
}

// viewOf is what an end says with the entry that it has for the link.
func viewOf(s sight, entry *statusapi.Peer) view {
	switch s.kind {
	case absent:
		return goneView
	case awaited:
		return awaitedView
	case old:
		return oldView
	}
	if entry != nil && entry.State == statusapi.PeerPeered {
		return connectedView
	}
	return unrelatedView
}

// toEntry finds what the other end says: a connection with the endpoint that connects. While that one is silent its name is
// as good as its ID, which may have changed, unless it shares the name with other pods.
func (j *judge) toEntry(s sight, l topology.Link, from sight) *statusapi.Peer {
	if s.kind != fresh {
		return nil
	}
	said := j.peersOf(l.To, s)
	if e := said.peered[from.endpointID()]; e != nil && from.endpointID() != "" {
		return e
	}
	if from.kind == fresh || j.pods[l.FromNode] > 1 {
		return nil
	}
	return said.uris[meshtls.NodeURI(j.namespace(), l.FromNode)]
}

// recognizable says whether the other end's entries can be told to be of this link: by the endpoint's ID, or its name.
func (j *judge) recognizable(l topology.Link, from sight) bool {
	return from.kind == absent || from.endpointID() != "" || l.TLS == nodeconfig.TLSMesh && j.pods[l.FromNode] <= 1
}

func (j *judge) namespace() string {
	if j.in.Namespace == "" {
		return "default"
	}
	return j.in.Namespace
}

// ruleLink weighs what the ends say. Who says no is right: it takes two for a connection.
func (j *judge) ruleLink(peering string, v linkView, from, to sight) ruling {
	l := v.link
	switch {
	case v.from == goneView:
		return no(v1alpha1.ReasonConnecting, l.From+" doesn't run")
	case v.to == goneView:
		return no(v1alpha1.ReasonConnecting, l.To+" doesn't run")
	case v.from == connectedView && v.to == connectedView:
		return yes(v1alpha1.ReasonBothEndsAgree, "")
	case v.from == connectedView && v.to == outsideView:
		return yes(v1alpha1.ReasonOneSided, "")
	case from.kind == fresh && to.kind == fresh && v.to != oldView && v.from != v.to:
		return j.contradiction(peering, v, from, to)
	case v.from == unrelatedView:
		return classified(v)
	case v.to == unrelatedView:
		return no(v1alpha1.ReasonConnecting, l.To+" doesn't report a connection of "+l.From)
	case v.from == awaitedView:
		return keeping(unknown(v1alpha1.ReasonConnecting, l.From+" has not answered yet"))
	case v.to == awaitedView:
		return keeping(unknown(v1alpha1.ReasonConnecting, l.To+" has not answered yet"))
	case v.from == oldView:
		return unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(l.From))
	}
	return unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(l.To))
}

// contradiction waits until both ends have answered once more after it was first seen.
func (j *judge) contradiction(peering string, v linkView, from, to sight) ruling {
	key := peering + " " + v.link.From + " " + v.link.Target()
	m, known := j.in.Previous.Memo.mismatches[key]
	if !known || m.from != v.from || m.to != v.to {
		m = mismatch{from: v.from, to: v.to, seen: j.in.Now}
	}
	j.out.Memo.mismatches[key] = m
	again := false
	for pod, s := range map[string]sight{v.link.From: from, v.link.To: to} {
		if !s.received.After(m.seen) {
			j.askAgain[pod] = true
			again = true
		}
	}
	if again {
		return keeping(no(v1alpha1.ReasonConnecting, fmt.Sprintf("%s and %s are being connected", v.link.From, v.link.To)))
	}
	return no(v1alpha1.ReasonEndsDisagree, disagreement(v))
}

func disagreement(v linkView) string {
	switch {
	case v.from == elsewhereView:
		return v.link.From + " is connected to another endpoint than " + v.link.To
	case v.from == connectedView:
		return fmt.Sprintf("%s reports %s, which doesn't report it", v.link.From, v.link.To)
	}
	return fmt.Sprintf("%s reports %s, which doesn't report it", v.link.To, v.link.From)
}

// classified says why the connecting end isn't connected, by the class of its last error.
func classified(v linkView) ruling {
	target := v.link.Target()
	switch errorClass(v.fromEntry) {
	case "Refused":
		return no(v1alpha1.ReasonRefused, fmt.Sprintf("%s refuses connections of %s", target, v.link.From))
	case "TLSFailed":
		return no(v1alpha1.ReasonTLSFailed, fmt.Sprintf("the TLS handshake of %s with %s fails", v.link.From, target))
	case "Incompatible":
		return no(v1alpha1.ReasonIncompatible, fmt.Sprintf("%s and %s don't speak the same protocol", v.link.From, target))
	}
	return no(v1alpha1.ReasonConnecting, fmt.Sprintf("%s isn't connected to %s", v.link.From, target))
}

var errorClasses = []string{"Refused", "Unreachable", "TLSFailed", "Incompatible", "Timeout", "Redundant", "Overflow", "Lost"}

// errorClass is the class of an entry's last error, if it is one of the list: what else a node sends is not shown.
func errorClass(p *statusapi.Peer) string {
	if p == nil || !slices.Contains(errorClasses, p.Error) {
		return ""
	}
	return p.Error
}
