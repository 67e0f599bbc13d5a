// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Hub publishes and subscribes as one. It differs from a Subscriber with a Publisher in what is seen inside of the endpoint: what the
// endpoint and other hubs publish reaches a hub, what a hub publishes reaches Subscribers and other hubs, and never the hub itself.
// Everybody gets each message once. All methods of Subscriber are there for receiving; Close ends publishing too.
type Hub struct {
	*Subscriber
	how sending
}

// NewHub makes a hub that receives the topics that begin with one of the prefixes. A zero limit means that of
// Options.SubscriberQueue.
func (e *Endpoint) NewHub(prefixes []string, limit QueueLimit) (*Hub, error) {
	s, err := e.subscribe(prefixes, limit, true, false)
	if err != nil {
		return nil, err
	}
	return &Hub{Subscriber: s, how: sending{asked: true, from: s}}, nil
}

// SetFull chooses what Publish does while a queue is full, at first FullWait. It must not be called while the hub publishes.
func (h *Hub) SetFull(f Full) { h.how.policy = f }

// Publish sends a value to every peer that wants the topic, and to all local consumers but this hub. A queue that is full is treated as
// by a Publisher. Messages of one goroutine stay in order.
func (h *Hub) Publish(ctx context.Context, name string, v data.Value) error {
	select {
	case <-h.end:
		return ErrClosed
	default:
	}
	return h.e.publish(ctx, &h.how, name, v)
}

// DroppedOut counts what FullDrop has skipped, as Publisher.Dropped does.
func (h *Hub) DroppedOut() uint64 { return h.how.dropped.Load() }
