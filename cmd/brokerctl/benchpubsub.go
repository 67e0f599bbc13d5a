// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/bench"
)

// benchCount is how many messages the halves send or wait for by default.
const benchCount = 1_000_000

func newSource() *cobra.Command {
	var h halfFlags
	var count, event int
	cmd := &cobra.Command{
		Use:   "source (--peer HOST:PORT... | --listen HOST:PORT)",
		Short: "Publish events to /bench as fast as the peers take them",
		Args:  cobra.NoArgs,
		RunE: half(&h, func() error {
			_, err := bench.EventBuilder(event)
			if err != nil {
				err = fmt.Errorf("--event: %w", err)
			}
			return errors.Join(err, atLeast1("count", count))
		}, func(ctx context.Context, l bench.Link) (bench.SourceResult, error) {
			return bench.Source(ctx, bench.SourceOptions{Link: l, Count: count, Event: event})
		}),
	}
	h.add(cmd, "a sink's `HOST:PORT`, dialed until it answers; may be repeated")
	cmd.Flags().IntVar(&count, "count", benchCount, "number of events")
	cmd.Flags().IntVar(&event, "event", 1, "1: two small arguments; 2: an entry of conn.log")
	return cmd
}

func newSink() *cobra.Command {
	var h halfFlags
	var count int
	var countOnly bool
	cmd := &cobra.Command{
		Use:   "sink (--listen HOST:PORT | --peer HOST:PORT)",
		Short: "Receive events on /bench and read all of each",
		Args:  cobra.NoArgs,
		RunE: half(&h, func() error { return atLeast1("count", count) }, func(ctx context.Context, l bench.Link) (bench.Result, error) {
			return bench.Sink(ctx, bench.SinkOptions{Link: l, Count: count, CountOnly: countOnly})
		}),
	}
	h.add(cmd, "the `HOST:PORT` to get them from, dialed until it answers")
	cmd.Flags().IntVar(&count, "count", benchCount, "number of events")
	cmd.Flags().BoolVar(&countOnly, "count-only", false, "count frames without reading what is in them")
	return cmd
}

func newRelay() *cobra.Command {
	var h halfFlags
	var queue int
	cmd := &cobra.Command{
		Use:   "relay --listen HOST:PORT --peer HOST:PORT",
		Short: "Pass on what a source sends to a sink",
		Long: `Dial the sink, then listen for the source, and pass everything on. The source sends
as fast as the relay reads; what the sink has not taken yet waits in the relay.`,
		Args: cobra.NoArgs,
		RunE: half(&h, func() error { return atLeast1("queue-bytes", queue) }, func(ctx context.Context, l bench.Link) (bench.RelayResult, error) {
			return bench.Relay(ctx, bench.RelayOptions{Link: l, QueueBytes: queue})
		}),
	}
	h.add(cmd, "the sink's `HOST:PORT`, dialed until it answers")
	cmd.Flags().IntVar(&queue, "queue-bytes", 1<<30, "how much may wait for the sink; beyond it the connection ends")
	return cmd
}

func newBenchPing() *cobra.Command {
	var h halfFlags
	var count int
	cmd := &cobra.Command{
		Use:   "ping (--peer HOST:PORT | --listen HOST:PORT)",
		Short: "Publish to /ping, wait for the answer on /pong, and again",
		Args:  cobra.NoArgs,
		RunE: half(&h, func() error { return atLeast1("count", count) }, func(ctx context.Context, l bench.Link) (bench.PingResult, error) {
			return bench.Ping(ctx, bench.PingOptions{Link: l, Count: count})
		}),
	}
	h.add(cmd, "the pong's `HOST:PORT`, dialed until it answers")
	cmd.Flags().IntVar(&count, "count", 20_000, "number of questions")
	h.addBusyPoll(cmd)
	return cmd
}

func newPong() *cobra.Command {
	var h halfFlags
	var count int
	cmd := &cobra.Command{
		Use:   "pong (--listen HOST:PORT | --peer HOST:PORT)",
		Short: "Answer messages on /ping with a count on /pong",
		Args:  cobra.NoArgs,
		RunE: half(&h, func() error {
			if count < 0 {
				return fmt.Errorf("--count: %d: allowed: 0 (until ping leaves) and more", count)
			}
			return nil
		}, func(ctx context.Context, l bench.Link) (bench.Result, error) {
			return bench.Pong(ctx, bench.PongOptions{Link: l, Count: count})
		}),
	}
	h.add(cmd, "the ping's `HOST:PORT`, dialed until it answers")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many answers; 0: when ping leaves")
	h.addBusyPoll(cmd)
	return cmd
}
