// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// peerings reports on Peerings. What they mean for the nodes goes through the mesh.
type peerings struct {
	client  client.Client
	meshes  *meshes
	status  *reporter
	written *written
}

func (r *peerings) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Peering{}).
		WatchesRawSource(source.Channel(r.meshes.peerings, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// Reconcile writes the status that the newest view has for a Peering.
func (r *peerings) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	peering := &v1alpha1.Peering{}
	peering.Name, peering.Namespace = request.Name, request.Namespace
	if err := r.client.Get(ctx, request.NamespacedName, peering); err != nil {
		r.written.forget(peering)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if newest, ok := r.written.newest(peering).(*v1alpha1.Peering); ok {
		peering = newest
	}
	v := r.meshes.view(request.Namespace)
	if v == nil || peering.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	pv, ok := v.peerings[peering.Name]
	if !ok || pv.uid != peering.UID || pv.generation < peering.Generation {
		return ctrl.Result{}, nil
	}
	err := r.status.write(ctx, statusChange{
		object: peering, kind: "Peering", status: pv.status, before: peering.Status.Conditions, after: pv.status.Conditions,
		silent: []string{v1alpha1.ConditionReady},
	})
	if err != nil {
		return quiet(err)
	}
	return ctrl.Result{}, nil
}
