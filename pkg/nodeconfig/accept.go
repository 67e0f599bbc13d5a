// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Accept is a peering that the other end begins. An incoming peer belongs to it if its certificate names Node; if it names no node of the
// mesh, if it has the Subject; if there is neither, or no certificate at all, if it comes from Source. The first of several that fit
// counts.
type Accept struct {
	// Name of the Peering; shown in the status.
	Name string `json:"name"`
	// Node is the BrokerNode that connects.
	Node string `json:"node,omitempty"`
	// Subject of the certificate that the other end shows, such as CN=zeek,O=Example.
	Subject string `json:"subject,omitempty"`
	// Source is the host from which the other end connects: an IP address, or a name that is resolved.
	Source string `json:"source,omitempty"`
	// Queues of the connections, instead of the node's own.
	Queues PeerQueues `json:"queues,omitzero"`
}

// PeerQueues bound what waits for the peers of one peering. Zero fields mean those of Config.Queues.
type PeerQueues struct {
	PeerMessages int    `json:"peerMessages,omitempty"`
	PeerBytes    int64  `json:"peerBytes,omitempty"`
	PeerOverflow string `json:"peerOverflow,omitempty"`
}

// For is the queue with what it leaves out taken from that of its node.
func (q PeerQueues) For(node Queues) PeerQueues {
	node = node.WithDefaults()
	return PeerQueues{
		PeerMessages: cmp.Or(q.PeerMessages, node.PeerMessages), PeerBytes: cmp.Or(q.PeerBytes, node.PeerBytes),
		PeerOverflow: cmp.Or(q.PeerOverflow, node.PeerOverflow),
	}
}

// sortedAccepts is a copy in canonical order.
func sortedAccepts(list []Accept) []Accept {
	return slices.SortedStableFunc(slices.Values(list), func(a, b Accept) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Source, b.Source))
	})
}

// hasSeveralOutside tells whether a peering leads to several endpoints outside.
func (c Config) hasSeveralOutside() bool {
	seen := make(map[string]bool)
	return slices.ContainsFunc(c.Peers, func(p Peer) bool {
		again := p.Pod == "" && seen[p.Name]
		seen[p.Name] = seen[p.Name] || p.Pod == ""
		return again
	})
}

// hasPeerQueues tells whether a peering has queues of its own.
func (c Config) hasPeerQueues() bool {
	return slices.ContainsFunc(c.Peers, func(p Peer) bool { return p.Queues != PeerQueues{} }) ||
		slices.ContainsFunc(c.Accept, func(a Accept) bool { return a.Queues != PeerQueues{} })
}

func (v *validation) accepts(list []Accept) {
	if !v.atMost("accept", len(list), MaxPeers) {
		return
	}
	known := make(map[[2]string]bool, len(list))
	for i, a := range list {
		at := fmt.Sprintf("accept[%d].", i)
		v.match(at+"name", a.Name, objectPattern, 253)
		if a.Node == "" && a.Subject == "" && a.Source == "" {
			v.found = append(v.found, Problem{strings.TrimSuffix(at, "."), "neither node nor subject nor source", "at least one of them"})
		}
		if a.Node != "" {
			v.match(at+"node", a.Node, nodePattern, MaxNodeName)
		}
		if a.Subject != "" {
			v.text(at+"subject", a.Subject, 1, MaxText)
		}
		if a.Source != "" && !validHost(a.Source) {
			v.add(at+"source", a.Source, "an IP address or a host name")
		}
		v.peerQueues(at+"queues.", a.Queues)
		key := [2]string{a.Name, a.Node}
		if known[key] {
			v.add(at+"name", a.Name, "each peering once for a node")
		}
		known[key] = true
	}
}

func (v *validation) peerQueues(at string, q PeerQueues) {
	v.between(at+"peerMessages", int64(q.PeerMessages), 1, MaxQueueMessages)
	v.between(at+"peerBytes", q.PeerBytes, leastQueueBytes, MaxQueueBytes)
	v.oneOf(at+"peerOverflow", q.PeerOverflow, "", OverflowDisconnect, OverflowDropOldest, OverflowDropNewest)
}

// validHost reports whether the text is an IP address or looks like a host name.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return len(host) <= 255 && hostPattern.MatchString(host)
}
