// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/credit"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// inflow is the flow control of a subscription. The subscriber's mutex guards it.
type inflow struct {
	topic  string // of marks
	id     uint64
	ledger *credit.Ledger
	known  uint64            // version of the origins that the ledger knows
	ready  chan struct{}     // closed when all origins have answered; nil if nobody waits for that
	fresh  []data.EndpointID // have sent, and are not known to the ledger
}

// maxFresh bounds the origins that become known in one go.
const maxFresh = 64

// ErrPrefixes: a subscription under flow control asks for too many prefixes.
var ErrPrefixes = fmt.Errorf("%w: at most %d prefixes of %d bytes together can be under flow control", ErrTopic, credit.MaxPrefixes, credit.MaxPrefixBytes)

// control puts a subscriber under flow control, before anybody can know it.
func (s *Subscriber) control() error {
	filter := s.filter.Public()
	if !credit.Controllable(filter) {
		return ErrPrefixes
	}
	if s.e.credits.inbox == nil {
		return nil // nobody would understand
	}
	id := randomFlow()
	limit := credit.Amount{Messages: uint64(s.limit.Messages), Bytes: uint64(s.limit.Bytes)}
	s.flow = &inflow{topic: markTopic(id), id: id, ledger: credit.NewLedger(id, limit, filter)}
	return nil
}

// recontrol follows a change of the prefixes.
func (s *Subscriber) recontrol() {
	if s.flow == nil {
		return
	}
	filter := s.filter.Public()
	for !credit.Controllable(filter) {
		filter = filter[:len(filter)-1] // by RemovePrefixes only: the last ones go without
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow.ledger.SetPrefixes(filter)
	s.e.credits.poke()
}

// settleWithin is how long SubscribeSync waits for the answers of origins.
const settleWithin = time.Second

// enterControlled is enter, but if the subscriber is under flow control, messages are asked for only when the origins know of it.
func (e *Endpoint) enterControlled(ctx context.Context, s *Subscriber) error {
	if s.flow == nil {
		return e.enter(s)
	}
	filter, ready := s.filter, make(chan struct{})
	s.filter, s.flow.ready = nil, ready
	if err := e.enter(s); err != nil {
		return err
	}
	late := time.NewTimer(settleWithin)
	defer late.Stop()
	select {
	case <-ready:
	case <-late.C:
	case <-s.end:
	case <-ctx.Done():
		s.Close()
		return fmt.Errorf("subscribe: %w", ctx.Err())
	}
	e.change(func() { s.filter = filter })
	return nil
}

// register lets the endpoint grant for the subscriber. The endpoint's mutex is held, and it is not closing.
func (c *credits) register(s *Subscriber) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.subs[s] = struct{}{}
	c.startLocked(s.e)
	c.poke()
}

// arrivedLocked counts a message; true if it is not for the queue.
func (s *Subscriber) arrivedLocked(m *Message, size int) bool {
	f := s.flow
	if topic.IsInternal(m.Topic) {
		if mark, ok := markOf(m); ok {
			f.ledger.Mark(m.Origin, &mark)
			s.e.credits.poke()
		}
		return true
	}
	if m.Origin != s.e.opt.ID && !f.ledger.Arrived(m.Origin, size) && len(f.fresh) < maxFresh && !slices.Contains(f.fresh, m.Origin) {
		f.fresh = append(f.fresh, m.Origin)
		s.e.credits.poke()
	}
	return false
}

func markOf(m *Message) (credit.Mark, bool) {
	got, _ := credit.Parse(m.Value)
	mark, ok := got.(credit.Mark)
	return mark, ok
}

// takenLocked says that the consumer has taken so many messages, which had so many bytes.
func (s *Subscriber) takenLocked(n, bytes int) {
	if s.flow != nil && n > 0 && s.flow.ledger.Taken(credit.Amount{Messages: uint64(n), Bytes: uint64(bytes)}, s.mu.n) {
		s.e.credits.poke()
	}
}

// grantAll sends the grants of all subscriptions that are due.
func (e *Endpoint) grantAll(known *origins, tick bool) {
	c := &e.credits
	c.mu.Lock()
	subs := make([]*Subscriber, 0, len(c.mu.subs))
	for s := range c.mu.subs {
		subs = append(subs, s)
	}
	c.mu.Unlock()
	now := time.Now()
	for _, s := range subs {
		for _, o := range s.orders(known, now, tick) {
			if err := e.tryInternal(o.To, creditTopic, o.Grant.Value(), o.Sure); err != nil && !errors.Is(err, code.NoPathToPeer) {
				s.mu.Lock()
				s.flow.ledger.Unsent(o.To)
				s.mu.Unlock()
			}
		}
	}
}

// orders are the grants of a subscription that are due.
func (s *Subscriber) orders(known *origins, now time.Time, tick bool) []credit.Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flow
	if s.mu.closed {
		return nil
	}
	if f.known != known.version {
		f.known = known.version
		f.ledger.Keep(func(id data.EndpointID) bool { return known.ids[id] })
		for id := range known.ids {
			f.ledger.Know(id)
		}
	}
	for _, id := range f.fresh {
		if known.routes.mayCredit(id) {
			f.ledger.Know(id)
		} else {
			f.ledger.Ignore(id)
		}
	}
	f.fresh = f.fresh[:0]
	if f.ready != nil && known.complete() && f.ledger.Settled() {
		close(f.ready)
		f.ready = nil
	}
	return f.ledger.Plan(now, credit.Amount{Messages: uint64(s.mu.n), Bytes: uint64(s.mu.bytes)}, tick)
}

// withdraw ends the flow: origins don't have to wait for it any more.
func (s *Subscriber) withdraw() {
	s.mu.Lock()
	origins := s.flow.ledger.Origins()
	s.mu.Unlock()
	v := credit.Withdrawal{Flow: s.flow.id}.Value()
	for _, id := range origins {
		// Who does not get it forgets the flow by itself.
		_ = s.e.tryInternal(id, creditTopic, v, false)
	}
}

// release ends flow control of a subscriber that is closed.
func (s *Subscriber) release() {
	if s.flow == nil {
		return
	}
	c := &s.e.credits
	c.mu.Lock()
	_, on := c.mu.subs[s]
	delete(c.mu.subs, s)
	c.mu.Unlock()
	if on {
		s.withdraw()
	}
}
