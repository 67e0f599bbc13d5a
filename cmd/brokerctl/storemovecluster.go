// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/storemove"
	"github.com/brokermesh/brokermesh/pkg/local"
)

// mesh is the mesh in the cluster, as a move sees it.
func (c *clusterFlags) mesh(move storemove.Move) (*clusterMesh, error) {
	api, namespace, err := c.connect()
	if err != nil {
		return nil, err
	}
	return &clusterMesh{api: api, key: client.ObjectKey{Namespace: namespace, Name: move.Store}, move: move}, nil
}

// clusterMesh is a mesh in a cluster, by one of its DataStores.
type clusterMesh struct {
	api  client.Client
	key  client.ObjectKey
	move storemove.Move
	// generation is that of the spec with the move; 0 before.
	generation int64
	// epoch is the least that a promoted master has; 0 without a promotion.
	epoch int64
}

func (m *clusterMesh) get(ctx context.Context) (*v1alpha1.DataStore, error) {
	var s v1alpha1.DataStore
	if err := m.api.Get(ctx, m.key, &s); err != nil {
		return nil, fmt.Errorf("read the DataStore: %w", err)
	}
	return &s, nil
}

// Look reads the status.
func (m *clusterMesh) Look(ctx context.Context) (storemove.State, error) {
	s, err := m.get(ctx)
	if err != nil {
		return storemove.State{}, err
	}
	var state storemove.State
	if at := s.Status.Master; at != nil {
		state.Node, state.Epoch = at.Node, at.Epoch
	}
	if c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionMasterAvailable); c != nil {
		state.Current = m.generation != 0 && c.ObservedGeneration >= m.generation && (state.Node != m.move.Node || state.Epoch >= m.epoch)
		state.Refused, state.Words = c.Reason == string(v1alpha1.ReasonMoveRefused), c.Message
	}
	return state, nil
}

// Begin changes the spec. Where it says already where the master shall go, because that came away from there by a failover, it has to agree
// with where the master is first: only a change is a move.
func (m *clusterMesh) Begin(ctx context.Context) error {
	s, err := m.get(ctx)
	if err != nil {
		return err
	}
	at := s.Status.Master
	if at != nil && at.Node != m.move.Node && s.Spec.Master.Node == m.move.Node && at.SpecNode == m.move.Node && !m.move.WithoutMaster {
		if err := m.change(ctx, at.Node, nil); err != nil {
			return err
		}
		if err := m.agrees(ctx, at.Node); err != nil {
			return err
		}
	}
	return m.change(ctx, m.move.Node, func(s *v1alpha1.DataStore) {
		if m.move.StrandForeignClones {
			s.Spec.Master.StrandForeignClones = true
		}
		if at := s.Status.Master; m.move.WithoutMaster && at != nil && at.Node != m.move.Node {
			if s.Annotations == nil {
				s.Annotations = make(map[string]string)
			}
			m.epoch = at.Epoch + 1
			s.Annotations[v1alpha1.PromoteAnnotation] = fmt.Sprintf("%s/%d", m.move.Node, m.epoch)
		}
	})
}

// change has the spec want the master somewhere.
func (m *clusterMesh) change(ctx context.Context, node string, more func(*v1alpha1.DataStore)) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		s, err := m.get(ctx)
		if err != nil {
			return err
		}
		before := s.DeepCopy()
		local.MoveSpec(s, node)
		if more != nil {
			more(s)
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := m.api.Patch(ctx, s, patch, client.FieldOwner("brokerctl")); err != nil {
			return err
		}
		m.generation = s.Generation
		return nil
	})
	if err != nil {
		return fmt.Errorf("change the DataStore: %w", err)
	}
	return nil
}

// agrees waits until the operator has seen that the spec agrees with where the master is.
func (m *clusterMesh) agrees(ctx context.Context, node string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := m.get(ctx)
		if err != nil {
			return err
		}
		if at := s.Status.Master; at != nil && at.SpecNode == node {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
