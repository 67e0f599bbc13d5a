// SPDX-License-Identifier: Apache-2.0

package up

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/load"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// read loads the manifests. Everything that is wrong with them, each alone or
// all together, is written to notes, one finding a line. Only what is an error
// keeps the mesh from starting.
func read(o Options, notes io.Writer) (meshobjects.Mesh, error) {
	mesh, err := meshobjects.FromFiles(o.Files, o.Stdin)
	if err != nil {
		return mesh, err
	}
	problems, faults := mesh.Problems, len(mesh.Problems)
	findings := topology.Compile(mesh.Objects, topology.Options{Namespace: mesh.Namespace, Plain: o.Plain, NoPods: true}).Findings
	for _, f := range mesh.Place(findings) {
		p := load.Problem{File: f.File, Line: f.Line, Kind: f.Kind, Name: f.Name, Field: f.Field, Message: f.Message}
		if f.Severity == topology.Error {
			faults++
		} else {
			p.Message = strings.ToLower(f.Severity.String()) + ": " + p.Message
		}
		problems = append(problems, p)
	}
	slices.SortStableFunc(problems, func(a, b load.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	for _, p := range problems {
		fmt.Fprintln(notes, p)
	}
	if faults == 0 {
		return mesh, nil
	}
	fmt.Fprintf(notes, "%s; nothing was started\n", meshobjects.Count(faults, "problem"))
	return mesh, ctl.BadInput(nil)
}
