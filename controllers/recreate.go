// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// recreate deletes a StatefulSet that differs from the desired one in a part that nobody can change, and leaves its pods running. When
// it is gone, the next apply makes it anew and takes them over. Volumes that are to grow are grown first, so that a failure leaves the
// old set. going is true when there is a set on its way out, which can't be applied to.
func (a *applier) recreate(ctx context.Context, owner *v1alpha1.BrokerNode, live, desired *appsv1.StatefulSet) (going bool, err error) {
	field := manifest.Immutable(live, desired)
	if field == "" || live.DeletionTimestamp != nil {
		return live.DeletionTimestamp != nil, nil
	}
	if err := mayWrite(live, desired); err != nil {
		return false, err
	}
	if problem := manifest.StorageProblem(live, desired); problem != "" {
		return false, &conflictError{problem}
	}
	if err := a.grow(ctx, owner, desired); err != nil {
		return false, err
	}
	err = a.client.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationOrphan),
		client.Preconditions{UID: &live.UID})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("delete StatefulSet %s: %w", live.Name, err)
	}
	a.written.forget(live)
	a.events.Eventf(owner, live, corev1.EventTypeNormal, "Recreated", "Apply", "StatefulSet %s is made anew, its pods go on: %s can't be changed", live.Name, field)
	return true, nil
}

// grow asks for larger volumes where the claims of the node's pods are smaller than desired.
func (a *applier) grow(ctx context.Context, owner *v1alpha1.BrokerNode, desired *appsv1.StatefulSet) error {
	if len(desired.Spec.VolumeClaimTemplates) == 0 {
		return nil
	}
	size := desired.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
	for i := range int(*desired.Spec.Replicas) {
		var claim corev1.PersistentVolumeClaim
		key := types.NamespacedName{Namespace: desired.Namespace, Name: manifest.ClaimName(manifest.PodName(desired.Name, i))}
		err := a.uncached.Get(ctx, key, &claim)
		if apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("read volume claim: %w", err)
		}
		if was := claim.Spec.Resources.Requests[corev1.ResourceStorage]; was.Cmp(size) >= 0 {
			continue
		}
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{
			"resources": map[string]any{"requests": map[string]any{"storage": size.String()}},
		}})
		if err != nil {
			return err
		}
		err = a.client.Patch(ctx, &claim, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
		if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
			return &conflictError{fmt.Sprintf("PersistentVolumeClaim %s can't grow to %s: %s", claim.Name, size.String(), reasonOf(err))}
		} else if err != nil {
			return fmt.Errorf("grow volume claim %s: %w", claim.Name, err)
		}
		a.events.Eventf(owner, &claim, corev1.EventTypeNormal, "VolumeGrown", "Apply", "PersistentVolumeClaim %s grows to %s", claim.Name, size.String())
	}
	return nil
}
