// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl/storetool"
)

func newStorePromote() *cobra.Command {
	var s storeFlags
	var node string
	var yes bool
	cmd := &cobra.Command{
		Use:   "promote NAME --at NODE " + reachUse,
		Short: "Decide which of two masters of a store writes",
		Long: `Two masters of one store that find each other at the same epoch both refuse writes until
somebody decides. This makes the one at a node write, with a later epoch; the others refuse
from then on, also after a restart. What only they have is not in the store any more.`,
		Example: `  brokerctl store promote known --at hub --peer 127.0.0.1:9999 --plain`,
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			return storetool.Promote(cmd.Context(), s.Options, node, func(question string) (bool, error) {
				fmt.Fprint(cmd.ErrOrStderr(), question)
				if yes {
					return true, nil
				}
				fmt.Fprint(cmd.ErrOrStderr(), "Go on? [y/N] ")
				line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
				answer := strings.ToLower(strings.TrimSpace(line))
				return answer == "y" || answer == "yes", nil
			})
		}),
	}
	s.format = "text"
	reach(cmd, &s.Options.Options)
	cmd.Flags().StringVar(&node, "at", "", "the `NODE` whose master is to write: its name, or the ID of its endpoint")
	_ = cmd.MarkFlagRequired("at")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}
