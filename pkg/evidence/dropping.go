// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// drop is an end of a link that dropped messages.
type drop struct {
	seen   time.Time // when the evidence was received
	policy string
}

var dropPolicies = []string{"Disconnect", "DropNewest", "DropOldest"}

// dropping says which ends drop, and by which policy.
func (j *judge) dropping(plan topology.PeeringPlan, views []linkView) ruling {
	if plan.Fault != nil {
		return no(v1alpha1.ReasonNotCompiled, "the peering is left out")
	}
	var sides, lost, waits []string
	for _, v := range views {
		for _, e := range []struct {
			pod, other string
			entry      *statusapi.Peer
		}{{v.link.From, v.link.Target(), v.fromEntry}, {v.link.To, v.link.Source(), v.toEntry}} {
			if e.pod == "" {
				continue
			}
			if policy, ok := j.drops(plan.Name+" "+e.pod+" "+e.other, e.pod, e.entry); ok {
				sides = append(sides, fmt.Sprintf("%s to %s (%s)", e.pod, e.other, policy))
			}
			switch j.sights[e.pod].kind {
			case old:
				lost = append(lost, e.pod)
			case awaited:
				waits = append(waits, e.pod)
			}
		}
	}
	switch {
	case len(sides) > 0:
		return yes(v1alpha1.ReasonQueueOverflow, "messages were dropped: "+names(sides))
	case len(lost) > 0:
		return unknown(v1alpha1.ReasonEvidenceTooOld, nothingHeard(names(lost)))
	case len(waits) > 0:
		return keeping(unknown(v1alpha1.ReasonEvidenceTooOld, names(waits)+" has not answered yet"))
	}
	return no(v1alpha1.ReasonNothingDropped, fmt.Sprintf("no message was dropped in the last %d minutes", int(DropMemory.Minutes())))
}

// drops judges one end, and remembers it for as long as a drop is news: what dropped may be gone with its connection.
func (j *judge) drops(key, pod string, entry *statusapi.Peer) (policy string, news bool) {
	d, known := j.in.Previous.Memo.drops[key]
	switch {
	case entry == nil:
	case entry.Dropping:
		d, known = drop{seen: j.sights[pod].received, policy: entry.DropPolicy}, true
		if !slices.Contains(dropPolicies, d.policy) {
			d.policy = "Disconnect"
		}
	case entry.Dialed || entry.URI != "":
		known = false // the node knows this peer over connections, and says that five minutes are over
	}
	if !known || j.in.Now.Sub(d.seen) >= DropMemory {
		return "", false
	}
	j.out.Memo.drops[key] = d
	j.checkAt(d.seen.Add(DropMemory))
	return d.policy, true
}
