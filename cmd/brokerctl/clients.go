// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
)

const textForms = `With --text, values are read so: nil; T, F (boolean); 42 (count); +42, -1 (integer);
1.5, 1e9, inf (real); "text" (string); 1.2.3.4, ::1 (address); 10.0.0.0/8 (subnet);
80/tcp (port); 5s, 1500ns (timespan); 2023-11-14T22:13:20 (timestamp); Log::INFO,
enum(tcp) (enum value); {1, 2} (set); {"a" -> 1}, {->} (table); (1, 2) (vector).
Anything else is a string as it stands.`

// reach adds the flags that say how a mesh is reached.
func reach(cmd *cobra.Command, o *client.Options) {
	f := cmd.Flags()
	f.StringVar(&o.Peer, "peer", "", "`HOST:PORT` of the node to talk to")
	f.StringVar(&o.TLSDir, "tls-dir", "", "`DIR` with ca.crt, tls.crt and tls.key, such as client/ in the data folder of up")
	f.BoolVar(&o.Plain, "plain", false, "no TLS")
	f.BoolVar(&o.Anonymous, "anonymous", false, "TLS without certificates, as Zeek does by default: encrypted, but nobody is authenticated")
	f.DurationVar(&o.Timeout, "timeout", 10*time.Second, "how long to wait for the node, and for answers")
}

// values adds the flag for how values are read and printed.
func values(cmd *cobra.Command, o *client.Options) {
	cmd.Flags().BoolVar(&o.Text, "text", false, "values as text instead of JSON")
}

func newSub() *cobra.Command {
	var o client.Options
	var count int
	cmd := &cobra.Command{
		Use:   "sub PREFIX... --peer HOST:PORT (--tls-dir DIR | --plain | --anonymous)",
		Short: "Print the messages on topics with these prefixes",
		Long: `Print one line "TOPIC VALUE" for each message whose topic begins with one of the
prefixes, until Ctrl-C; "" means every topic. Standard error says when the
subscription stands: messages published from then on are seen.`,
		Args: cobra.MinimumNArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			if count < 0 {
				return ctl.BadInput(fmt.Errorf("--count: %d: allowed: 0 (no end) and more", count))
			}
			return client.Subscribe(cmd.Context(), o, args, count, cmd.OutOrStdout(), cmd.ErrOrStderr())
		}),
	}
	reach(cmd, &o)
	values(cmd, &o)
	cmd.Flags().IntVar(&count, "count", 0, "end after so many messages")
	return cmd
}

func newPub() *cobra.Command {
	var o client.Options
	cmd := &cobra.Command{
		Use:   "pub TOPIC VALUE --peer HOST:PORT (--tls-dir DIR | --plain | --anonymous)",
		Short: "Publish a message",
		Long: `Publish one message, and end when the node has it. VALUE is JSON as in the WebSocket
protocol: {"@data-type":"count","data":42}.

` + textForms + "\n\nPut -- before the arguments if a value begins with a dash.",
		Example: `  brokerctl pub /news '{"@data-type":"string","data":"hello"}' --peer 127.0.0.1:9999 --plain
  brokerctl pub /news 42 --text --peer 127.0.0.1:9999 --tls-dir client`,
		Args: cobra.ExactArgs(2),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			return client.Publish(cmd.Context(), o, args[0], args[1], cmd.ErrOrStderr())
		}),
	}
	reach(cmd, &o)
	values(cmd, &o)
	return cmd
}
