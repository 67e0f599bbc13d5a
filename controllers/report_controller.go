// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// reports is the controller of a kind that is only reported on: Peerings and DataStores. What they mean for the nodes goes through
// the mesh.
type reports[T any, P interface {
	*T
	client.Object
}] struct {
	client  client.Client
	meshes  *meshes
	status  *reporter
	written *written

	kind string
	// woken names objects whose view has changed; views are those of the kind, by name.
	woken      chan event.GenericEvent
	views      func(*view) map[string]reportView
	conditions func(P) []metav1.Condition
	// tend does what else there is to do for an object before its status is written; done means that there is no status to write. Nil
	// does nothing.
	tend func(context.Context, P, reportView) (result ctrl.Result, done bool, err error)
}

func (r *reports[T, P]) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(P(new(T))).
		WatchesRawSource(source.Channel(r.woken, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// Reconcile writes the status that the newest view has for an object.
func (r *reports[T, P]) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := P(new(T))
	object.SetName(request.Name)
	object.SetNamespace(request.Namespace)
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		r.written.forget(object)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if newest, ok := r.written.newest(object).(P); ok {
		object = newest
	}
	var rv reportView
	v := r.meshes.view(request.Namespace)
	if v != nil {
		rv = r.views(v)[request.Name]
	}
	if rv.uid != object.GetUID() || rv.generation < object.GetGeneration() {
		rv = reportView{} // about something else
	}
	var result ctrl.Result
	if r.tend != nil {
		var done bool
		var err error
		if result, done, err = r.tend(ctx, object, rv); done || err != nil {
			return result, err
		}
	}
	if rv.uid == "" || object.GetDeletionTimestamp() != nil && !rv.removal {
		return result, nil
	}
	err := r.status.write(ctx, statusChange{
		object: object, kind: r.kind, status: rv.status, before: r.conditions(object), after: rv.conditions,
		silent: []string{v1alpha1.ConditionReady},
	})
	if err != nil {
		return quiet(err)
	}
	return result, nil
}
