// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/topology"
)

// The acts on connections.
const (
	// Opened connections are dialed for the first time.
	Opened Act = "Opened"
	// Closed connections end for good.
	Closed Act = "Closed"
	// Interrupted connections drop and come back.
	Interrupted Act = "Interrupted"
)

// LinkChange is what happens to a connection.
type LinkChange struct {
	Peering string `json:"peering"`
	// From is the pod that dials, To the pod or the address.
	From string `json:"from"`
	To   string `json:"to"`
	Act  Act    `json:"act"`
	// Why says why an Interrupted one drops, Back when it is there again.
	Why  string `json:"why,omitempty"`
	Back string `json:"back,omitempty"`
}

// linked is a connection and the peering that it belongs to.
type linked struct {
	topology.Link
	peering string
}

func (s *side) links() map[[2]string]linked {
	out := make(map[[2]string]linked)
	for _, p := range s.plan.Peerings {
		for _, l := range p.Links {
			if l.Fault != nil {
				continue
			}
			out[[2]string{l.Source(), target(l)}] = linked{l, p.Name}
		}
	}
	return out
}

// target is the pod, the external node or the address that a link leads to.
func target(l topology.Link) string {
	if l.To == "" && l.FromNode != "" && l.Outside != "" {
		return l.Outside
	}
	return l.Target()
}

// links compares all connections.
func (c *comparison) links() []LinkChange {
	before, after := c.before.links(), c.after.links()
	var out []LinkChange
	for key, was := range before {
		now, stays := after[key]
		if !stays {
			out = append(out, LinkChange{Peering: was.peering, From: was.Source(), To: target(was.Link), Act: Closed})
		} else if change := c.link(was, now); change != nil {
			out = append(out, *change)
		}
	}
	for key, now := range after {
		if _, was := before[key]; !was {
			out = append(out, LinkChange{Peering: now.peering, From: now.Source(), To: target(now.Link), Act: Opened})
		}
	}
	slices.SortFunc(out, func(a, b LinkChange) int {
		return cmp.Or(cmp.Compare(a.Peering, b.Peering), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Act, b.Act))
	})
	return out
}

// link says how a connection that stays is disturbed; nil if it isn't.
func (c *comparison) link(was, now linked) *LinkChange {
	change := &LinkChange{Peering: now.peering, From: now.Source(), To: target(now.Link), Act: Interrupted}
	retry := 10.0
	if p := c.after.peering[now.peering]; p != nil && p.Spec.RetryInterval != nil {
		retry = p.Spec.RetryInterval.Seconds()
	}
	to := cmp.Or(now.ToNode, now.Behind)
	from, other := c.act(now.FromNode), c.act(to)
	dialed := fmt.Sprintf("at most %gs after that", retry)
	if now.FromNode == "" {
		dialed = "and " + now.Source() + " dials again"
	}
	switch {
	case from == Restarted && other == Restarted:
		change.Why = fmt.Sprintf("%s restarts, and so does %s, one after the other", now.From, cmp.Or(now.To, to))
		change.Back = "each time when the pod is ready again, " + dialed
	case from == Restarted:
		change.Why, change.Back = now.From+" restarts", "when the pod is ready again, and dials at once"
	case other == Restarted:
		change.Why, change.Back = cmp.Or(now.To, to)+" restarts", "when the pod is ready again, "+dialed
	case from == Reconnected || other == Reconnected:
		change.Why, change.Back = "forward changes at one of its ends", fmt.Sprintf("at once, or after at most %gs", retry)
	case was.TLS != now.TLS:
		change.Why, change.Back = fmt.Sprintf("it is dialed with TLS %s instead of %s", now.TLS, was.TLS), fmt.Sprintf("at once, or after at most %gs", retry)
	default:
		return nil
	}
	return change
}
