// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/up"
	"github.com/brokermesh/brokermesh/pkg/profiling"
)

// readyTime is how long --until-ready waits unless told otherwise.
const readyTime = 60 * time.Second

func newUp() *cobra.Command {
	var o up.Options
	var output string
	cmd := &cobra.Command{
		Use:   "up -f FILE|DIR...",
		Short: "Run the mesh that manifests describe on this machine",
		Long: `Run every BrokerNode of the manifests in this process, on free ports of the loopback
and with mutual TLS as in a cluster, until Ctrl-C. Standard output shows what the nodes
report: a table that lives, lines if it is no terminal, or one document.

The data folder keeps persistent stores, the nodes' log, and in client/ the certificate
with which sub, pub and store connect (--tls-dir).`,
		Example: `  brokerctl up -f config/samples/zeek-cluster.yaml
  brokerctl up -f mesh/ --until-ready --timeout 30s -o json`,
		RunE: work(func(cmd *cobra.Command, args []string) error {
			o.Files = append(o.Files, args...)
			o.Output = up.Output(output)
			if err := checkUp(cmd, &o); err != nil {
				return ctl.BadInput(err)
			}
			o.Stdin, o.Out, o.Notes, o.Version = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), version
			o.Terminal = terminalOf(o.Out)
			return up.Run(cmd.Context(), o)
		}),
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.Files, "filename", "f", nil, "manifest `FILE`, folder of them, or - for standard input; may be repeated")
	f.BoolVar(&o.UntilReady, "until-ready", false, "end with exit code 0 as soon as every condition holds")
	f.DurationVar(&o.Timeout, "timeout", 0, "exit with 3, and say what is missing, if the mesh isn't ready by then (default 1m0s with --until-ready)")
	f.StringVarP(&output, "output", "o", string(up.Table), "`FORMAT`: table, json or yaml; the last two print one document when the mesh is ready")
	f.StringVar(&o.DataDir, "data-dir", "", "keep persistent stores and certificates in `DIR` (default a fresh temporary folder)")
	f.BoolVar(&o.Plain, "plain", false, "no TLS on the nodes' ports")
	f.StringVar(&o.PProf, "pprof", "", "serve profiles of the nodes at this loopback `HOST:PORT`, below /debug/pprof/")
	_ = cmd.MarkFlagFilename("filename", "yaml", "yml", "json")
	_ = cmd.MarkFlagDirname("data-dir")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func checkUp(cmd *cobra.Command, o *up.Options) error {
	switch o.Output {
	case up.Table, up.JSON, up.YAML:
	default:
		return fmt.Errorf("-o: %q: allowed: table, json, yaml", o.Output)
	}
	if len(o.Files) == 0 {
		return errors.New("-f FILE is missing")
	}
	if o.PProf != "" {
		if err := profiling.Check(o.PProf); err != nil {
			return fmt.Errorf("--pprof: %w", err)
		}
	}
	if !cmd.Flags().Changed("timeout") {
		if o.UntilReady {
			o.Timeout = readyTime
		}
	} else if o.Timeout <= 0 {
		return fmt.Errorf("--timeout: %v: allowed: more than 0", o.Timeout)
	}
	return nil
}

// terminalOf is what is known of the terminal that w is; nil if it is none.
func terminalOf(w io.Writer) *up.Terminal {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &up.Terminal{
		Color: os.Getenv("NO_COLOR") == "",
		Width: func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return width
		},
	}
}
