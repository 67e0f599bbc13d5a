// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/look"
)

const (
	reachUse   = "--peer HOST:PORT (--tls-dir DIR | --plain | --anonymous)"
	foreignHas = "\n\nOnly nodes of brokermesh answer questions. Of other endpoints, such as Zeek itself,\nthe node next to them tells what it sees."
)

// format is the flag -o of a command that prints text or JSON.
type format string

func (f *format) flag(cmd *cobra.Command) {
	cmd.Flags().StringVarP((*string)(f), "output", "o", "text", "`FORMAT`: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// json tells whether JSON is asked for.
func (f format) json() (bool, error) {
	if f != "text" && f != "json" {
		return false, ctl.BadInput(fmt.Errorf("-o: %q: allowed: text, json", string(f)))
	}
	return f == "json", nil
}

func newPeers() *cobra.Command {
	var o client.Options
	var f format
	cmd := &cobra.Command{
		Use:   "peers " + reachUse,
		Short: "Show every endpoint of the mesh with its peers",
		Long: `Ask every node of the mesh, beginning with the one that is named, for its peers: how
the connections stand and since when, the time of a round trip, what waits and what was
dropped.` + foreignHas,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			asJSON, err := f.json()
			if err != nil {
				return err
			}
			return look.Peers(cmd.Context(), o, asJSON, cmd.OutOrStdout())
		}),
	}
	reach(cmd, &o)
	f.flag(cmd)
	return cmd
}

func newTopics() *cobra.Command {
	var o client.Options
	var f format
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "topics " + reachUse,
		Short: "Show which topics are wanted, by whom, and how many messages they get",
		Long: `Ask every node of the mesh for the prefixes of topics that its subscribers, stores and
the endpoints at its edge want, and look again after a moment to tell rates. Rates are
counted for a subscriber or endpoint as a whole.` + foreignHas,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			asJSON, err := f.json()
			if err != nil {
				return err
			}
			if interval < 0 {
				return ctl.BadInput(fmt.Errorf("--interval: %v: allowed: 0 (no rates) and more", interval))
			}
			return look.Topics(cmd.Context(), o, interval, asJSON, cmd.OutOrStdout())
		}),
	}
	reach(cmd, &o)
	f.flag(cmd)
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "time between the two looks; 0 looks once and tells no rates")
	return cmd
}

func newTop() *cobra.Command {
	var o client.Options
	var f format
	var t look.TopOptions
	cmd := &cobra.Command{
		Use:   "top " + reachUse,
		Short: "Show the traffic of every peering, live",
		Long: `Ask every node of the mesh again and again, and show messages and bytes a second in and
out of it, what waits and what is dropped and why, for the node and for each of its
peers, until Ctrl-C.` + foreignHas,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) (err error) {
			if t.JSON, err = f.json(); err != nil {
				return err
			}
			if terminal := terminalOf(cmd.OutOrStdout()); terminal != nil {
				t.Width = terminal.Width
			}
			return look.Top(cmd.Context(), o, t, cmd.OutOrStdout())
		}),
	}
	reach(cmd, &o)
	f.flag(cmd)
	cmd.Flags().DurationVar(&t.Interval, "interval", time.Second, "time between two looks")
	cmd.Flags().BoolVar(&t.Once, "once", false, "end after the first table")
	return cmd
}

func newPing() *cobra.Command {
	var o client.Options
	var f format
	var count int
	cmd := &cobra.Command{
		Use:   "ping " + reachUse,
		Short: "Measure the way to every endpoint of the mesh, and its clock",
		Long: `Ask every node of the mesh for the time, several times, and show how long that took and
by how much its clock differs from the one here.` + foreignHas,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			asJSON, err := f.json()
			if err != nil {
				return err
			}
			return look.Ping(cmd.Context(), o, count, asJSON, cmd.OutOrStdout())
		}),
	}
	reach(cmd, &o)
	f.flag(cmd)
	cmd.Flags().IntVar(&count, "count", 10, "how often each node is asked")
	return cmd
}
