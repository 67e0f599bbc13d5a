// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// peerings plans every Peering; the older of two that claim the same comes first.
func (c *compiler) peerings(list []v1alpha1.Peering) {
	claims := make(map[string]string, len(list)) // what is joined -> the peering that joins it
	for _, p := range byClaim(list, func(p *v1alpha1.Peering) *metav1.ObjectMeta { return &p.ObjectMeta }) {
		plan := PeeringPlan{Name: p.Name, From: p.Spec.From.Node, To: cmp.Or(p.Spec.To.Node, p.Spec.To.Address)}
		plan.Fault = c.peeringFault(p, claims)
		if plan.Fault == nil {
			plan.Links = c.link(p)
		}
		c.out.Peerings = append(c.out.Peerings, plan)
	}
}

// peeringFault finds all that is wrong with a peering and returns the first. What the peering claims is its own afterwards,
// even if it is at fault: a younger one doesn't take its place.
func (c *compiler) peeringFault(p *v1alpha1.Peering, claims map[string]string) *Finding {
	from, to := p.Spec.From.Node, p.Spec.To.Node
	toField := "spec.to.node"
	fault := c.nodeMissing(KindPeering, p.Name, "spec.from.node", from)
	if p.Spec.To.Address != "" {
		toField = "spec.to.address"
		to = c.podAt[normalize(p.Spec.To.Address)]
	} else {
		fault = cmp.Or(fault, c.nodeMissing(KindPeering, p.Name, toField, to))
	}
	if fault != nil {
		return fault
	}
	f := Finding{Kind: KindPeering, Name: p.Name, Field: toField, Reason: v1alpha1.ReasonDuplicate}
	if from == to {
		f.Message = fmt.Sprintf("both ends are BrokerNode %q, allowed: two different ends", from)
		return c.find(f)
	}
	claim := from + " " + normalize(p.Spec.To.Address)
	other := fmt.Sprintf("%q", p.Spec.To.Address)
	if to != "" {
		claim = min(from, to) + " " + max(from, to)
		other = fmt.Sprintf("BrokerNode %q", to)
	}
	if older, taken := claims[claim]; taken {
		f.Message = fmt.Sprintf("Peering %q joins BrokerNode %q and %s already", older, from, other)
		return c.find(f)
	}
	claims[claim] = p.Name
	return c.tlsMismatch(p, f, to)
}

// tlsMismatch looks at what the specs say; an end outside has none.
func (c *compiler) tlsMismatch(p *v1alpha1.Peering, f Finding, to string) *Finding {
	if to == "" {
		return nil
	}
	from := c.nodes[p.Spec.From.Node]
	dials, listens := dialMode(p, from), tlsMode(c.nodes[to])
	if dials == listens {
		return nil
	}
	f.Reason = v1alpha1.ReasonTLSMismatch
	if p.Spec.TLS != nil && p.Spec.TLS.Mode != "" {
		f.Field = "spec.tls.mode"
		f.Message = fmt.Sprintf("%q, but BrokerNode %q listens with tls.mode %s, allowed: %s", dials, to, listens, listens)
		return c.find(f)
	}
	f.Message = fmt.Sprintf("BrokerNode %q has tls.mode %s, BrokerNode %q has %s, allowed: the same on both ends, or spec.tls.mode %s here",
		from.Name, dials, to, listens, listens)
	return c.find(f)
}

// dialMode is how the side that connects dials.
func dialMode(p *v1alpha1.Peering, from *v1alpha1.BrokerNode) v1alpha1.TLSMode {
	if p.Spec.TLS == nil {
		return tlsMode(from)
	}
	return cmp.Or(p.Spec.TLS.Mode, tlsMode(from))
}

// link plans the links of a sound peering and puts them into the configs of the side that connects.
func (c *compiler) link(p *v1alpha1.Peering) []Link {
	from := c.nodes[p.Spec.From.Node]
	targets := []Link{{Address: p.Spec.To.Address}}
	if to := c.nodes[p.Spec.To.Node]; to != nil {
		targets = nil
		for _, pod := range Pods(to) {
			targets = append(targets, Link{ToNode: to.Name, To: pod, Address: c.address(to, pod)})
		}
		c.join(from.Name, to.Name, p.Name)
	} else if node := c.podAt[normalize(p.Spec.To.Address)]; node != "" {
		c.join(from.Name, node, p.Name) // an address, but a node of ours behind it
		targets[0].Behind = node
	}
	var retry float64
	if p.Spec.RetryInterval != nil {
		retry = p.Spec.RetryInterval.Seconds()
	}
	mode := string(dialMode(p, from))
	if c.opt.Plain {
		mode = nodeconfig.TLSDisabled
	}
	var links []Link
	for _, pod := range Pods(from) {
		for _, l := range targets {
			l.FromNode, l.From, l.TLS = from.Name, pod, mode
			links = append(links, l)
			if l.Address != "" {
				c.configs[pod].Peers = append(c.configs[pod].Peers,
					nodeconfig.Peer{Name: p.Name, Address: l.Address, Node: l.ToNode, Pod: l.To, RetrySeconds: retry, TLS: mode})
			}
		}
	}
	return links
}

// join remembers that a peering joins two nodes.
func (c *compiler) join(a, b, peering string) {
	for _, pair := range [2][2]string{{a, b}, {b, a}} {
		if c.neighbors[pair[0]] == nil {
			c.neighbors[pair[0]] = make(map[string][]string)
		}
		c.neighbors[pair[0]][pair[1]] = append(c.neighbors[pair[0]][pair[1]], peering)
	}
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
