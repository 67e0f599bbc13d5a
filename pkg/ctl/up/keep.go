// SPDX-License-Identifier: Apache-2.0

package up

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshview"
	"github.com/brokermesh/brokermesh/pkg/local"
)

// keepEvery is how often it is written down at least how the mesh is, so that
// who reads it knows whether the mesh still runs.
const keepEvery = meshobjects.FreshFor / 3

// keep writes down what runs and how it is, for other commands.
func keep(mesh *local.Mesh, state meshview.State, loaded meshobjects.Mesh, o Options) error {
	m := meshobjects.Mesh{Namespace: loaded.Namespace, Plain: o.Plain, Objects: mesh.Objects()}
	m.Objects.Meshes = loaded.Objects.Meshes
	return meshobjects.Write(mesh.DataDir(), m, state.Verdict, time.Now())
}
