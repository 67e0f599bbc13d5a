// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/storemove"
)

// moveTime is how long a move is followed unless told otherwise.
const moveTime = 2 * time.Minute

func newStoreMove() *cobra.Command {
	var o storemove.Options
	var at clusterFlags
	var dataDir string
	var yes bool
	cmd := &cobra.Command{
		Use:   "move NAME --to NODE [--data-dir DIR | --namespace NAMESPACE]",
		Short: "Move the master of a store to another node",
		Long: `Move the master of the DataStore NAME to the BrokerNode NODE, and follow that until it is
done or refused. The master serves where it was until NODE has everything; no write that was
acknowledged is lost. A clone on NODE becomes one of the node that the master leaves.

In a cluster (by kubeconfig) this changes spec.master.node of the DataStore. With --data-dir
it moves in the mesh that brokerctl up runs with that data folder.

When the master's node is gone for good, --without-master makes the clone on NODE the master
without asking: what only the lost master had is lost. Take the clone that is furthest ahead
(brokerctl store stat).`,
		Args: cobra.ExactArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			o.Store = args[0]
			switch {
			case o.Node == "":
				return ctl.BadInput(errors.New("--to NODE is missing"))
			case o.Timeout <= 0:
				return ctl.BadInput(fmt.Errorf("--timeout: %v: allowed: more than 0", o.Timeout))
			case dataDir != "" && at.set():
				return ctl.BadInput(errors.New("--data-dir: a mesh on this machine has no kubeconfig, context or namespace"))
			}
			o.Out, o.Notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			if !yes {
				o.Confirm = func(question string) (bool, error) {
					return confirm(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), question)
				}
			}
			if dataDir != "" {
				return storemove.Run(cmd.Context(), storemove.Local{DataDir: dataDir, Move: o.Move}, o)
			}
			mesh, err := at.mesh(o.Move)
			if err != nil {
				return err
			}
			return storemove.Run(cmd.Context(), mesh, o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.Node, "to", "", "the `NODE` that shall have the master")
	f.BoolVar(&o.StrandForeignClones, "strand-foreign-clones", false, "go on although clones of other implementations follow the master; they must be attached anew")
	f.BoolVar(&o.WithoutMaster, "without-master", false, "don't ask the present master, which is gone for good")
	f.BoolVarP(&yes, "yes", "y", false, "don't ask before --without-master")
	f.DurationVar(&o.Timeout, "timeout", moveTime, "exit with 3 if the master isn't there by then; the move goes on")
	f.StringVar(&dataDir, "data-dir", "", "the data folder of a running brokerctl up, `DIR`")
	at.add(cmd)
	_ = cmd.MarkFlagDirname("data-dir")
	return cmd
}

// confirm asks a question that only "y" or "yes" agrees to.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	if _, err := fmt.Fprintf(out, "%s [y/N] ", question); err != nil {
		return false, err
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", ctx.Err()
}
