// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/review"
)

func newExplain() *cobra.Command {
	var s sourceFlags
	var f format
	cmd := &cobra.Command{
		Use:   "explain KIND/NAME " + sourceUse,
		Short: "Tell why an object of a mesh is as it is, and what to do next",
		Long: `Show what a node, a peering or a store asks for, what its conditions mean, what each end
reports, how the objects are that it rests on, and what helps. Of manifests (-f) there is
only what they ask for, and the findings of brokerctl lint.`,
		Example: `  brokerctl explain peering/worker-1-manager --namespace zeek
  brokerctl explain store/known-hosts --data-dir /tmp/mesh`,
		Args: cobra.ExactArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			asJSON, err := f.json()
			if err != nil {
				return err
			}
			kind, name, err := review.ParseObject(args[0])
			if err != nil {
				return ctl.BadInput(err)
			}
			m, err := s.read(cmd)
			if err != nil {
				return err
			}
			x, err := review.Explain(m, kind, name, time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return x.WriteJSON(cmd.OutOrStdout())
			}
			return x.WriteText(cmd.OutOrStdout())
		}),
	}
	s.add(cmd)
	f.flag(cmd)
	return cmd
}
