// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// Publish publishes one message and returns when the peer has it. It says on
// notes if the peer has asked for nothing like it: then nobody gets it.
func Publish(ctx context.Context, o Options, topicName, value string, notes io.Writer) error {
	v, err := o.Parse("VALUE", value)
	if err != nil {
		return err
	}
	return With(ctx, o, func(s Session) error {
		if info, ok := s.Info(); ok && !topic.NewFilter(info.Filter...).Matches(topicName) {
			fmt.Fprintf(notes, "nobody behind %s has subscribed to %s\n", o.Peer, topicName)
		}
		if err := s.Publish(topicName, v); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		flushing, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		if err := s.Flush(flushing); err != nil {
			return timed(flushing, fmt.Errorf("hand the message to %s: %w", o.Peer, err))
		}
		return nil
	})
}

// Subscribe prints a line "TOPIC VALUE" for each message whose topic has one
// of the prefixes, until count of them have come (0: for ever), the context
// ends, or the peer goes away. Only the last is an error. Once the peer knows
// the subscription it says so on notes.
func Subscribe(ctx context.Context, o Options, prefixes []string, count int, out, notes io.Writer) error {
	err := With(ctx, o, func(s Session) error { return receive(ctx, s, o, prefixes, count, out, notes) })
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func receive(ctx context.Context, s Session, o Options, prefixes []string, count int, out, notes io.Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	subscribing, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	// A reader who is slow makes the peer wait, instead of losing messages.
	subscriber, err := s.SubscribeSync(subscribing, prefixes, broker.QueueLimit{Overflow: broker.OverflowWait})
	if err != nil {
		return timed(subscribing, fmt.Errorf("subscribe: %w", err))
	}
	defer subscriber.Close()
	fmt.Fprintf(notes, "subscribed at %s\n", o.Peer)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		stop(s.Lost(ctx))
	}()
	defer func() { stop(nil); <-gone }()
	return printMessages(ctx, s, subscriber, o, count, out)
}

// printMessages writes a line for each message, and flushes before it waits.
// What this endpoint says of its own connections is no message of the mesh.
func printMessages(ctx context.Context, s Session, subscriber *broker.Subscriber, o Options, count int, out io.Writer) error {
	lines := bufio.NewWriter(out)
	for n := 0; count == 0 || n < count; {
		m, ok := subscriber.Poll()
		if !ok {
			if err := lines.Flush(); err != nil {
				return err
			}
			var err error
			if m, err = subscriber.Get(ctx); err != nil {
				return context.Cause(ctx)
			}
		}
		if m.From == s.ID() {
			continue
		}
		n++
		if _, err := fmt.Fprintf(lines, "%s %s\n", m.Topic, o.Format(m.Value)); err != nil {
			return err
		}
	}
	return lines.Flush()
}
