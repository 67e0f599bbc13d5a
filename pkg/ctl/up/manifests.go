// SPDX-License-Identifier: Apache-2.0

package up

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/load"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// read loads the manifests. Everything that is wrong with them, each alone or
// all together, is written to notes, one finding a line. Only what is an error
// keeps the mesh from starting.
func read(o Options, notes io.Writer) (load.Loaded, error) {
	loaded, problems, err := load.Read(o.Files, o.Stdin)
	if err != nil {
		return loaded, ctl.BadInput(err)
	}
	findings := topology.Compile(objects(loaded), topology.Options{Namespace: loaded.Namespace, Plain: o.Plain}).Findings
	faults := len(problems)
	for _, f := range findings {
		p := place(loaded, f)
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
		return loaded, nil
	}
	noun := "problems"
	if faults == 1 {
		noun = "problem"
	}
	fmt.Fprintf(notes, "%d %s; nothing was started\n", faults, noun)
	return loaded, ctl.BadInput(nil)
}

// place is a finding with its file and line.
func place(loaded load.Loaded, f topology.Finding) load.Problem {
	p := load.Problem{Kind: f.Kind, Name: f.Name, Field: f.Field, Message: f.Message}
	p.File, p.Line = loaded.Position(f.Kind, f.Name, f.Field)
	return p
}

func objects(l load.Loaded) topology.Objects {
	return topology.Objects{Nodes: l.Nodes, Peerings: l.Peerings, Stores: l.Stores}
}
