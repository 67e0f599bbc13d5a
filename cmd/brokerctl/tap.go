// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/tap"
)

func newTap() *cobra.Command {
	var o client.Options
	var f format
	var t tap.Output
	var pcap string
	cmd := &cobra.Command{
		Use:   "tap PREFIX... (" + reachUse + " | --pcap FILE)",
		Short: "Print messages as they pass, decoded",
		Long: `Print a line for each message whose topic begins with one of the prefixes, until Ctrl-C:
when it came, who published it, over how many connections and how long ago, topic and
value. Zeek's events are shown as name(arguments). A dash stands for what is not known.

The age is the time since the message entered the mesh, corrected by the difference of
the clocks; nodes stamp it for as long as somebody taps. Where there is no stamp, it is
the time since the network timestamp of the Zeek event.

With --pcap, read a capture of tcpdump (pcap or pcapng; - for standard input) of Broker
traffic without TLS instead, and print every frame in both directions: handshakes,
filters, pings, store commands and data. With prefixes, only messages of these topics.`,
		Example: `  brokerctl tap zeek/ --peer 127.0.0.1:9999 --plain --event Cluster::hello
  tcpdump -i lo -w - tcp port 9999 | brokerctl tap --pcap -`,
		RunE: work(func(cmd *cobra.Command, args []string) (err error) {
			if t.JSON, err = f.json(); err != nil {
				return err
			}
			t.Filter.Prefixes = args
			if pcap == "" {
				if len(args) == 0 {
					return ctl.BadInput(errors.New(`a PREFIX is missing ("" for every topic)`))
				}
				return tap.Live(cmd.Context(), o, t, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if o.Peer != "" {
				return ctl.BadInput(errors.New("--peer and --pcap exclude each other"))
			}
			in, err := input(cmd, pcap)
			if err != nil {
				return ctl.BadInput(fmt.Errorf("--pcap: %w", err))
			}
			defer in.Close()
			return tap.Capture(cmd.Context(), in, t, cmd.OutOrStdout(), cmd.ErrOrStderr())
		}),
	}
	reach(cmd, &o)
	f.flag(cmd)
	fl := cmd.Flags()
	fl.StringVar(&pcap, "pcap", "", "read the capture `FILE` instead of connecting; - for standard input")
	fl.StringVar(&t.Filter.Event, "event", "", "only messages with the Zeek event `NAME`")
	fl.StringVar(&t.Filter.From, "from", "", "only from this source: `NAME`, ID or address, or the beginning of it")
	fl.StringVar(&t.Filter.Topic, "topic", "", "only topics like `PATTERN`, with * and ? for anything but a slash")
	fl.StringVar(&t.Filter.Match, "match", "", "only with this `TEXT` in topic or value")
	fl.IntVar(&t.Count, "count", 0, "end after so many")
	fl.Float64Var(&t.Rate, "rate", 0, "print at most so many a second, and say how many were left out")
	_ = cmd.MarkFlagFilename("pcap")
	return cmd
}

// input opens a file, or standard input for a dash.
func input(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(name)
}
