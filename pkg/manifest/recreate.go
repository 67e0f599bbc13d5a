// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Immutable names the first field in which the desired StatefulSet differs from the live one although the API server lets nobody
// change it; empty when there is none. Such a StatefulSet is made anew under its running pods.
func Immutable(live, desired *appsv1.StatefulSet) string {
	switch l, d := live.Spec, desired.Spec; {
	case l.ServiceName != d.ServiceName:
		return "spec.serviceName"
	case l.PodManagementPolicy != d.PodManagementPolicy:
		return "spec.podManagementPolicy"
	case !equality.Semantic.DeepEqual(l.Selector, d.Selector):
		return "spec.selector"
	case !sameClaims(l.VolumeClaimTemplates, d.VolumeClaimTemplates):
		return "spec.volumeClaimTemplates"
	}
	return ""
}

// sameClaims compares what the package sets; the API server fills in the rest.
func sameClaims(live, desired []corev1.PersistentVolumeClaim) bool {
	if len(live) != len(desired) {
		return false
	}
	for i := range live {
		l, d := live[i].Spec, desired[i].Spec
		if live[i].Name != desired[i].Name || !sameSize(live[i:], desired[i:]) {
			return false
		}
		if d.StorageClassName != nil && !equality.Semantic.DeepEqual(l.StorageClassName, d.StorageClassName) {
			return false
		}
	}
	return true
}

// StorageProblem says why the step from the live volume claims to the desired ones is not one that can be taken: storage may be added
// and may grow; it never shrinks, goes away or changes its class. Empty when the step is fine.
func StorageProblem(live, desired *appsv1.StatefulSet) string {
	l, d := live.Spec.VolumeClaimTemplates, desired.Spec.VolumeClaimTemplates
	switch {
	case len(l) == 0:
		return ""
	case len(d) == 0:
		return "spec.storage: can't be removed"
	case smaller(d, l):
		was, is := storage(l), storage(d)
		return "spec.storage.size: can't shrink from " + was.String() + " to " + is.String()
	case d[0].Spec.StorageClassName != nil && !equality.Semantic.DeepEqual(l[0].Spec.StorageClassName, d[0].Spec.StorageClassName):
		return "spec.storage.class: can't change"
	}
	return ""
}

func storage(claims []corev1.PersistentVolumeClaim) resource.Quantity {
	return claims[0].Spec.Resources.Requests[corev1.ResourceStorage]
}

func sameSize(a, b []corev1.PersistentVolumeClaim) bool { return !smaller(a, b) && !smaller(b, a) }

func smaller(a, b []corev1.PersistentVolumeClaim) bool {
	x, y := storage(a), storage(b)
	return x.Cmp(y) < 0
}
