// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/bench"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// gcPercent is for halves of a benchmark, whose live heap is so small that the
// default would collect it hundreds of times a second.
const gcPercent = 400

func newBench() *cobra.Command {
	cmd := newGroup("bench", "Measure the engine between processes",
		`Each half runs in a process of its own, speaks the plain native protocol, and
prints one JSON object on standard output when it is done, so that any half can
be another implementation. One that listens can be dialed by its counterpart, and
the other way round; it says on standard error when it is ready. Unless GOGC is
set, the garbage collector is told to let the heap grow to five times what is in
use.

  publish and subscribe   sink, source
  with a node between     sink, relay, source
  one source, many sinks  sink --count-only, for each; source with a --peer for each
  time to an answer       pong, ping
  stores                  store; master, clone; master, clones`)
	cmd.AddCommand(newSource(), newSink(), newRelay(), newBenchPing(), newPong(), newBenchStore(), newMaster(), newClone(), newClones())
	return cmd
}

// halfFlags are what all halves that talk to others have in common.
type halfFlags struct {
	profile
	link      bench.Link
	tlsDir    string
	anonymous bool
}

// add defines the flags. Of peer and listen, one has to be given.
func (h *halfFlags) add(cmd *cobra.Command, peer string) {
	f := cmd.Flags()
	f.StringArrayVar(&h.link.Peers, "peer", nil, peer)
	f.StringVar(&h.link.Listen, "listen", "", "`HOST:PORT` to listen on; port 0 takes a free one and names it on standard error")
	f.StringVar(&h.tlsDir, "tls-dir", "", "`DIR` with ca.crt, tls.crt and tls.key; without it there is no TLS")
	f.BoolVar(&h.anonymous, "anonymous", false, "TLS without certificates, as Zeek does by default")
	f.BoolVar(&h.link.Mesh, "mesh", false, "take part in a mesh, as a client (relay: as a node), instead of being a plain Broker")
	h.flags(cmd)
	cmd.MarkFlagsOneRequired("peer", "listen")
	cmd.MarkFlagsMutuallyExclusive("tls-dir", "anonymous")
}

// addBusyPoll defines the flag of halves whose latency counts.
func (h *halfFlags) addBusyPoll(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&h.link.BusyPoll, "busy-poll", 0, "look for `TIME` after a message whether the next one comes, at most 10ms, instead of sleeping at once")
}

// half makes a command's RunE: check looks at the flags, run is the work.
func half[R any](h *halfFlags, check func() error, run func(context.Context, bench.Link) (R, error)) func(*cobra.Command, []string) error {
	return measured(&h.profile, func() (err error) {
		if h.tlsDir != "" {
			if h.link.TLS, err = peering.LoadTLS(h.tlsDir); err != nil {
				return fmt.Errorf("--tls-dir %s: %w", h.tlsDir, err)
			}
		}
		if h.anonymous {
			h.link.TLS = &peering.TLS{Anonymous: true}
		}
		return check()
	}, func(cmd *cobra.Command) (R, error) {
		h.link.Listening = func(a net.Addr) { fmt.Fprintln(cmd.ErrOrStderr(), "listening on", a) }
		return run(cmd.Context(), h.link)
	})
}

// measured checks the flags, runs something and prints its result.
func measured[R any](p *profile, check func() error, run func(*cobra.Command) (R, error)) func(*cobra.Command, []string) error {
	return work(func(cmd *cobra.Command, _ []string) error {
		if os.Getenv("GOGC") == "" {
			defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
		}
		if err := check(); err != nil {
			return ctl.BadInput(err)
		}
		return p.around(func() error {
			result, err := run(cmd)
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
		})
	})
}

// atLeast1 checks a number by the name of its flag.
func atLeast1(flag string, n int) error {
	if n < 1 {
		return fmt.Errorf("--%s: %d: allowed: 1 and more", flag, n)
	}
	return nil
}

func noCheck() error { return nil }
