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

// dataStores reports on DataStores. What they mean for the nodes goes through the mesh.
type dataStores struct {
	client  client.Client
	meshes  *meshes
	status  *reporter
	written *written
}

func (r *dataStores) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.DataStore{}).
		WatchesRawSource(source.Channel(r.meshes.stores, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// Reconcile writes the status that the newest view has for a DataStore.
func (r *dataStores) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	store := &v1alpha1.DataStore{}
	store.Name, store.Namespace = request.Name, request.Namespace
	if err := r.client.Get(ctx, request.NamespacedName, store); err != nil {
		r.written.forget(store)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if newest, ok := r.written.newest(store).(*v1alpha1.DataStore); ok {
		store = newest
	}
	v := r.meshes.view(request.Namespace)
	if v == nil || store.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	sv, ok := v.stores[store.Name]
	if !ok || sv.uid != store.UID || sv.generation < store.Generation {
		return ctrl.Result{}, nil
	}
	err := r.status.write(ctx, statusChange{
		object: store, kind: "DataStore", status: sv.status, before: store.Status.Conditions, after: sv.status.Conditions,
		silent: []string{v1alpha1.ConditionReady},
	})
	if err != nil {
		return quiet(err)
	}
	return ctrl.Result{}, nil
}
