// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// Queues is what a node is told of its queues, without what is at its default; nil if that is all. A change of it needs new pods.
func Queues(n *v1alpha1.BrokerNode) *nodeconfig.Queues {
	s := n.Spec.Queues
	if s == nil {
		return nil
	}
	q := nodeconfig.Queues{
		PeerMessages: int(s.PeerMessages), PeerBytes: bytesOf(s.PeerSize), PeerOverflow: string(s.PeerOverflow),
		SubscriberMessages: int(s.SubscriberMessages), SubscriberBytes: bytesOf(s.SubscriberSize),
		MemoryLimitBytes: bytesOf(s.MemoryLimit), FlowControl: string(s.FlowControl),
	}
	return q.Canonical()
}
