// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/credit"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// outletKey names a flow: nobody but its subscriber can grant for it.
type outletKey struct {
	to   data.EndpointID
	flow uint64
}

// outlet is a flow from this endpoint to a subscriber. All is guarded by the mutex of credits.
type outlet struct {
	credit.Outlet
	key    outletKey
	filter topic.Filter
	news   chan struct{} // closed when who waits should look again; nil if nobody does
	gone   bool
}

// asking is a flow as publishers look for it.
type asking struct {
	outlet *outlet
	filter topic.Filter
}

// tellLocked lets those who wait look again.
func (o *outlet) tellLocked() {
	if o.news != nil {
		close(o.news)
		o.news = nil
	}
}

func (o *outlet) readyLocked(size int) bool { return o.gone || o.Ready(size) }

func (c *credits) removeLocked(key outletKey) {
	if o := c.mu.outlets[key]; o != nil {
		o.gone = true
		o.tellLocked()
		delete(c.mu.outlets, key)
	}
}

// publishLocked makes the flows known to publishers.
func (c *credits) publishLocked() {
	if len(c.mu.outlets) == 0 {
		c.asked.Store(nil)
		return
	}
	all := make([]asking, 0, len(c.mu.outlets))
	for _, o := range c.mu.outlets {
		all = append(all, asking{o, o.filter})
	}
	c.asked.Store(&all)
}

// granted takes what has come on creditTopic. It runs in the goroutines of readers and does not wait.
func (e *Endpoint) granted(msgs []Message) {
	for i := range msgs {
		m := &msgs[i]
		if m.Topic != creditTopic || m.Origin == e.opt.ID || m.Origin.IsZero() {
			continue
		}
		switch got, _ := credit.Parse(m.Value); g := got.(type) {
		case credit.Grant:
			if !e.opt.NoFlowControl {
				e.grant(m.Origin, &g)
			}
		case credit.Withdrawal:
			c := &e.credits
			c.mu.Lock()
			c.removeLocked(outletKey{m.Origin, g.Flow})
			c.publishLocked()
			c.mu.Unlock()
		case credit.Ask:
			e.askedWho(m.Origin)
		case credit.Known:
			e.toldWho(m.Origin, g.IDs)
		}
	}
}

func (e *Endpoint) grant(from data.EndpointID, g *credit.Grant) {
	c := &e.credits
	now := time.Now()
	c.mu.Lock()
	o := c.grantLocked(e, from, g, now)
	var mark credit.Mark
	due := false
	if o != nil && o.Soon() {
		mark, due = o.Mark(now, markGap)
	}
	c.mu.Unlock()
	if due {
		e.sendMark(o, mark)
	}
}

// grantLocked answers the flow that was granted to; nil if there is none.
func (c *credits) grantLocked(e *Endpoint, from data.EndpointID, g *credit.Grant, now time.Time) *outlet {
	if c.mu.closed {
		return nil
	}
	key := outletKey{from, g.Flow}
	o := c.mu.outlets[key]
	if o == nil {
		if c.crowdedLocked(from) {
			return nil
		}
		o = &outlet{Outlet: *credit.NewOutlet(g, randomFlow(), now), key: key, filter: topic.NewFilter(g.Prefixes...)}
		c.mu.outlets[key] = o
		c.publishLocked()
		c.startLocked(e)
	} else if o.Grant(g, now) {
		o.tellLocked()
		if f := topic.NewFilter(g.Prefixes...); !f.Equal(o.filter) {
			o.filter = f
			c.publishLocked()
		}
	}
	return o
}

// crowdedLocked tells whether there are too many flows for one more of a subscriber.
func (c *credits) crowdedLocked(from data.EndpointID) bool {
	n := 0
	for key := range c.mu.outlets {
		if key.to == from {
			n++
		}
	}
	return len(c.mu.outlets) >= maxOutlets || n >= maxOutletsEach
}

// sendMark sends a mark. Nothing is locked: what is queued may cost others their place, and they may be told.
func (e *Endpoint) sendMark(o *outlet, m credit.Mark) {
	if e.tryInternal(o.key.to, markTopic(o.key.flow), m.Value(), false) != nil {
		e.credits.mu.Lock()
		o.Unmarked()
		e.credits.mu.Unlock()
	}
}

// nowait is how messages of flow control are sent: a full queue is left alone. (With sure, they are queued all the same.)
var nowait = sending{asked: true, policy: FullWait}

// ended is a context that has ended, so that nothing waits with it.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// tryInternal sends an internal message unless the queue on the way is full.
func (e *Endpoint) tryInternal(to data.EndpointID, name string, v data.Value, sure bool) error {
	return e.sendTo(ended, &nowait, sure, to, name, v)
}

// tickOutlets looks for subscribers that have ceased to grant, and sends the marks that are due.
func (e *Endpoint) tickOutlets(now time.Time) {
	type due struct {
		o *outlet
		m credit.Mark
	}
	var marks []due
	var dropped []outletKey
	c := &e.credits
	c.mu.Lock()
	count := len(c.mu.outlets)
	for key, o := range c.mu.outlets {
		switch o.Tick(now) {
		case credit.Dropped:
			dropped = append(dropped, key)
			e.counters.flowsDropped.Add(1)
			o.tellLocked()
		case credit.Gone:
			c.removeLocked(key)
			continue
		}
		if m, ok := o.Mark(now, markGap); ok {
			marks = append(marks, due{o, m})
		}
	}
	if len(c.mu.outlets) != count {
		c.publishLocked()
	}
	c.mu.Unlock()
	for _, d := range marks {
		e.sendMark(d.o, d.m)
	}
	for _, key := range dropped {
		e.log.Warn("subscriber grants no credit; publishers don't wait for it", "code", code.PeerTimeout.String(), "id", key.to)
		e.raiseError(code.PeerTimeout, StatusEvent{ID: key.to}, NoCredit)
	}
}

// NoCredit is the message of the error event "peer_timeout" about a subscriber under flow control that has granted nothing for
// credit.Patience: publishers don't wait for it any more, until it grants again.
const NoCredit = "subscriber grants no credit"

// payment is what a message that is on its way out was counted for.
type payment struct {
	c     *credits
	first *outlet // most messages have no more than one
	more  []*outlet
	size  int
}

func (p *payment) add(o *outlet) {
	if p.first == nil {
		p.first = o
	} else {
		p.more = append(p.more, o)
	}
}

// settle says that the message is in the queues, or will never be.
func (p *payment) settle() {
	if p.first == nil {
		return
	}
	p.c.mu.Lock()
	p.first.Finish(p.size)
	for _, o := range p.more {
		o.Finish(p.size)
	}
	p.c.mu.Unlock()
}

// shortLocked is a flow that has no room for the message; nil if all have.
func (p *payment) shortLocked() *outlet {
	if !p.first.readyLocked(p.size) {
		return p.first
	}
	for _, o := range p.more {
		if !o.readyLocked(p.size) {
			return o
		}
	}
	return nil
}

// startLocked counts the message. Who drops what finds no room sends it all the same: others have room for it.
func (p *payment) startLocked(how *sending) {
	p.startOneLocked(how, p.first)
	for _, o := range p.more {
		p.startOneLocked(how, o)
	}
}

func (p *payment) startOneLocked(how *sending, o *outlet) {
	if how.asked && how.policy == FullDrop && !o.readyLocked(p.size) {
		how.dropped.Add(1)
		o.Refuse(p.size)
	}
	o.Start(p.size)
}

// pay counts a message for the flows that want it. Publishers that wait for room wait here for credit too. Settle must follow, unless
// there is an error: then nothing goes out.
func (e *Endpoint) pay(ctx context.Context, how *sending, name string, size int) (payment, error) {
	c := &e.credits
	p := payment{c: c, size: messageOverhead + size}
	if all := c.asked.Load(); all != nil {
		for i := range *all {
			if a := &(*all)[i]; a.filter.Matches(name) {
				p.add(a.outlet)
			}
		}
	}
	if p.first == nil {
		return p, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	short := p.shortLocked()
	if short != nil && how.asked && how.policy != FullDrop {
		if err := p.awaitLocked(ctx, how, e, short); err != nil {
			return p, err
		}
	}
	p.startLocked(how)
	return p, nil
}

// awaitLocked waits until no flow is short of room.
func (p *payment) awaitLocked(ctx context.Context, how *sending, e *Endpoint, short *outlet) error {
	for short != nil {
		if err := how.refusal(ctx, e); err != nil {
			short.Refuse(p.size)
			e.tellNeedLocked(short)
			return err
		}
		on := short
		on.Wait(p.size)
		e.tellNeedLocked(on)
		short = p.shortLocked()
		for short == on && ctx.Err() == nil && !p.c.mu.closed {
			p.c.newsLocked(ctx, on)
			short = p.shortLocked()
		}
		on.Unwait()
		if p.c.mu.closed {
			return ErrClosed
		}
	}
	return nil
}

// refusal is why the publisher can't wait, if it can't.
func (h *sending) refusal(ctx context.Context, e *Endpoint) error {
	switch {
	case h.policy == FullFail:
		return ErrFull
	case inCallback(ctx, e):
		return ErrWouldBlock
	}
	return ctx.Err()
}

// tellNeedLocked lets a subscriber know at once that a message waits for room. The mutex is released meanwhile.
func (e *Endpoint) tellNeedLocked(o *outlet) {
	if m, due := o.Mark(time.Now(), markGap); due {
		e.credits.mu.Unlock()
		e.sendMark(o, m)
		e.credits.mu.Lock()
	}
}

// newsLocked waits for news of a flow, or for the end of the context, with the mutex released.
func (c *credits) newsLocked(ctx context.Context, o *outlet) {
	if o.news == nil {
		o.news = make(chan struct{})
	}
	news := o.news
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-news:
	case <-ctx.Done():
	}
}

// payTo counts a message that goes to one endpoint, and may come to subscriptions under flow control there. It has not to wait.
func (e *Endpoint) payTo(id data.EndpointID, name string, size int) payment {
	c := &e.credits
	p := payment{c: c, size: messageOverhead + size}
	all := c.asked.Load()
	if all == nil || topic.IsInternal(name) {
		return p
	}
	for _, a := range *all {
		if a.outlet.key.to == id && a.filter.Matches(name) {
			p.add(a.outlet)
		}
	}
	if p.first != nil {
		c.mu.Lock()
		p.startLocked(&unasked)
		c.mu.Unlock()
	}
	return p
}

// Flow is a subscription elsewhere that grants credit to this endpoint.
type Flow struct {
	// Subscriber is the endpoint that subscribes, Prefixes the topics that it asked for.
	Subscriber data.EndpointID
	Prefixes   []string
	// Sent are the messages that this endpoint has published to the flow; the subscriber has said that so many have Arrived, or are
	// lost, and that Sent may reach Limit. Without room, messages that nobody had to hold back may exceed it.
	Sent, Arrived, Limit uint64
	// Credit and CreditBytes are how many messages, and bytes, may go out now.
	Credit, CreditBytes uint64
	// Waiting is how many publishers wait for room now; StalledSince is since when somebody has found none, to half a second, and zero
	// if nobody does.
	Waiting      int
	StalledSince time.Time
	// Counted: publishers wait for the subscriber. It is not counted on after five seconds without a grant, until it grants again.
	// DroppedSince is since when, zero while it is counted on.
	Counted      bool
	DroppedSince time.Time
	// Heard is when the last grant came.
	Heard time.Time
}

// Flows describes the subscriptions that grant credit to this endpoint, by the IDs of their endpoints.
func (e *Endpoint) Flows() []Flow {
	c := &e.credits
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Flow, 0, len(c.mu.outlets))
	for key, o := range c.mu.outlets {
		s := o.State()
		credit := s.Limit.Minus(s.Sent)
		out = append(out, Flow{
			Subscriber: key.to, Prefixes: slices.Clone(o.filter), Counted: s.Held, Heard: s.Heard,
			Sent: s.Sent.Messages, Arrived: s.Arrived.Messages, Limit: s.Limit.Messages, Credit: credit.Messages, CreditBytes: credit.Bytes,
			Waiting: s.Waiters, StalledSince: s.Stalled, DroppedSince: s.Dropped,
		})
	}
	slices.SortFunc(out, func(a, b Flow) int {
		return cmp.Or(a.Subscriber.Compare(b.Subscriber), slices.Compare(a.Prefixes, b.Prefixes))
	})
	return out
}
