// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// peerings plans every Peering; the older of two that claim the same comes first.
func (c *compiler) peerings(list []v1alpha1.Peering) {
	claims := claims{pods: make(map[[2]int]claim), outside: make(map[string]claim)}
	for i, p := range byClaim(list, func(p *v1alpha1.Peering) *metav1.ObjectMeta { return &p.ObjectMeta }) {
		plan := PeeringPlan{Name: p.Name, From: fromText(p), To: toText(p)}
		plan.Links, plan.Fault = c.peering(p, i, claims)
		c.out.Peerings = append(c.out.Peerings, plan)
	}
}

func fromText(p *v1alpha1.Peering) string {
	if s := p.Spec.From.Selector; s != nil {
		return describe(s)
	}
	return p.Spec.From.Node
}

func toText(p *v1alpha1.Peering) string {
	to := p.Spec.To
	switch {
	case to.Selector == nil:
		return cmp.Or(to.Node, to.Address)
	case to.Count > 0:
		return fmt.Sprintf("%d of %s", to.Count, describe(to.Selector))
	}
	return describe(to.Selector)
}

// pair is what one link joins: members of the mesh, or a member and what is at an address.
type pair struct{ from, to int }

// outside is the place of a member that isn't ours.
const outside = -1

// claims remember which Peering joins what. What a peering claims is its own, even if it is at fault: a younger one doesn't take its place.
type claims struct {
	pods    map[[2]int]claim // the lower member first
	outside map[string]claim // pod and address
}

// claim is the peering that has it, by its turn, and the place of the pair in its list.
type claim struct {
	turn, place int
	peering     string
}

// peering plans the links of a peering; what it finds at fault it answers first.
func (c *compiler) peering(p *v1alpha1.Peering, turn int, claims claims) ([]Link, *Finding) {
	from, fault := c.selection(KindPeering, p.Name, "spec.from", p.Spec.From.Node, p.Spec.From.Selector)
	toField := "spec.to.address"
	var to []string
	if p.Spec.To.Address == "" {
		toField = "spec.to.node"
		if p.Spec.To.Selector != nil {
			toField = "spec.to.selector"
		}
		var missing *Finding
		to, missing = c.selection(KindPeering, p.Name, "spec.to", p.Spec.To.Node, p.Spec.To.Selector)
		fault = cmp.Or(fault, missing)
	}
	if fault != nil {
		return nil, fault
	}
	f := Finding{Kind: KindPeering, Name: p.Name, Field: toField, Reason: v1alpha1.ReasonDuplicate}
	pairs, fault := c.pairs(p, f, c.membersOf(from), c.membersOf(to))
	if fault == nil {
		pairs, fault = c.inside(p, f, pairs)
	}
	if fault != nil || len(pairs) == 0 {
		return nil, fault
	}
	mine, fault := c.claim(p, f, turn, pairs, claims)
	if fault != nil {
		return nil, fault
	}
	return c.link(p, mine, f)
}

// pairs are the members that a peering means to join: nobody with itself.
func (c *compiler) pairs(p *v1alpha1.Peering, f Finding, from, to []int) ([]pair, *Finding) {
	if p.Spec.To.Address != "" {
		behind := outside
		if at, ours := c.podAt[normalize(p.Spec.To.Address)]; ours {
			behind = at
		}
		var pairs []pair
		for _, m := range from {
			if m != behind {
				pairs = append(pairs, pair{m, behind})
			}
		}
		if len(pairs) == 0 && len(from) > 0 {
			f.Message = fmt.Sprintf("both ends are BrokerNode %q, allowed: two different ends", c.members[behind].node.Name)
			return nil, c.find(f)
		}
		return pairs, nil
	}
	var pairs []pair
	for _, m := range from {
		chosen := to
		if n := int(p.Spec.To.Count); n > 0 && p.Spec.To.Selector != nil {
			chosen = c.heaviest(m, to, n)
		}
		for _, other := range chosen {
			if m != other {
				pairs = append(pairs, pair{m, other})
			}
		}
	}
	if len(pairs) == 0 && len(from) == 1 && p.Spec.From.Node != "" && p.Spec.From.Node == p.Spec.To.Node && c.isOutside(from[0]) {
		return []pair{{from[0], from[0]}}, nil
	}
	if len(pairs) == 0 && len(from) == 1 && p.Spec.From.Node != "" && p.Spec.From.Node == p.Spec.To.Node {
		f.Severity, f.Reason = Warning, v1alpha1.ReasonNoLinks
		f.Message = fmt.Sprintf("BrokerNode %q has one pod, which isn't joined with itself", p.Spec.To.Node)
		c.find(f)
	}
	return pairs, nil
}

// claim gives the pairs that no older peering has.
func (c *compiler) claim(p *v1alpha1.Peering, f Finding, turn int, pairs []pair, claims claims) ([]pair, *Finding) {
	var mine []pair
	var first pair // that another peering has
	var older string
	taken := make(map[pair]bool) // each pair once, whichever way it is meant
	for _, at := range pairs {
		now := claim{turn, len(mine), p.Name}
		was, known := claims.take(c, p, at, now)
		switch {
		case !known:
			mine = append(mine, at)
		case was.turn == turn:
			mine[was.place] = c.bothWays(at)
		default:
			if len(taken) == 0 {
				first, older = at, was.peering
			}
			taken[pair{min(at.from, at.to), max(at.from, at.to)}] = true
		}
	}
	if len(taken) == 0 {
		return mine, nil
	}
	other := fmt.Sprintf("%q", p.Spec.To.Address)
	if first.to != outside {
		other = fmt.Sprintf("BrokerNode %q", c.members[first.to].node.Name)
	}
	f.Message = fmt.Sprintf("Peering %q joins BrokerNode %q and %s already", older, c.members[first.from].node.Name, other)
	if len(mine) == 0 {
		return nil, c.find(f)
	}
	f.Severity, f.Reason = Info, CodeOverlap
	f.Message += fmt.Sprintf("; %d of %d pairs are left out here", len(taken), len(taken)+len(mine))
	c.find(f)
	return mine, nil
}

// take notes who has a pair, and answers who had it before.
func (l claims) take(c *compiler, p *v1alpha1.Peering, at pair, now claim) (was claim, known bool) {
	if at.to == outside {
		key := c.members[at.from].pod + " " + normalize(p.Spec.To.Address)
		if was, known = l.outside[key]; !known {
			l.outside[key] = now
		}
		return was, known
	}
	key := [2]int{min(at.from, at.to), max(at.from, at.to)}
	if was, known = l.pods[key]; !known {
		l.pods[key] = now
	}
	return was, known
}

// link plans the links of pairs, and puts them into the configs of the side that connects. A link whose ends don't agree on TLS is not
// made; if that are all, the peering is at fault.
func (c *compiler) link(p *v1alpha1.Peering, pairs []pair, f Finding) ([]Link, *Finding) {
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	faults := make(map[[2]*v1alpha1.BrokerNode]*Finding)
	links := make([]Link, 0, len(pairs))
	bad := 0
	for _, at := range pairs {
		l := c.plannedLink(p, at)
		if l.Fault = cmp.Or(c.noAddress(f, at, faults), c.addressTaken(f, at), c.tlsMismatch(p, f, at, faults)); l.Fault != nil {
			bad++
		}
		links = append(links, l)
	}
	if bad == len(links) {
		return nil, links[0].Fault
	}
	for i, at := range pairs {
		l := &links[i]
		if l.Fault != nil {
			continue
		}
		if !c.isOutside(at.from) && !c.isOutside(at.to) {
			c.join(at.from, at.to, p.Name)
		}
		c.connect(p, at, l)
	}
	return links, nil
}

// plannedLink is a link as it would be.
func (c *compiler) plannedLink(p *v1alpha1.Peering, at pair) Link {
	from := &c.members[at.from]
	l := Link{FromNode: from.node.Name, From: from.pod, Address: p.Spec.To.Address, TLS: string(dialMode(p, from.node))}
	if c.opt.Plain {
		l.TLS = nodeconfig.TLSDisabled
	}
	switch {
	case c.isOutside(at.from) || c.isOutside(at.to):
		c.outsideLink(&l, at)
	case l.Address != "":
		l.Behind, l.BehindPod = c.members[at.to].node.Name, c.members[at.to].pod
	default:
		to := &c.members[at.to]
		l.ToNode, l.To, l.Address = to.node.Name, to.pod, to.address
	}
	return l
}

// tlsMismatch looks at what the specs say; an end outside has none. Two nodes are found to differ once.
func (c *compiler) tlsMismatch(p *v1alpha1.Peering, f Finding, at pair, known map[[2]*v1alpha1.BrokerNode]*Finding) *Finding {
	if c.isOutside(at.to) || c.isOutside(at.from) && (p.Spec.TLS == nil || p.Spec.TLS.Mode == "") {
		return nil
	}
	from, to := c.members[at.from].node, c.members[at.to].node
	dials, listens := dialMode(p, from), tlsMode(to)
	if dials == listens {
		return nil
	}
	key := [2]*v1alpha1.BrokerNode{from, to}
	if known[key] != nil {
		return known[key]
	}
	f.Reason = v1alpha1.ReasonTLSMismatch
	f.Message = fmt.Sprintf("BrokerNode %q has tls.mode %s, BrokerNode %q has %s, allowed: the same on both ends, or spec.tls.mode %s here",
		from.Name, dials, to.Name, listens, listens)
	if p.Spec.TLS != nil && p.Spec.TLS.Mode != "" {
		f.Field = "spec.tls.mode"
		f.Message = fmt.Sprintf("%q, but BrokerNode %q listens with tls.mode %s, allowed: %s", dials, to.Name, listens, listens)
	}
	known[key] = c.find(f)
	return known[key]
}

// dialMode is how the side that connects dials.
func dialMode(p *v1alpha1.Peering, from *v1alpha1.BrokerNode) v1alpha1.TLSMode {
	if p.Spec.TLS == nil {
		return tlsMode(from)
	}
	return cmp.Or(p.Spec.TLS.Mode, tlsMode(from))
}

// normalize gives addresses that mean the same the same text, as far as the text alone tells.
func normalize(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.ToLower(host), "."), port)
}
