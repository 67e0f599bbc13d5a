// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"net"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// External tells whether a node runs elsewhere and has no pods. It is one member of the mesh, without a config.
func External(n *v1alpha1.BrokerNode) bool { return n != nil && n.Spec.External != nil }

// addOutsider makes a member of a node that runs elsewhere.
func (c *compiler) addOutsider(n *v1alpha1.BrokerNode) {
	m := member{node: n, pod: n.Name, address: n.Spec.External.Address, weight: weightOf(n.Name)}
	c.outsiders[n.Name] = len(c.members)
	c.members = append(c.members, m)
}

// settleAddresses gives each address of a node that runs elsewhere to one member. It is a pod of the mesh, if it has that address, else the
// oldest that claims it: two names for one endpoint would be two connections to it, of which it takes one.
func (c *compiler) settleAddresses(nodes []v1alpha1.BrokerNode) {
	for _, n := range byClaim(nodes, func(n *v1alpha1.BrokerNode) *metav1.ObjectMeta { return &n.ObjectMeta }) {
		if !External(n) || n.Spec.External.Address == "" || c.nodes[n.Name] != n {
			continue
		}
		at := normalize(n.Spec.External.Address)
		owner, taken := c.podAt[at]
		if !taken {
			c.podAt[at] = c.outsiders[n.Name]
			continue
		}
		c.shadowed[n.Name] = c.members[owner].node.Name
		c.find(Finding{Kind: KindBrokerNode, Name: n.Name, Field: "spec.external.address", Reason: v1alpha1.ReasonDuplicate,
			Message: fmt.Sprintf("%q is where BrokerNode %q is already; allowed: another address, or that node alone", n.Spec.External.Address, c.members[owner].node.Name)})
	}
}

// addressTaken is the fault of a link to a node that runs elsewhere at the address of another. The node has the finding.
func (c *compiler) addressTaken(f Finding, at pair) *Finding {
	if at.to == outside || !c.isOutside(at.to) {
		return nil
	}
	node := c.members[at.to].node
	owner := c.shadowed[node.Name]
	if owner == "" {
		return nil
	}
	f.Reason, f.Severity = v1alpha1.ReasonDuplicate, Error
	f.Message = fmt.Sprintf("BrokerNode %q has the spec.external.address of BrokerNode %q; allowed: an address of its own, or a peering with that node instead", node.Name, owner)
	return &f
}

// isOutside tells whether what a pair leads to, or comes from, runs elsewhere.
func (c *compiler) isOutside(m int) bool { return m == outside || External(c.members[m].node) }

// inside leaves out the pairs that nobody could connect. It is a fault if a peering means no others.
func (c *compiler) inside(p *v1alpha1.Peering, f Finding, pairs []pair) ([]pair, *Finding) {
	kept := pairs[:0]
	for _, at := range pairs {
		if !c.isOutside(at.from) || !c.isOutside(at.to) {
			kept = append(kept, at)
		}
	}
	if len(kept) > 0 || len(pairs) == 0 {
		return kept, nil
	}
	f.Reason = v1alpha1.ReasonBothOutside
	f.Message = fmt.Sprintf("%s runs elsewhere, and so does %s; allowed: a peering with a node that has pods", fromWords(p), toWords(p))
	return nil, c.find(f)
}

func fromWords(p *v1alpha1.Peering) string {
	if p.Spec.From.Node != "" {
		return fmt.Sprintf("BrokerNode %q", p.Spec.From.Node)
	}
	return fmt.Sprintf("what has the labels %s", fromText(p))
}

func toWords(p *v1alpha1.Peering) string {
	switch {
	case p.Spec.To.Node != "":
		return fmt.Sprintf("BrokerNode %q", p.Spec.To.Node)
	case p.Spec.To.Address != "":
		return fmt.Sprintf("%q", p.Spec.To.Address)
	}
	return fmt.Sprintf("what has the labels %s", toText(p))
}

// bothWays says who connects where a peering means a pair both ways. It is the later member: then one that is added at the end of a node
// changes nothing for those before it. What runs elsewhere connects if it can't be connected to.
func (c *compiler) bothWays(at pair) pair {
	e, m := at.from, at.to
	if !c.isOutside(e) {
		e, m = m, e
	}
	switch {
	case !c.isOutside(e):
		return pair{max(e, m), min(e, m)}
	case c.members[e].address == "":
		return pair{e, m}
	}
	return pair{m, e}
}

// noAddress is the fault of a link to a node that runs elsewhere at nobody knows what address.
func (c *compiler) noAddress(f Finding, at pair, known map[[2]*v1alpha1.BrokerNode]*Finding) *Finding {
	if at.to == outside || !c.isOutside(at.to) || c.members[at.to].address != "" {
		return nil
	}
	key := [2]*v1alpha1.BrokerNode{1: c.members[at.to].node}
	if known[key] == nil {
		f.Reason = v1alpha1.ReasonNoAddress
		f.Message = fmt.Sprintf("BrokerNode %q has no spec.external.address to connect to; allowed: to give it one, or a peering from it", c.members[at.to].node.Name)
		known[key] = c.find(f)
	}
	return known[key]
}

// outsideLink fills in the end of a link that runs elsewhere.
func (c *compiler) outsideLink(l *Link, at pair) {
	if c.isOutside(at.from) {
		to := &c.members[at.to]
		*l = Link{Outside: l.FromNode, ToNode: to.node.Name, To: to.pod, TLS: l.TLS}
		if !c.opt.Plain {
			l.TLS = string(tlsMode(to.node))
		}
	} else if at.to != outside && c.isOutside(at.to) {
		l.Outside, l.Address = c.members[at.to].node.Name, c.members[at.to].address
	}
}

// runsElsewhere says why a node can't hold a store; empty if it has pods of its own.
func (c *compiler) runsElsewhere(node string) string {
	if !External(c.nodes[node]) {
		return ""
	}
	return fmt.Sprintf("BrokerNode %q runs elsewhere, allowed: a node that has pods", node)
}

// connect puts a planned link into the configs at both its ends: who dials, and what who is dialed should know of the other.
func (c *compiler) connect(p *v1alpha1.Peering, at pair, l *Link) {
	if !c.isOutside(at.from) && l.Address != "" {
		peer := nodeconfig.Peer{Name: p.Name, Address: l.Address, Node: l.ToNode, Pod: l.To, TLS: l.TLS, Queues: peerQueues(p)}
		if p.Spec.RetryInterval != nil {
			peer.RetrySeconds = p.Spec.RetryInterval.Seconds()
		}
		config := c.members[at.from].config
		config.Peers = append(config.Peers, peer)
	}
	if c.isOutside(at.to) {
		return
	}
	accept := nodeconfig.Accept{Name: p.Name, Node: c.members[at.from].node.Name, Queues: peerQueues(p)}
	if e := c.members[at.from].node.Spec.External; e != nil {
		accept.Subject = e.CertificateSubject
		if host, _, err := net.SplitHostPort(e.Address); err == nil {
			accept.Source = host
		}
	} else if (accept.Queues == nodeconfig.PeerQueues{}) {
		return // there is nothing that the node needs to know: everybody is let in
	}
	config := c.members[at.to].config
	if n := len(config.Accept); n > 0 && config.Accept[n-1].Name == accept.Name && config.Accept[n-1].Node == accept.Node {
		return // the pods of one node have one certificate; pairs are in order, so that they follow each other
	}
	config.Accept = append(config.Accept, accept)
}

// peerQueues is what a peering says of its queues.
func peerQueues(p *v1alpha1.Peering) nodeconfig.PeerQueues {
	q := p.Spec.Queues
	if q == nil {
		return nodeconfig.PeerQueues{}
	}
	return nodeconfig.PeerQueues{PeerMessages: int(q.PeerMessages), PeerBytes: bytesOf(q.PeerSize), PeerOverflow: string(q.PeerOverflow)}
}
