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
	if c.mu.closed {
		c.mu.Unlock()
		return
	}
	key := outletKey{from, g.Flow}
	o := c.mu.outlets[key]
	if o == nil {
		if c.crowdedLocked(from) {
			c.mu.Unlock()
			return
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
	if !o.Soon() {
		c.mu.Unlock()
		return
	}
	mark, due := o.Mark(now, markGap)
	c.mu.Unlock()
	if due {
		e.sendMark(o, mark)
	}
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
	for _, m := range marks {
		e.sendMark(m.o, m.m)
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
	c       *credits
	outlets []*outlet
	size    int
}

// settle says that the message is in the queues, or will never be.
func (p *payment) settle() {
	if len(p.outlets) == 0 {
		return
	}
	p.c.mu.Lock()
	for _, o := range p.outlets {
		o.Finish(p.size)
	}
	p.c.mu.Unlock()
}

// pay counts a message for the flows that want it. Publishers that wait for room wait here for credit too. Settle must follow, unless
// there is an error: then nothing goes out.
func (e *Endpoint) pay(ctx context.Context, how *sending, name string, size int) (payment, error) {
	c := &e.credits
	p := payment{c: c, size: messageOverhead + size}
	if all := c.asked.Load(); all != nil {
		for _, a := range *all {
			if a.filter.Matches(name) {
				p.outlets = append(p.outlets, a.outlet)
			}
		}
	}
	if len(p.outlets) == 0 {
		return p, nil
	}
	var waitsFor *outlet
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		i := slices.IndexFunc(p.outlets, func(o *outlet) bool { return !o.readyLocked(p.size) })
		var short *outlet
		if i >= 0 {
			short = p.outlets[i]
		}
		wait := short != nil && how.asked && how.policy != FullDrop
		if waitsFor != nil && (waitsFor != short || !wait) {
			waitsFor.Unwait()
			waitsFor = nil
		}
		if c.mu.closed {
			return p, ErrClosed
		}
		if !wait {
			p.startLocked(how)
			return p, nil
		}
		if err := how.refusal(ctx, e); err != nil {
			if waitsFor != nil {
				waitsFor.Unwait()
			}
			short.Refuse(p.size)
			return p, err
		}
		if waitsFor == nil {
			short.Wait(p.size)
			waitsFor = short
		}
		if err := c.awaitLocked(ctx, short); err != nil {
			short.Unwait()
			return p, err
		}
	}
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

// awaitLocked waits for news of a flow, with the mutex released.
func (c *credits) awaitLocked(ctx context.Context, o *outlet) error {
	if o.news == nil {
		o.news = make(chan struct{})
	}
	news := o.news
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startLocked counts the message. Who drops what finds no room sends it all the same: others have room for it.
func (p *payment) startLocked(how *sending) {
	for _, o := range p.outlets {
		if how.asked && how.policy == FullDrop && !o.readyLocked(p.size) {
			how.dropped.Add(1)
			o.Refuse(p.size)
		}
		o.Start(p.size)
	}
}

// payTo counts a message that goes to one endpoint, and may come to subscriptions under flow control there.
func (e *Endpoint) payTo(id data.EndpointID, name string, size int) {
	all := e.credits.asked.Load()
	if all == nil || topic.IsInternal(name) {
		return
	}
	for _, a := range *all {
		if a.outlet.key.to == id && a.filter.Matches(name) {
			e.credits.mu.Lock()
			a.outlet.Start(messageOverhead + size)
			a.outlet.Finish(messageOverhead + size)
			e.credits.mu.Unlock()
		}
	}
}

// Flow is a subscription elsewhere that grants credit to this endpoint.
type Flow struct {
	// Subscriber is the endpoint that subscribes, Prefixes the topics that it asked for.
	Subscriber data.EndpointID
	Prefixes   []string
	// Sent are the messages that this endpoint has published to the flow; the subscriber has said that so many have Arrived, or are
	// lost, and that Sent may reach Limit. Without room, messages that nobody had to hold back may exceed it.
	Sent, Arrived, Limit uint64
	// Counted: publishers wait for the subscriber. It is not counted on after five seconds without a grant, until it grants again.
	Counted bool
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
		out = append(out, Flow{
			Subscriber: key.to, Prefixes: slices.Clone(o.filter), Counted: s.Held, Heard: s.Heard,
			Sent: s.Sent.Messages, Arrived: s.Arrived.Messages, Limit: s.Limit.Messages,
		})
	}
	slices.SortFunc(out, func(a, b Flow) int {
		return cmp.Or(a.Subscriber.Compare(b.Subscriber), slices.Compare(a.Prefixes, b.Prefixes))
	})
	return out
}
