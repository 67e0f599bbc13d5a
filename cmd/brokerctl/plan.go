// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/ctl/review"
)

func newPlan() *cobra.Command {
	var files, against []string
	var dataDir string
	var cluster, prune bool
	var at clusterFlags
	var f format
	var o review.PlanOptions
	cmd := &cobra.Command{
		Use:   "plan -f FILE|DIR... (--against FILE|DIR... | --data-dir DIR | --cluster)",
		Short: "Show what a change of manifests would do to a mesh, before it is applied",
		Long: `Compare manifests with what is there, and show what applying them would do: which objects
change, which pods restart and why, which connections drop and when they are back, which
stores are without their master or lose entries, which findings (brokerctl lint) come and go.

What is there is a mesh in a cluster, one on this machine (--data-dir) or other manifests
(--against). Against manifests, objects that only those have are removed; otherwise they
stay, as with kubectl apply, unless --prune is given.

A change that the API server would refuse, or that brings errors, is refused with exit
code 1. With --exit-code a plan that isn't empty ends with exit code 4.`,
		Example: `  brokerctl plan -f mesh/ --namespace zeek
  brokerctl plan -f mesh/ --against released/ -o json`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) (err error) {
			if o.JSON, err = f.json(); err != nil {
				return err
			}
			if len(files) == 0 {
				return ctl.BadInput(errors.New("-f FILE is missing"))
			}
			s := sourceFlags{files: against, dataDir: dataDir, cluster: cluster, at: at}
			if err := s.check(); err != nil {
				return ctl.BadInput(errors.New("--against FILE, --data-dir DIR, --cluster (with --kubeconfig, --context, --namespace): allowed: exactly one of them"))
			}
			change, err := meshobjects.FromFiles(files, cmd.InOrStdin())
			if err != nil {
				return err
			}
			mesh, err := s.read(cmd)
			if err != nil {
				return err
			}
			o.Prune = prune || len(against) > 0
			o.Out, o.Notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return review.Plan(mesh, change, o)
		}),
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&files, "filename", "f", nil, "manifest `FILE`, folder of them, or - for standard input, with the change; may be repeated")
	fl.StringArrayVar(&against, "against", nil, "manifest `FILE` or folder with what is there; may be repeated")
	fl.StringVar(&dataDir, "data-dir", "", "what is there is the mesh of a brokerctl up with this data folder, `DIR`")
	fl.BoolVar(&cluster, "cluster", false, "what is there is the mesh of a namespace in a cluster; also meant by the flags that choose one")
	fl.BoolVar(&prune, "prune", false, "remove the objects that the manifests don't have")
	fl.BoolVar(&o.ExitCode, "exit-code", false, "exit with 4 if there is something to do")
	at.add(cmd)
	f.flag(cmd)
	_ = cmd.MarkFlagFilename("filename", "yaml", "yml", "json")
	_ = cmd.MarkFlagFilename("against", "yaml", "yml", "json")
	_ = cmd.MarkFlagDirname("data-dir")
	return cmd
}
