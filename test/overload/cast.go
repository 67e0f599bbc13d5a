// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// cast are the endpoints of a run. The publisher's messages go over its relay to the sink; the prober's go over the relay to the watcher.
// The two have the relay in common, unless the load goes elsewhere.
type cast struct {
	publisher, loaded, relay, sink, prober, watcher *broker.Endpoint
	all                                             []*broker.Endpoint
	lines                                           []*line
}

// links are all connections, from and to whom.
func (c *cast) links() [][2]*broker.Endpoint {
	return [][2]*broker.Endpoint{{c.publisher, c.loaded}, {c.loaded, c.sink}, {c.prober, c.relay}, {c.relay, c.watcher}}
}

// gather makes the endpoints and connects them. rates are those of the lines from the publisher to the relay, and from there to the sink.
func (o options) gather(ctx context.Context, elsewhere bool, rates [2]int) (c *cast, err error) {
	c = &cast{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	for _, e := range []**broker.Endpoint{&c.publisher, &c.relay, &c.sink, &c.prober, &c.watcher} {
		if *e, err = o.endpoint(c); err != nil {
			return c, err
		}
	}
	c.loaded = c.relay
	if elsewhere {
		if c.loaded, err = o.endpoint(c); err != nil {
			return c, err
		}
	}
	for i, l := range c.links() {
		rate := 0
		if i < len(rates) {
			rate = rates[i]
		}
		if err := c.connect(ctx, l[0], l[1], rate); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (o options) endpoint(c *cast) (*broker.Endpoint, error) {
	e, err := broker.New(broker.Options{
		MemoryLimit: o.memory,
		// It is the memory that is to run out.
		PeerQueue: broker.QueueLimit{Messages: 1 << 30, Bytes: 1 << 40, Overflow: broker.OverflowDropOldest},
	})
	if err == nil {
		c.all = append(c.all, e)
	}
	return e, err
}

func (c *cast) connect(ctx context.Context, from, to *broker.Endpoint, rate int) error {
	address, err := to.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	l, err := newLine(address.String(), rate)
	if err != nil {
		return err
	}
	c.lines = append(c.lines, l)
	if _, err := from.Peer(ctx, l.address(), broker.PeerOptions{}); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	return to.AwaitPeer(ctx, from.ID())
}

// lost are connections that have broken, and why.
func (c *cast) lost() error {
	var all []error
	for _, e := range c.all {
		for _, p := range e.Peers() {
			if p.LastError != "" {
				all = append(all, fmt.Errorf("a connection was lost: %s", p.LastErrorText))
			}
		}
	}
	return errors.Join(all...)
}

// hurry lets everything that waits come through.
func (c *cast) hurry() {
	for _, l := range c.lines {
		l.rate.Store(0)
	}
}

// memory is the most that an endpoint holds now.
func (c *cast) memory() (most int64) {
	for _, e := range c.all {
		most = max(most, e.Stats().MemoryUsed)
	}
	return most
}

// exact checks the counters of every connection when nothing is under way any more: what was queued was written or dropped, and what was
// written was received.
func (c *cast) exact(ctx context.Context) error {
	if err := c.lost(); err != nil {
		return err
	}
	for _, l := range c.links() {
		for _, pair := range [][2]*broker.Endpoint{l, {l[1], l[0]}} {
			if err := exact(ctx, pair[0], pair[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func exact(ctx context.Context, from, to *broker.Endpoint) error {
	// A ping overtakes what is still queued; to one that comes behind it all the peer says what it has received before it answers.
	if err := from.Flush(ctx); err != nil {
		return err
	}
	if _, err := from.Ping(ctx, to.ID()); err != nil {
		return err
	}
	out, in := info(from, to), info(to, from)
	if out == nil || in == nil {
		return errors.New("a connection was lost")
	}
	for _, s := range []broker.LaneStats{out.Data, out.Commands} {
		if s.Queued != s.Written.Plus(s.Dropped).Plus(s.Still()) || s.Still() != (broker.Tally{}) {
			return fmt.Errorf("counters don't add up: %+v", s)
		}
	}
	if out.Sent != out.Confirmed || out.Sent != in.Received || out.InDoubt != 0 {
		return fmt.Errorf("%d written, %d confirmed, %d received, %d in doubt", out.Sent, out.Confirmed, in.Received, out.InDoubt)
	}
	return nil
}

func info(at, of *broker.Endpoint) *broker.PeerInfo {
	for _, p := range at.Peers() {
		if p.ID == of.ID() {
			return &p
		}
	}
	return nil
}

// droppedFor is what the queues of a connection have cost.
func droppedFor(from, to *broker.Endpoint) uint64 {
	if p := info(from, to); p != nil {
		return p.Data.Dropped.Messages
	}
	return 0
}

func (c *cast) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var all []error
	for _, e := range c.all {
		all = append(all, e.Close(ctx))
	}
	for _, l := range c.lines {
		l.close()
	}
	return errors.Join(all...)
}
