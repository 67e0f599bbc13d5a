// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/look"
)

func newTrace() *cobra.Command {
	var o client.Options
	var f format
	var t look.TraceOptions
	var value string
	cmd := &cobra.Command{
		Use:   "trace TOPIC " + reachUse,
		Short: "Show where a message would go, and where it went",
		Long: `Show the way of a message of the topic through the mesh as the node where it enters
would choose it now: from node to node, to the endpoints at the edge, and why not to
the others.

With --watch, nodes record what happens to messages of the topic, and the real way of
each is shown: when it came where, whom it was passed to, who got it and why it was
dropped. With --send a message is published for that.

` + textForms,
		Example: `  brokerctl trace zeek/events --origin worker-1 --peer 127.0.0.1:9999 --plain
  brokerctl trace /test --send hello --text --peer 127.0.0.1:9999 --tls-dir client`,
		Args: cobra.ExactArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) (err error) {
			t.Topic = args[0]
			if t.JSON, err = f.json(); err != nil {
				return err
			}
			if cmd.Flags().Changed("send") {
				v, err := o.Parse("--send", value)
				if err != nil {
					return err
				}
				t.Send = &v
			}
			return look.Trace(cmd.Context(), o, t, cmd.OutOrStdout())
		}),
	}
	reach(cmd, &o)
	values(cmd, &o)
	f.flag(cmd)
	fl := cmd.Flags()
	fl.StringVar(&t.Origin, "origin", "", "`NODE` that publishes: its name, or the beginning of its ID (default the node at --peer)")
	fl.BoolVar(&t.Watch, "watch", false, "show the way of messages that are published")
	fl.IntVar(&t.Count, "count", 0, "with --watch, end after so many messages")
	fl.StringVar(&value, "send", "", "publish `VALUE`, and show its way")
	return cmd
}
