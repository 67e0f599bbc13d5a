// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"slices"
)

// ConsumerKind says what asks for topics.
type ConsumerKind uint8

// The kinds.
const (
	// ConsumerSubscriber is a Subscriber or Hub.
	ConsumerSubscriber ConsumerKind = iota
	// ConsumerStore is an attached store.
	ConsumerStore
	// ConsumerWants are the prefixes of SetWants, which nothing of this endpoint consumes.
	ConsumerWants
)

// String is the kind as people see it, for instance "subscriber".
func (k ConsumerKind) String() string {
	return [...]string{"subscriber", "store", "wants"}[k]
}

// Consumer is something of an endpoint that asks for topics.
type Consumer struct {
	Kind     ConsumerKind
	Prefixes []string
	// Of subscribers: what waits for being read, what was queued so far, and what was dropped because the queue was full.
	Queued            int
	Received, Dropped uint64
}

// Consumers describes what the endpoint itself asks its peers for, and why: subscribers first, by their prefixes.
func (e *Endpoint) Consumers() []Consumer {
	var out []Consumer
	var subs []*Subscriber // those that the first entries describe
	e.mu.Lock()
	for s := range e.mu.subs {
		subs = append(subs, s)
		out = append(out, Consumer{Kind: ConsumerSubscriber, Prefixes: slices.Clone(s.prefixes)})
	}
	for a := range e.mu.stores {
		out = append(out, Consumer{Kind: ConsumerStore, Prefixes: []string{a.topic}})
	}
	if len(e.mu.wanted) > 0 {
		out = append(out, Consumer{Kind: ConsumerWants, Prefixes: slices.Clone(e.mu.wanted)})
	}
	e.mu.Unlock()
	for i, s := range subs {
		s.describe(&out[i])
	}
	slices.SortFunc(out, func(a, b Consumer) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), slices.Compare(a.Prefixes, b.Prefixes), cmp.Compare(a.Received, b.Received))
	})
	return out
}

// describe fills in the figures of the subscriber's queue.
func (s *Subscriber) describe(c *Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Queued, c.Received, c.Dropped = s.mu.n, s.mu.taken, s.mu.dropped
}
