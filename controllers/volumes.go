// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// volumes sees to it that the volumes of a node's pods are as large as its StatefulSet wants them, and says which one isn't yet; empty if all
// are. A pod that comes back after its node was smaller finds the volume that it had: that one grows then. What was seen to be large enough
// is not looked at again, since volumes never shrink.
func (r *brokerNodes) volumes(ctx context.Context, node *v1alpha1.BrokerNode, desired *appsv1.StatefulSet) (growing string, err error) {
	if desired == nil || len(desired.Spec.VolumeClaimTemplates) == 0 {
		return "", nil
	}
	size := desired.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
	pods := topology.Pods(node)
	state := fmt.Sprintf("%s %d", size.String(), len(pods))
	if known, ok := r.grown.Load(node.UID); ok && known == state {
		return "", nil
	}
	grow := false
	for _, pod := range pods {
		var claim corev1.PersistentVolumeClaim
		err := r.applier.uncached.Get(ctx, types.NamespacedName{Namespace: node.Namespace, Name: manifest.ClaimName(pod)}, &claim)
		if apierrors.IsNotFound(err) {
			continue // it will be made as large as it should be
		} else if err != nil {
			return "", fmt.Errorf("read volume claim: %w", err)
		}
		asked, has := claim.Spec.Resources.Requests[corev1.ResourceStorage], claim.Status.Capacity[corev1.ResourceStorage]
		grow = grow || asked.Cmp(size) < 0
		if growing == "" && !has.IsZero() && has.Cmp(size) < 0 {
			growing = fmt.Sprintf("PersistentVolumeClaim %s is to have %s%s", claim.Name, size.String(), resizing(&claim))
		}
	}
	if grow {
		err = r.applier.grow(ctx, node, desired)
	}
	if err == nil && growing == "" {
		r.grown.Store(node.UID, state)
	}
	return growing, err
}

// resizing says how far the cluster is, in its own words.
func resizing(claim *corev1.PersistentVolumeClaim) string {
	for _, c := range claim.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == corev1.PersistentVolumeClaimFileSystemResizePending:
			return ", and waits for its file system to be grown, which may take a restart of the pod (brokerctl restart)"
		case c.Type == corev1.PersistentVolumeClaimResizing:
			return ", and is being resized"
		case c.Message != "":
			return fmt.Sprintf("; the cluster says: %.200s", c.Message)
		}
	}
	return ""
}
