// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// +kubebuilder:rbac:groups=brokermesh.dev,resources=datastores,verbs=patch

// removalTime is how long a DataStore that is being deleted waits for nodes to remove its files.
const removalTime = time.Minute

// removals keeps the only finalizer of the API: it holds a DataStore with deletionPolicy Delete until its nodes have removed its files.
type removals struct {
	client  client.Client
	events  recorder.EventRecorder
	written *written
	now     func() time.Time
	since   sync.Map // when each was first seen to be deleted, by UID
}

// keepsData tells whether a DataStore that is being deleted waits for its files to be removed.
func keepsData(s *v1alpha1.DataStore) bool {
	return s.Spec.DeletionPolicy == v1alpha1.DeletionDelete && controllerutil.ContainsFinalizer(s, v1alpha1.DataFinalizer)
}

// tend puts the finalizer on a DataStore that wants it, and takes it off one that doesn't want it any more, or needn't wait any longer.
func (r *removals) tend(ctx context.Context, s *v1alpha1.DataStore, rv reportView) (ctrl.Result, bool, error) {
	has, wants := controllerutil.ContainsFinalizer(s, v1alpha1.DataFinalizer), s.Spec.DeletionPolicy == v1alpha1.DeletionDelete
	switch {
	case s.DeletionTimestamp == nil && has != wants:
		result, err := r.set(ctx, s, wants)
		return result, false, err
	case s.DeletionTimestamp == nil || !has:
		return ctrl.Result{}, s.DeletionTimestamp != nil, nil
	case !wants:
		result, err := r.set(ctx, s, false)
		return result, true, err
	}
	first, _ := r.since.LoadOrStore(s.UID, r.now())
	waited := r.now().Sub(first.(time.Time))
	d := decideRemoval(rv, waited)
	if !d.release {
		return ctrl.Result{RequeueAfter: max(removalTime-waited, time.Second)}, false, nil
	}
	result, err := r.set(ctx, s, false)
	if err != nil || !result.IsZero() {
		return result, true, err
	}
	r.since.Delete(s.UID)
	if d.reason != "" {
		r.events.Eventf(s, nil, d.kind, d.reason, "Remove", "%.1000s", d.note)
	}
	return ctrl.Result{}, true, nil
}

// removalDecision is whether a DataStore may go, and what to say of it.
type removalDecision struct {
	release            bool
	kind, reason, note string
}

// decideRemoval says whether a DataStore that is being deleted may go: when its nodes have removed its files, or when they had long enough.
// One that was left out of the topology has none: what has its name is another's.
func decideRemoval(rv reportView, waited time.Duration) removalDecision {
	switch {
	case rv.deleting && !rv.removal:
		return removalDecision{release: true}
	case rv.removal && len(rv.awaited) == 0:
		return removalDecision{release: true, kind: corev1.EventTypeNormal, reason: "DataRemoved", note: "the files of the store are removed"}
	case waited < removalTime:
		return removalDecision{}
	}
	words := "no node was asked in time"
	if len(rv.awaited) > 0 {
		words = strings.Join(rv.awaited, "; ")
	}
	return removalDecision{
		release: true, kind: corev1.EventTypeWarning, reason: "DataRetained",
		note: fmt.Sprintf("files of the store may be left after %s: %s", removalTime, words),
	}
}

// set puts the finalizer on, or takes it off. Somebody else's change at the same time is looked at first.
func (r *removals) set(ctx context.Context, s *v1alpha1.DataStore, on bool) (ctrl.Result, error) {
	next := s.DeepCopy()
	if on {
		controllerutil.AddFinalizer(next, v1alpha1.DataFinalizer)
	} else {
		controllerutil.RemoveFinalizer(next, v1alpha1.DataFinalizer)
	}
	err := r.client.Patch(ctx, next, client.MergeFromWithOptions(s, client.MergeFromWithOptimisticLock{}), client.FieldOwner(FieldManager))
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		r.written.forget(s)
		return ctrl.Result{RequeueAfter: time.Second}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("change the finalizer of DataStore %s: %w", s.Name, err)
	case s.DeletionTimestamp != nil:
		r.written.forget(s)
	default:
		r.written.record(next)
	}
	return ctrl.Result{}, nil
}
