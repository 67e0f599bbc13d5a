// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// roll replaces the node's pod if it is that pod's turn, and says what its old pods need to be replaced for; empty if it has none.
func (r *brokerNodes) roll(ctx context.Context, node *v1alpha1.BrokerNode, nv nodeView) (needed string, err error) {
	if !nv.old {
		return "", nil
	}
	if nv.roll == nil {
		return "its changed template, which waits: " + nv.waiting, nil
	}
	const now = "its changed template, and is being made"
	mesh := r.meshes.mesh(node.Namespace)
	if mesh == nil || !mesh.claimRoll(nv.roll, nv.flight) {
		return now, nil
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: nv.roll.Name}}
	err = r.client.Delete(ctx, pod, client.Preconditions{UID: &nv.roll.UID})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // it has gone without us
		mesh.releaseRoll(nv.roll)
		return now, nil
	case err != nil:
		mesh.releaseRoll(nv.roll)
		return "", fmt.Errorf("delete pod %s: %w", pod.Name, err)
	}
	r.applier.events.Eventf(node, nil, corev1.EventTypeNormal, "PodReplaced", "Roll", "Pod %s is deleted, to be made anew from the changed template%s", pod.Name, nv.down)
	return now, nil
}

// report writes what the evidence says.
func (r *brokerNodes) report(ctx context.Context, node *v1alpha1.BrokerNode, nv nodeView) error {
	return r.status.write(ctx, statusChange{
		object: node, kind: "BrokerNode", status: nv.status, before: node.Status.Conditions, after: nv.status.Conditions,
	})
}

// failed tells people of an error that they can do something about: a quota, a policy, a webhook.
func (r *brokerNodes) failed(node *v1alpha1.BrokerNode, err error) (ctrl.Result, error) {
	result, err := quiet(err)
	if err != nil {
		r.applier.events.Eventf(node, nil, corev1.EventTypeWarning, "ApplyFailed", "Apply", "%.1000s", err.Error())
	}
	return result, err
}

// quiet ends a reconcile without an error where an error would only be repeated: in a namespace that is being deleted nothing can be
// made, what is gone needs no status, a manager that ends needs none either, and a conflict means that something newer is on its way
// through the cache.
func quiet(err error) (ctrl.Result, error) {
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err), apimeta.IsNoMatchError(err),
		errors.Is(err, context.Canceled):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: lookAgain / 10}, nil
	}
	return ctrl.Result{}, err
}
