// SPDX-License-Identifier: Apache-2.0

// Command brokerctl runs a mesh on one machine and looks into meshes that run
// elsewhere. This package holds flags and wiring; the work is done by pkg/ctl,
// pkg/local and pkg/bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// version is set by the linker.
var version = "v0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program: it executes the command line and answers the exit
// code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var begun *begunError
	if err != nil && !errors.As(err, &begun) {
		// The command never ran: its flags or arguments are wrong.
		err = ctl.BadInput(err)
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "brokerctl:", err)
	}
	return ctl.Code(err)
}

// begunError tells an error of a command's work from one of its arguments.
type begunError struct{ error }

func (e *begunError) Unwrap() error { return e.error }

// work makes a command's RunE.
func work(do func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := do(cmd, args); err != nil {
			return &begunError{err}
		}
		return nil
	}
}

const exitCodes = "Exit codes: 0 done, 1 failed, 2 bad flags, arguments, manifests or input, 3 not within the given time,\n4 something to do (plan --exit-code)."

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "brokerctl",
		Short:         "Run and look into meshes of Broker endpoints",
		Long:          "brokerctl runs the meshes that brokermesh manifests describe on this machine, and talks to endpoints of any mesh.\n\n" + exitCodes,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newUp(), newSub(), newPub(), newStore(), newData(), newToken(), newBench(), newVersion())
	root.AddCommand(newLint(), newPlan(), newGraph(), newExplain(), newRestart())
	root.AddCommand(newPeers(), newTopics(), newTop(), newTap(), newTrace(), newPing())
	return root
}

// newGroup makes a command that only holds others; alone it prints its help.
func newGroup(use, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  cobra.NoArgs, // an unknown command is an error
		RunE:  work(func(cmd *cobra.Command, _ []string) error { return cmd.Help() }),
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		}),
	}
}
