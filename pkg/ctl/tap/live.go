// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/look"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// Live prints messages as they come to a subscriber at the node, until as many
// as asked for have come, the context ends, or the node goes away. Only the
// last is an error. A tap that prints too slowly loses messages, and says how
// many; it never holds up the mesh.
func Live(ctx context.Context, c client.Options, o Output, out, notes io.Writer) error {
	if err := o.Validate(); err != nil {
		return ctl.BadInput(err)
	}
	err := client.With(ctx, c, func(s client.Session) error {
		guide, err := look.NewGuide(ctx, s, c.Timeout)
		if err != nil {
			return err
		}
		defer guide.Close()
		return live(ctx, s, guide, c, o, out, notes)
	})
	if errors.Is(err, errEnough) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// guide tells how endpoints are called and when messages were sent.
type guide interface {
	Name(id data.EndpointID) string
	Sent(origin data.EndpointID, stamped time.Time) (time.Time, bool)
	Foreign() bool
}

func live(ctx context.Context, s client.Session, g guide, c client.Options, o Output, out, notes io.Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sub, err := s.SubscribeSync(ctx, o.Filter.Prefixes, broker.QueueLimit{})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer sub.Close()
	fmt.Fprintf(notes, "tapping at %s\n", c.Peer)
	if g.Foreign() {
		fmt.Fprintln(notes, "it is a foreign endpoint: origin and age of messages are not known")
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		stop(s.Lost(ctx))
	}()
	defer func() { stop(nil); <-gone }()
	p := newPrinter(o, out, liveLine)
	if err = follow(ctx, sub, s.ID(), g, p); ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return errors.Join(err, p.out.Flush())
}

// follow prints messages, and flushes before it waits.
func follow(ctx context.Context, sub *broker.Subscriber, self data.EndpointID, g guide, p *printer) error {
	lost := uint64(0)
	for {
		m, ok := sub.Poll()
		if !ok {
			if err := p.out.Flush(); err != nil {
				return err
			}
			var err error
			if m, err = sub.Get(ctx); err != nil {
				return err
			}
		}
		if m.From == self {
			continue // what the own endpoint says of its connections
		}
		now := time.Now()
		if dropped := sub.Dropped(); dropped > lost {
			note := Record{Time: now, Kind: kindNote, Hops: -1, Text: fmt.Sprintf("%s lost: they came faster than they were printed", table.Count(int(dropped-lost), "message", "messages"))}
			lost = dropped
			if err := p.note(&note); err != nil {
				return err
			}
		}
		r := liveRecord(m, g, now)
		if err := p.print(&r, now); err != nil {
			return err
		}
	}
}

// liveRecord is a message as it came.
func liveRecord(m broker.Message, g guide, now time.Time) Record {
	r := Record{Time: now, Kind: kindData, Source: g.Name(m.Origin), Origin: m.Origin, From: m.From, Hops: m.Hops, Topic: m.Topic, Value: m.Value}
	if sent, ok := g.Sent(m.Origin, m.Sent); ok {
		r.Sent = sent
	}
	return r
}

func liveLine(r *Record) string {
	hops, age := "-", "-"
	if r.Hops >= 0 {
		hops = table.Count(r.Hops, "hop", "hops")
	}
	if d, ok := r.Age(); ok {
		age = ageText(d)
	}
	return fmt.Sprintf("%s  %-12s  %-6s  %-7s  %s", clock(r.Time), table.Dash(table.Plain(r.Source)), hops, age, ending(r))
}

// ageText is an age to the precision that clocks allow.
func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + ageText(-d)
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Hour:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Minute).String()
	}
}
