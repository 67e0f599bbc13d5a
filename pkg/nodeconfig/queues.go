// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import "reflect"

// Limits of what a document says of queues.
const (
	MaxQueueMessages = 100_000_000
	MaxQueueBytes    = 1 << 40
	leastQueueBytes  = 64 << 10
)

// Values of Queues.FlowControl.
const (
	FlowControlHonor  = "Honor"
	FlowControlIgnore = "Ignore"
)

// Queues bounds what waits in a node for those who are slow. Zero fields mean the defaults.
type Queues struct {
	// PeerMessages and PeerBytes are how much may wait for each peer: 8192 messages and 32 MiB.
	PeerMessages int   `json:"peerMessages,omitempty"`
	PeerBytes    int64 `json:"peerBytes,omitempty"`
	// PeerOverflow is what happens when more would: "Disconnect" (default), "DropOldest" or "DropNewest".
	PeerOverflow string `json:"peerOverflow,omitempty"`
	// SubscriberMessages and SubscriberBytes are how much may wait for each subscriber in the node's own process: 65536 messages and
	// 32 MiB. WebSocket clients have a limit of their own.
	SubscriberMessages int   `json:"subscriberMessages,omitempty"`
	SubscriberBytes    int64 `json:"subscriberBytes,omitempty"`
	// MemoryLimitBytes is how much all queues may hold together: 256 MiB.
	MemoryLimitBytes int64 `json:"memoryLimitBytes,omitempty"`
	// FlowControl is "Honor" (default) or "Ignore": then what the node publishes for its clients doesn't wait for subscribers elsewhere.
	FlowControl string `json:"flowControl,omitempty"`
}

// The defaults of Queues.
const (
	DefaultPeerMessages       = 8192
	DefaultSubscriberMessages = 65536
	DefaultQueueBytes         = 32 << 20
	DefaultMemoryLimitBytes   = 256 << 20
)

// WithDefaults is a copy with the defaults written out; a nil Queues has all of them.
func (q *Queues) WithDefaults() Queues {
	var c Queues
	if q != nil {
		c = *q
	}
	setDefault(&c.PeerMessages, DefaultPeerMessages)
	setDefault(&c.PeerBytes, DefaultQueueBytes)
	setDefault(&c.PeerOverflow, OverflowDisconnect)
	setDefault(&c.SubscriberMessages, DefaultSubscriberMessages)
	setDefault(&c.SubscriberBytes, DefaultQueueBytes)
	setDefault(&c.MemoryLimitBytes, DefaultMemoryLimitBytes)
	setDefault(&c.FlowControl, FlowControlHonor)
	return c
}

// Canonical is a copy without what is at its default; nil if nothing is left.
func (q *Queues) Canonical() *Queues {
	if q == nil {
		return nil
	}
	c := *q
	dropDefault(&c.PeerMessages, DefaultPeerMessages)
	dropDefault(&c.PeerBytes, DefaultQueueBytes)
	dropDefault(&c.PeerOverflow, OverflowDisconnect)
	dropDefault(&c.SubscriberMessages, DefaultSubscriberMessages)
	dropDefault(&c.SubscriberBytes, DefaultQueueBytes)
	dropDefault(&c.MemoryLimitBytes, DefaultMemoryLimitBytes)
	dropDefault(&c.FlowControl, FlowControlHonor)
	if reflect.ValueOf(c).IsZero() {
		return nil
	}
	return &c
}

func (v *validation) queues(q *Queues) {
	if q == nil {
		return
	}
	v.between("queues.peerMessages", int64(q.PeerMessages), 1, MaxQueueMessages)
	v.between("queues.peerBytes", q.PeerBytes, leastQueueBytes, MaxQueueBytes)
	v.oneOf("queues.peerOverflow", q.PeerOverflow, "", OverflowDisconnect, OverflowDropOldest, OverflowDropNewest)
	v.between("queues.subscriberMessages", int64(q.SubscriberMessages), 1, MaxQueueMessages)
	v.between("queues.subscriberBytes", q.SubscriberBytes, leastQueueBytes, MaxQueueBytes)
	v.between("queues.memoryLimitBytes", q.MemoryLimitBytes, leastQueueBytes, MaxQueueBytes)
	v.oneOf("queues.flowControl", q.FlowControl, "", FlowControlHonor, FlowControlIgnore)
}
