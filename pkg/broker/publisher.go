// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// Full says what a publisher does while one of the endpoint's own queues for the topic is full: that towards a peer, or that of a local
// consumer with OverflowWait. A subscriber elsewhere in the mesh that has asked for flow control (see QueueLimit.FlowControl) counts like
// such a queue while it has no room; how fast others handle what they have got plays no part.
type Full uint8

// What a publisher does.
const (
	// FullWait waits until there is room or the context ends. In a callback (see Subscriber.Handle) it fails with ErrWouldBlock instead.
	FullWait Full = iota
	// FullFail fails with ErrFull, and nobody gets the message.
	FullFail
	// FullDrop skips those whose queue is full, and counts that in Dropped; nothing else is dropped in favour of the message. For
	// subscribers under flow control that have no room it is counted and sent all the same, since others may have: they lose what
	// their own limit says.
	FullDrop
)

// PublisherOptions of a Publisher.
type PublisherOptions struct {
	Full Full
}

// Publisher publishes to one topic with flow control. It needs no Close. Its methods may be called from any goroutine; messages of one
// goroutine stay in order.
type Publisher struct {
	e     *Endpoint
	topic string
	how   sending
}

// NewPublisher makes a publisher. Whether the topic is allowed shows when something is published.
func (e *Endpoint) NewPublisher(name string, o PublisherOptions) *Publisher {
	return &Publisher{e: e, topic: name, how: sending{asked: true, policy: o.Full}}
}

// Publish sends a value to every peer that wants the topic and to the endpoint's own Hubs. A queue that is full is treated as the
// publisher's options say; peers whose connection ends meanwhile are skipped. If the context ends while waiting, some may have got the
// message.
func (p *Publisher) Publish(ctx context.Context, v data.Value) error {
	return p.e.publish(ctx, &p.how, p.topic, v)
}

// PublishBatch publishes values in order. It stops at the first that fails; the error says which, and those before it have been
// published.
func (p *Publisher) PublishBatch(ctx context.Context, vs []data.Value) error {
	for i := range vs {
		if err := p.Publish(ctx, vs[i]); err != nil {
			return batchError(i, len(vs), err)
		}
	}
	return nil
}

// Capacity is how many messages may wait for each peer (Options.PeerQueue); bytes are limited too.
func (p *Publisher) Capacity() int { return p.e.opt.PeerQueue.Messages }

// Buffered is how many messages wait for the slowest of the peers that want the topic now. They may come from anybody, not from this
// publisher alone. What has been handed to the operating system does not count.
func (p *Publisher) Buffered() int {
	o, err := p.e.routes.Load().own(p.topic)
	if err != nil {
		return 0
	}
	most := 0
	for _, to := range [][]*peer{o.peers, o.stamped} {
		for _, peer := range to {
			most = max(most, peer.Queue.Stats().Messages)
		}
	}
	return most
}

// Dropped counts what FullDrop has skipped: one for each message and each peer, or local consumer, that missed it.
func (p *Publisher) Dropped() uint64 { return p.how.dropped.Load() }

// sending is how somebody publishes.
type sending struct {
	asked   bool // full queues are the publisher's business; else each has a policy of its own
	policy  Full
	from    *Subscriber // the hub that publishes, which does not get the message itself
	dropped atomic.Uint64
}

// unasked leaves full queues to their own policies.
var unasked sending

// local are the consumers of this endpoint that see the message; the publishing hub may be among them.
func (h *sending) local(o *ownRoute) []*Subscriber {
	if h.from != nil {
		return o.subs
	}
	return o.hubs
}

// admit refuses a message, before anybody has got it, if a queue is full and the publisher can't wait for room. With sure there is room
// everywhere, and should it be gone in the next moment, the message has to go out all the same: to everybody or to nobody.
func (h *sending) admit(ctx context.Context, e *Endpoint, to *route, local []*Subscriber, size int) (sure bool, err error) {
	var refusal error
	switch {
	case !h.asked || h.policy == FullDrop:
		return false, nil
	case h.policy == FullFail:
		refusal = ErrFull
	case inCallback(ctx, e):
		refusal = ErrWouldBlock
	default:
		return false, ctx.Err()
	}
	for _, peers := range [][]*peer{to.peers, to.stamped} {
		for _, p := range peers {
			if p.Queue.Room(size) != nil {
				return false, refusal
			}
		}
	}
	for _, s := range local {
		if s != h.from && s.mustWait(size) {
			return false, refusal
		}
	}
	return true, nil
}

// admission is how a frame is to be queued for so many peers in one go.
func (h *sending) admission(sure bool, peers int) peering.Admission {
	switch {
	case !h.asked:
		return peering.ByPolicy
	case h.policy == FullDrop:
		return peering.OrDrop
	case sure || peers > 1:
		return peering.Always
	}
	return peering.OrFull
}

// room waits until the peer's queue has room for a frame or takes no more.
func (p *peer) room(ctx context.Context, size int) error {
	ch := p.Queue.Room(size)
	if ch == nil {
		return nil
	}
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deliver hands a message to local consumers.
func (h *sending) deliver(ctx context.Context, e *Endpoint, local []*Subscriber, name string, v data.Value) error {
	if len(local) == 0 {
		return nil
	}
	m := []Message{{Topic: name, Value: v, From: e.opt.ID, Origin: e.opt.ID}}
	waits := h.asked && h.policy == FullWait && !inCallback(ctx, e)
	stop := (<-chan struct{})(noWaiting)
	if waits {
		stop = ctx.Done()
	}
	for _, s := range local {
		if s == h.from {
			continue
		}
		n := s.push(m, stop)
		if n == 0 {
			continue
		}
		e.counters.drop(DropSubscriber, uint64(n))
		if h.asked && s.limit.Overflow == OverflowWait {
			if waits && ctx.Err() != nil {
				return ctx.Err()
			}
			h.dropped.Add(uint64(n))
		}
	}
	return nil
}

// mustWait tells whether a message of so many bytes would have to wait for this subscriber.
func (s *Subscriber) mustWait(size int) bool {
	if s.limit.Overflow != OverflowWait {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.mu.closed && s.fullLocked(size)
}
