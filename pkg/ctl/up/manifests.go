// SPDX-License-Identifier: Apache-2.0

package up

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/load"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// read loads the manifests. Everything that is wrong with them, each alone or
// all together, is written to notes, one finding a line.
func read(o Options, notes io.Writer) (load.Loaded, error) {
	loaded, problems, err := load.Read(o.Files, o.Stdin)
	if err != nil {
		return loaded, ctl.BadInput(err)
	}
	problems = append(problems, check(loaded, o)...)
	if len(problems) == 0 {
		return loaded, nil
	}
	slices.SortStableFunc(problems, func(a, b load.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	for _, p := range problems {
		fmt.Fprintln(notes, p)
	}
	noun := "problems"
	if len(problems) == 1 {
		noun = "problem"
	}
	fmt.Fprintf(notes, "%d %s; nothing was started\n", len(problems), noun)
	return loaded, ctl.BadInput(nil)
}

// check compiles the topology and puts its findings into their places.
func check(loaded load.Loaded, o Options) []load.Problem {
	compiled := topology.Compile(objects(loaded), topology.Options{Namespace: loaded.Namespace, Plain: o.Plain})
	problems := make([]load.Problem, 0, len(compiled.Findings))
	for _, f := range compiled.Findings {
		p := load.Problem{Kind: f.Kind, Name: f.Name, Field: f.Field, Message: f.Message}
		p.File, p.Line = loaded.Position(f.Kind, f.Name, f.Field)
		problems = append(problems, p)
	}
	return problems
}

func objects(l load.Loaded) topology.Objects {
	return topology.Objects{Nodes: l.Nodes, Peerings: l.Peerings, Stores: l.Stores}
}
