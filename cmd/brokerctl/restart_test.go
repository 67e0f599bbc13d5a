// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// restarting is a node of two pods with a restart of it: as many as fresh are new, one more of an earlier restart is on its way out.
func restarting(t *testing.T, fresh int, ready metav1.ConditionStatus, mod func(*v1alpha1.BrokerNode)) restart {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	node := &v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: "worker", Namespace: "n", Annotations: map[string]string{"other": "kept"}}}
	node.Spec.Replicas = new(int32(2))
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionConfigured} {
		node.Status.Conditions = append(node.Status.Conditions, metav1.Condition{Type: kind, Status: ready, Reason: "R", Message: "as it is"})
	}
	mod(node)
	objects := []client.Object{node}
	for i := range 3 {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("worker-%d", i), Namespace: "n", Labels: map[string]string{v1alpha1.NodeLabel: "worker"}}}
		switch {
		case i < fresh:
			p.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "now"}
		case i == 2:
			p.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "now"}
			p.DeletionTimestamp, p.Finalizers = new(metav1.Now()), []string{"example.org/hold"}
		}
		objects = append(objects, p)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(node).Build()
	return restart{api: api, key: client.ObjectKey{Namespace: "n", Name: "worker"}, at: "now"}
}

// TestRestartBegins: a restart changes one annotation, and no node that is paused or isn't there.
func TestRestartBegins(t *testing.T) {
	ctx := t.Context()
	r := restarting(t, 0, metav1.ConditionTrue, func(*v1alpha1.BrokerNode) {})
	if err := r.begin(ctx); err != nil {
		t.Fatal(err)
	}
	var node v1alpha1.BrokerNode
	if err := r.api.Get(ctx, r.key, &node); err != nil || len(node.Annotations) != 2 || node.Annotations[v1alpha1.RestartedAtAnnotation] != "now" ||
		node.Annotations["other"] != "kept" || *node.Spec.Replicas != 2 {
		t.Errorf("%+v, %v", node, err)
	}
	r = restarting(t, 0, metav1.ConditionTrue, func(n *v1alpha1.BrokerNode) { n.Spec.Paused = true })
	if err := r.begin(ctx); err == nil || !strings.Contains(err.Error(), "paused (spec.paused)") {
		t.Errorf("paused: %v", err)
	}
	r.key.Name = "none"
	if err := r.begin(ctx); !apierrors.IsNotFound(err) {
		t.Errorf("no such node: %v", err)
	}
}

func TestRestartMissing(t *testing.T) {
	for name, c := range map[string]struct {
		fresh int
		ready metav1.ConditionStatus
		mod   func(*v1alpha1.BrokerNode)
		want  string
	}{
		"none is new":    {0, metav1.ConditionTrue, nil, "0 of 2 pods are new; "},
		"one is new":     {1, metav1.ConditionFalse, nil, "1 of 2 pods are new; as it is"},
		"all are new":    {2, metav1.ConditionTrue, nil, ""},
		"and not well":   {2, metav1.ConditionFalse, nil, "as it is"},
		"nothing known":  {2, metav1.ConditionTrue, func(n *v1alpha1.BrokerNode) { n.Status.Conditions = nil }, "it is not Configured yet"},
		"one is enough":  {1, metav1.ConditionTrue, func(n *v1alpha1.BrokerNode) { n.Spec.Replicas = nil }, ""},
		"scaled to zero": {0, metav1.ConditionTrue, func(n *v1alpha1.BrokerNode) { n.Spec.Replicas = new(int32(0)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := restarting(t, c.fresh, c.ready, func(n *v1alpha1.BrokerNode) {
				if c.mod != nil {
					c.mod(n)
				}
			})
			if got, err := r.missing(t.Context()); got != c.want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// TestRestartWait: it ends when all is done, says what was missing when the time is over, and nothing when it is interrupted.
func TestRestartWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := restarting(t, 1, metav1.ConditionTrue, func(*v1alpha1.BrokerNode) {})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.wait(ctx, time.Second); ctl.Code(err) != ctl.ExitTimeout || !strings.Contains(err.Error(), "worker: 1 of 2 pods are new") {
			t.Errorf("after the time: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := r.wait(ctx, time.Second); err != nil || ctx.Err() == nil {
			t.Errorf("interrupted: %v", err)
		}
		time.AfterFunc(time.Minute, func() {
			old := &corev1.Pod{}
			err := r.api.Get(t.Context(), client.ObjectKey{Namespace: "n", Name: "worker-1"}, old)
			if err == nil {
				old.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "now"}
				err = r.api.Update(t.Context(), old)
			}
			if err != nil {
				t.Error(err)
			}
		})
		before := time.Now()
		if err := r.wait(t.Context(), time.Second); err != nil || time.Since(before) < time.Minute { // by the fake clock
			t.Errorf("done: %v after %v", err, time.Since(before))
		}
		r.key.Name = "none"
		if err := r.wait(t.Context(), time.Second); !apierrors.IsNotFound(err) {
			t.Errorf("it is gone: %v", err)
		}
	})
}
