// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/bench"
)

// storeCount is how many entries the halves of a store's benchmark make by
// default.
const storeCount = 200_000

const writersUsage = "how many goroutines write; none waits for a single write"

func newBenchStore() *cobra.Command {
	var p profile
	var o bench.StoreOptions
	cmd := &cobra.Command{
		Use:   "store --backend memory|sqlite|pebble [--dir DIR]",
		Short: "Put entries into a store, then get one",
		Long: `Put entries, key count i and value ("value", i), into a master without clones, wait
until the last is acknowledged, and get one. No write waits for the one before. With --sync full, acknowledged means
that it is on disk.`,
		Args: cobra.NoArgs,
		RunE: measured(&p, func() error {
			return errors.Join(o.Validate(), atLeast1("count", o.Count), atLeast1("writers", o.Writers))
		}, func(cmd *cobra.Command) (bench.StoreResult, error) { return bench.Store(cmd.Context(), o) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.Backend, "backend", "memory", "`KIND` of backend: memory, sqlite, pebble")
	f.StringVar(&o.Dir, "dir", "", "`DIR` for what sqlite and pebble keep; without anything of an earlier run")
	f.StringVar(&o.Sync, "sync", "full", "`MODE`: full; for sqlite also normal or off, with a write-ahead log")
	f.IntVar(&o.Count, "count", storeCount, "number of entries")
	f.IntVar(&o.Writers, "writers", bench.DefaultWriters, writersUsage)
	p.flags(cmd)
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func newMaster() *cobra.Command {
	var h halfFlags
	var count, writers int
	cmd := &cobra.Command{
		Use:   "master (--listen HOST:PORT | --peer HOST:PORT)",
		Short: "Hold a store for clone, and put more when it asks",
		Long: `Hold the store b in memory. On a message on /go, put as many new entries as there
were, wait until the clones have acknowledged them, and print the rate of that.`,
		Args: cobra.NoArgs,
		RunE: half(&h, func() error {
			return errors.Join(atLeast1("count", count), atLeast1("writers", writers))
		}, func(ctx context.Context, l bench.Link) (bench.MasterResult, error) {
			return bench.Master(ctx, bench.MasterOptions{Link: l, Count: count, Writers: writers})
		}),
	}
	h.add(cmd, "the clone's `HOST:PORT`, dialed until it answers")
	cmd.Flags().IntVar(&count, "count", storeCount, "number of entries")
	cmd.Flags().IntVar(&writers, "writers", bench.DefaultWriters, writersUsage)
	return cmd
}

func newClone() *cobra.Command {
	var h halfFlags
	var syncOnly bool
	cmd := &cobra.Command{
		Use:   "clone (--peer HOST:PORT | --listen HOST:PORT)",
		Short: "Copy the store of master, then ask it for more",
		Args:  cobra.NoArgs,
		RunE: half(&h, noCheck, func(ctx context.Context, l bench.Link) (bench.CloneResult, error) {
			return bench.Clone(ctx, bench.CloneOptions{Link: l, SyncOnly: syncOnly})
		}),
	}
	h.add(cmd, "the master's `HOST:PORT`, dialed until it answers")
	cmd.Flags().BoolVar(&syncOnly, "sync-only", false, "end when the copy is there, without a message on /go")
	return cmd
}

func newClones() *cobra.Command {
	var h halfFlags
	var clones int
	cmd := &cobra.Command{
		Use:   "clones --peer HOST:PORT",
		Short: "Follow the store of master as many clones that keep nothing, and ask it for more",
		Long: `Attach many clones to the store of master, each with an endpoint and a connection of
its own. They acknowledge what they get and look at nothing in it, so that there is
something left for the master. When all are attached, ask for the puts.`,
		Args: cobra.NoArgs,
		RunE: half(&h, func() error { return atLeast1("clones", clones) }, func(ctx context.Context, l bench.Link) (bench.ClonesResult, error) {
			return bench.Clones(ctx, bench.ClonesOptions{Link: l, Clones: clones})
		}),
	}
	h.add(cmd, "the master's `HOST:PORT`, dialed until it answers")
	cmd.Flags().IntVar(&clones, "clones", 100, "how many")
	return cmd
}
