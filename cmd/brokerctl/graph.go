// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/graph"
)

func newGraph() *cobra.Command {
	var s sourceFlags
	var output string
	cmd := &cobra.Command{
		Use:   "graph " + sourceUse,
		Short: "Draw a mesh as SVG, or for Graphviz or Mermaid",
		Long: `Draw the nodes of a mesh with their stores (a full dot is a master, an empty one a clone)
and the peerings between them; arrows lead from who connects. Dashed lines aren't protected
by the mesh's certificates, dashed boxes are endpoints outside. Of a mesh that runs (in a
cluster, or on this machine with --data-dir) what isn't ready is red, with the reason.`,
		Example: `  brokerctl graph -f mesh/ > mesh.svg
  brokerctl graph --namespace zeek -o mermaid`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if output != "svg" && output != "dot" && output != "mermaid" {
				return ctl.BadInput(fmt.Errorf("-o: %q: allowed: svg, dot, mermaid", output))
			}
			m, err := s.read(cmd)
			if err != nil {
				return err
			}
			for _, p := range m.Problems {
				fmt.Fprintln(cmd.ErrOrStderr(), p) // drawn as far as it can be understood
			}
			g := graph.Of(m)
			switch output {
			case "dot":
				return g.WriteDOT(cmd.OutOrStdout())
			case "mermaid":
				return g.WriteMermaid(cmd.OutOrStdout())
			}
			return g.WriteSVG(cmd.OutOrStdout())
		}),
	}
	s.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "svg", "`FORMAT`: svg, dot or mermaid")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"svg", "dot", "mermaid"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
