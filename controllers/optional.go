// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// applyOptionals makes the objects that the spec asks for, and takes away those of ours that it doesn't ask for any more. The first that
// can't be written ends it.
func (r *brokerNodes) applyOptionals(ctx context.Context, node *v1alpha1.BrokerNode, desired manifest.Objects) error {
	for _, o := range desired.Optionals(node) {
		if err := r.applier.optional(ctx, node, o.Object, o.Wanted); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes an object that the owner's spec doesn't ask for, if it is the owner's. The caches hold all that carry the operator's
// label, so that nobody else is asked; what has lost the label is not the operator's to delete.
func (a *applier) remove(ctx context.Context, owner *v1alpha1.BrokerNode, o manifest.Object) error {
	live, err := fresh(a.client, o)
	if err != nil {
		return err
	}
	kind := o.GetObjectKind().GroupVersionKind().Kind
	switch err := a.client.Get(ctx, client.ObjectKeyFromObject(o), live); {
	case apierrors.IsNotFound(err):
		a.forget(o)
		return nil
	case err != nil:
		return fmt.Errorf("read %s %s: %w", kind, o.GetName(), err)
	}
	if live.GetDeletionTimestamp() != nil || !ownedBy(live, owner) {
		return nil
	}
	uid := live.GetUID()
	if err := a.client.Delete(ctx, live, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s %s: %w", kind, o.GetName(), err)
	}
	a.forget(o)
	a.events.Eventf(owner, nil, corev1.EventTypeNormal, "Removed", "Apply", "%s %s is removed: the spec doesn't ask for it any more", kind, o.GetName())
	return nil
}

// pausedFacts are what was known of the node before; nothing of it is changed, so that nothing waits.
func pausedFacts(node *v1alpha1.BrokerNode, known evidence.Facts) evidence.Facts {
	if known.Image == "" {
		known.Image = node.Status.Image
	}
	known.RestartNeeded, known.VolumeGrowing = "", ""
	return known
}

// withdraw takes back what was offered to the pods of paused nodes: they are told nothing.
func (m *mesh) withdraw(nodes []v1alpha1.BrokerNode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range nodes {
		if nodes[i].Spec.Paused {
			for _, pod := range topology.Pods(&nodes[i]) {
				delete(m.mu.offers, pod)
			}
		}
	}
}
