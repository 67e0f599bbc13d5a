// SPDX-License-Identifier: Apache-2.0

package storemove

import (
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/local"
)

// Local is a mesh of `brokerctl up` by its data folder.
type Local struct {
	DataDir string
	Move    Move
}

// Look reads what the mesh wrote down.
func (l Local) Look(context.Context) (State, error) {
	places, err := local.ReadPlaces(l.DataDir)
	if err != nil {
		return State{}, err
	}
	p, ok := places[l.Move.Store]
	if !ok {
		return State{}, fmt.Errorf("no DataStore %q in the mesh of %s; is brokerctl up running with --data-dir?", l.Move.Store, l.DataDir)
	}
	s := State{Current: local.MoveTaken(l.DataDir, l.Move.Store), Words: p.Message}
	s.Refused = p.Reason == string(v1alpha1.ReasonMoveRefused)
	if p.Master != nil {
		s.Node, s.Epoch = p.Master.Node, p.Master.Epoch
	}
	return s, nil
}

// Begin leaves the move where the mesh looks for it.
func (l Local) Begin(context.Context) error {
	return local.RequestMove(l.DataDir, l.Move.Store, local.Move{
		Node: l.Move.Node, StrandForeignClones: l.Move.StrandForeignClones, WithoutMaster: l.Move.WithoutMaster,
	})
}
