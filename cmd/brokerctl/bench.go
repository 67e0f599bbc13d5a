// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/bench"
	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// gcPercent is for halves of a benchmark, whose live heap is so small that the
// default would collect it hundreds of times a second.
const gcPercent = 400

// tuned is [work] for a half of a benchmark.
func tuned(do func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return work(func(cmd *cobra.Command, args []string) error {
		if os.Getenv("GOGC") == "" {
			defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
		}
		return do(cmd, args)
	})
}

func newBench() *cobra.Command {
	cmd := newGroup("bench", "Measure the engine between two processes",
		`Each half runs in a process of its own, speaks the plain native protocol, and
prints one JSON object on standard output when it is done. Unless GOGC is set, the
garbage collector is told to let the heap grow to five times what is in use.`)
	cmd.AddCommand(newSource(), newSink())
	return cmd
}

func newSource() *cobra.Command {
	var o bench.SourceOptions
	var p profile
	cmd := &cobra.Command{
		Use:   "source --peer HOST:PORT",
		Short: "Publish events to /bench as fast as the peer takes them",
		Args:  cobra.NoArgs,
		RunE: tuned(func(cmd *cobra.Command, _ []string) error {
			if _, err := bench.EventBuilder(o.Event); err != nil {
				return ctl.BadInput(fmt.Errorf("--event: %w", err))
			}
			if err := checkCount(o.Count); err != nil {
				return err
			}
			return p.around(func() error {
				result, err := bench.Source(cmd.Context(), o)
				return printResult(cmd.OutOrStdout(), result, err)
			})
		}),
	}
	cmd.Flags().StringVar(&o.Peer, "peer", "", "the sink's `HOST:PORT`; it is dialed until it answers")
	cmd.Flags().IntVar(&o.Count, "count", 1_000_000, "number of events")
	cmd.Flags().IntVar(&o.Event, "event", 1, "1: two small arguments; 2: an entry of conn.log")
	p.flags(cmd)
	_ = cmd.MarkFlagRequired("peer")
	return cmd
}

func newSink() *cobra.Command {
	var o bench.SinkOptions
	var p profile
	cmd := &cobra.Command{
		Use:   "sink --listen HOST:PORT",
		Short: "Receive events on /bench and read all of each",
		Args:  cobra.NoArgs,
		RunE: tuned(func(cmd *cobra.Command, _ []string) error {
			if err := checkCount(o.Count); err != nil {
				return err
			}
			o.Listening = func(a net.Addr) { fmt.Fprintln(cmd.ErrOrStderr(), "listening on", a) }
			return p.around(func() error {
				result, err := bench.Sink(cmd.Context(), o)
				return printResult(cmd.OutOrStdout(), result, err)
			})
		}),
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "", "`HOST:PORT` to listen on; port 0 takes a free one and names it on standard error")
	cmd.Flags().IntVar(&o.Count, "count", 1_000_000, "number of events")
	p.flags(cmd)
	_ = cmd.MarkFlagRequired("listen")
	return cmd
}

func checkCount(n int) error {
	if n < 1 {
		return ctl.BadInput(fmt.Errorf("--count: %d: allowed: 1 and more", n))
	}
	return nil
}

func printResult(w io.Writer, r bench.Result, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(r)
}
