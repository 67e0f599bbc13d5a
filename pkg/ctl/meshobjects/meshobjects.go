// SPDX-License-Identifier: Apache-2.0

// Package meshobjects holds the objects of one mesh for commands that look at
// them as a whole, wherever they come from: manifests, a cluster, or a mesh
// that `brokerctl up` runs.
package meshobjects

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/load"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Origin is where objects were read from.
type Origin string

// The origins.
const (
	// Files are manifests: wishes, of which nothing runs yet.
	Files Origin = "files"
	// Cluster objects have the statuses that the operator wrote.
	Cluster Origin = "cluster"
	// Laptop objects have the statuses that `brokerctl up` last wrote down.
	Laptop Origin = "laptop"
)

// Mesh is one mesh.
type Mesh struct {
	Namespace string
	Objects   topology.Objects
	Origin    Origin
	// Plain: the mesh runs without TLS, whatever its objects say.
	Plain bool
	// At is when the statuses were written down, of a mesh on a laptop.
	At time.Time
	// Problems are what the manifests say that no API server would take; what
	// is at fault is in Objects as far as it can be understood.
	Problems []load.Problem

	position func(kind, name, field string) (string, int)
}

// FromFiles reads manifests, folders of them, or "-" for stdin.
func FromFiles(paths []string, stdin io.Reader) (Mesh, error) {
	loaded, problems, err := load.Read(paths, stdin)
	if err != nil {
		return Mesh{}, ctl.BadInput(err)
	}
	return Mesh{
		Namespace: loaded.Namespace,
		Objects:   topology.Objects{Nodes: loaded.Nodes, Peerings: loaded.Peerings, Stores: loaded.Stores, Meshes: loaded.Meshes},
		Origin:    Files,
		Problems:  problems,
		position:  loaded.Position,
	}, nil
}

// Live reports whether the objects are those of a mesh that runs.
func (m Mesh) Live() bool { return m.Origin == Cluster || m.Origin == Laptop }

// Options are how the mesh is compiled: as in a cluster, unless it runs on a
// laptop, which has a folder for every store and nobody to grant leases.
func (m Mesh) Options() topology.Options {
	laptop := m.Origin == Laptop
	return topology.Options{Namespace: m.Namespace, Plain: m.Plain, RequireStorage: !laptop, NoLeases: laptop, NoPods: laptop}
}

// Position is the file and line of an object's field; "" and 0 for a mesh that
// wasn't read from files.
func (m Mesh) Position(kind, name, field string) (file string, line int) {
	if m.position == nil {
		return "", 0
	}
	return m.position(kind, name, field)
}

// Placed is a finding with the place that it is about.
type Placed struct {
	topology.Finding
	// File and Line are set for objects from files.
	File string
	Line int
}

// Place finds the places of findings, and puts them in the order of the files;
// what has no file stays in the order that it has, the worst first.
func (m Mesh) Place(findings []topology.Finding) []Placed {
	placed := make([]Placed, 0, len(findings))
	for _, f := range findings {
		p := Placed{Finding: f}
		p.File, p.Line = m.Position(f.Kind, f.Name, f.Field)
		placed = append(placed, p)
	}
	slices.SortStableFunc(placed, func(a, b Placed) int {
		if a.File == "" && b.File == "" {
			return cmp.Compare(a.Severity, b.Severity)
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return placed
}

// Count is a number with its noun.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
