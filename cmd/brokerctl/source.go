// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
)

// sourceFlags say where the objects of a mesh are read from: exactly one of files, the data folder of an up, and a cluster.
type sourceFlags struct {
	files   []string
	dataDir string
	cluster bool
	at      clusterFlags
}

const sourceUse = "(-f FILE|DIR... | --data-dir DIR | --cluster)"

func (s *sourceFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&s.files, "filename", "f", nil, "manifest `FILE`, folder of them, or - for standard input; may be repeated")
	f.StringVar(&s.dataDir, "data-dir", "", "the data folder of a brokerctl up, `DIR`")
	f.BoolVar(&s.cluster, "cluster", false, "the mesh of a namespace in a cluster; also meant by the flags that choose one")
	s.at.add(cmd)
	_ = cmd.MarkFlagFilename("filename", "yaml", "yml", "json")
	_ = cmd.MarkFlagDirname("data-dir")
}

// read reads the objects.
func (s *sourceFlags) read(cmd *cobra.Command) (meshobjects.Mesh, error) {
	if err := s.check(); err != nil {
		return meshobjects.Mesh{}, ctl.BadInput(err)
	}
	switch {
	case len(s.files) > 0:
		return meshobjects.FromFiles(s.files, cmd.InOrStdin())
	case s.dataDir != "":
		return meshobjects.FromDataDir(s.dataDir)
	}
	return s.at.objects(cmd.Context())
}

func (s *sourceFlags) check() error {
	given := 0
	for _, is := range []bool{len(s.files) > 0, s.dataDir != "", s.cluster || s.at.set()} {
		if is {
			given++
		}
	}
	switch given {
	case 0:
		return errors.New("-f FILE, --data-dir DIR or --cluster is missing")
	case 1:
		return nil
	}
	return errors.New("-f, --data-dir and --cluster (with --kubeconfig, --context, --namespace): allowed: one of them")
}
