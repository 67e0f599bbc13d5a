// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// reporter writes the status of the three kinds.
type reporter struct {
	client  client.Client
	events  recorder.EventRecorder
	written *written
}

// statusChange is a status to be written in place of the one that the object has.
type statusChange struct {
	object client.Object
	kind   string
	status any
	before []metav1.Condition
	after  []metav1.Condition
	// silent are conditions whose transitions are another condition's too.
	silent []string
}

// write applies a status as a whole, if what the operator owns of the live one differs, and tells of transitions.
func (r *reporter) write(ctx context.Context, c statusChange) error {
	desired, err := statusDocument(c.status)
	if err != nil {
		return err
	}
	live, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c.object)
	if err != nil {
		return fmt.Errorf("convert %s: %w", c.kind, err)
	}
	if status, ok := live["status"].(map[string]any); ok {
		keepTimes(status, desired)
	}
	compare := comparison{exact: true}
	owned, _ := managedBy(c.object.GetManagedFields(), StatusManager, "status").at("f:status")
	compare.walkMap(nil, owned, live["status"], desired)
	if len(compare.found) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": c.kind,
		"metadata": map[string]any{"name": c.object.GetName(), "namespace": c.object.GetNamespace(), "uid": c.object.GetUID()},
		"status":   desired,
	})
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	answer, err := fresh(r.client, c.object)
	if err != nil {
		return err
	}
	err = r.client.Status().Patch(ctx, answer, client.RawPatch(types.ApplyPatchType, body), client.FieldOwner(StatusManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply status of %s %s: %w", c.kind, c.object.GetName(), err)
	}
	r.written.record(answer)
	r.tell(c)
	return nil
}

func statusDocument(status any) (map[string]any, error) {
	b, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return doc, nil
}

// tell makes an Event of each condition whose status or reason is another than before.
func (r *reporter) tell(c statusChange) {
	for _, now := range c.after {
		was := apimeta.FindStatusCondition(c.before, now.Type)
		if slices.Contains(c.silent, now.Type) || was != nil && was.Status == now.Status && was.Reason == now.Reason {
			continue
		}
		if was == nil && now.Type == v1alpha1.ConditionDropping && now.Status == metav1.ConditionFalse {
			continue
		}
		note := now.Message
		if note == "" {
			note = fmt.Sprintf("%s is %s", now.Type, now.Status)
		}
		r.events.Eventf(c.object, nil, eventType(now), now.Reason, now.Type, "%.1000s", note)
	}
}

// underWay are reasons that every healthy object passes through.
var underWay = []v1alpha1.Reason{
	v1alpha1.ReasonPodPending, v1alpha1.ReasonCertificatePending, v1alpha1.ReasonApplying, v1alpha1.ReasonConnecting, v1alpha1.ReasonLoading, v1alpha1.ReasonSyncing,
	v1alpha1.ReasonRestartNeeded, v1alpha1.ReasonNodeNotReady, v1alpha1.ReasonDraining, v1alpha1.ReasonNotListening, v1alpha1.ReasonDeleting,
}

func eventType(c metav1.Condition) string {
	good := metav1.ConditionTrue
	if c.Type == v1alpha1.ConditionDropping {
		good = metav1.ConditionFalse
	}
	if c.Status == good || slices.Contains(underWay, v1alpha1.Reason(c.Reason)) {
		return corev1.EventTypeNormal
	}
	return corev1.EventTypeWarning
}
