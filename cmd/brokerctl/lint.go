// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/review"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

func newLint() *cobra.Command {
	var s sourceFlags
	var f format
	var least string
	o := review.LintOptions{}
	cmd := &cobra.Command{
		Use:   "lint " + sourceUse,
		Short: "Find what is wrong with the objects of a mesh, and what will hurt",
		Long: `Hold the objects of a mesh against everything that can be known without running it. Each
finding has a severity, a code (docs/lint.md explains them all), the object and the field,
and for manifests file and line.

Exit code 1 if there is an error: something that the objects ask for would not be done.`,
		Example: `  brokerctl lint -f mesh/
  brokerctl lint --namespace zeek --severity warning`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) (err error) {
			if o.JSON, err = f.json(); err != nil {
				return err
			}
			allowed := map[string]topology.Severity{"error": topology.Error, "warning": topology.Warning, "info": topology.Info}
			severity, ok := allowed[least]
			if !ok {
				return ctl.BadInput(fmt.Errorf("--severity: %q: allowed: error, warning, info", least))
			}
			m, err := s.read(cmd)
			if err != nil {
				return err
			}
			o.Least, o.Out = severity, cmd.OutOrStdout()
			return review.Lint(m, o)
		}),
	}
	s.add(cmd)
	f.flag(cmd)
	cmd.Flags().StringVar(&least, "severity", "info", "show findings of this `SEVERITY` and worse: error, warning or info")
	_ = cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]string{"error", "warning", "info"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
