// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// TestScale changes the number of a node's pods by the scale subresource, up, down and to none.
func TestScale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"), brokerNode("b"), peering("a", "b"))
	w.puppets.run("a")
	hub := w.puppets.run("b")
	w.eventually("one link", func() error { return w.linksAre("a-b", "1/1", v1alpha1.ReasonBothEndsAgree) })
	configOfB := hub.configs()

	w.scale("a", 3)
	w.eventually("three documents", func() error { return w.shaped("a", 3) })
	second := w.puppets.runPod("a", 1, "")
	third := w.puppets.runPod("a", 2, "")
	w.eventually("three links", func() error {
		return errors.Join(w.linksAre("a-b", "3/3", v1alpha1.ReasonBothEndsAgree), w.nodeReady("a"), w.scaleIs("a", 3))
	})
	if got := second.configs(); len(got) == 0 || got[0].Pod != "a-1" {
		t.Errorf("a-1 was given %+v", got)
	}

	w.scale("a", 2)
	w.eventually("two documents", func() error { return w.shaped("a", 2) })
	w.endPod(third)
	w.eventually("two links", func() error {
		return errors.Join(w.linksAre("a-b", "2/2", v1alpha1.ReasonBothEndsAgree), w.nodeReady("a"), w.scaleIs("a", 2))
	})
	if got := second.configs(); len(got) != 1 {
		t.Errorf("a-1 was given %d configs: scaling doesn't concern it", len(got))
	}

	w.scale("a", 0)
	w.eventually("no documents", func() error { return w.shaped("a", 0) })
	w.eventually("no links, and all is well", func() error {
		var n v1alpha1.BrokerNode
		w.mustGet("a", &n)
		return errors.Join(w.linksAre("a-b", "0/0", v1alpha1.ReasonNoLinks),
			condition(n.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, string(v1alpha1.ReasonScaledToZero)))
	})
	if got := hub.configs(); len(got) != len(configOfB) {
		t.Errorf("b was given %d configs more: who connects to it doesn't concern it", len(got)-len(configOfB))
	}
}

// scale is kubectl scale.
func (w *world) scale(node string, replicas int32) {
	w.t.Helper()
	n := brokerNode(node)
	n.Namespace = w.namespace
	s := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	if err := w.client.SubResource("scale").Update(w.t.Context(), n, client.WithSubResourceBody(s)); err != nil {
		w.t.Fatalf("scale %s: %v", node, err)
	}
}

// scaleIs wants what autoscalers read.
func (w *world) scaleIs(node string, replicas int32) error {
	n := brokerNode(node)
	n.Namespace = w.namespace
	var s autoscalingv1.Scale
	if err := w.client.SubResource("scale").Get(w.t.Context(), n, &s); err != nil {
		return err
	}
	if s.Spec.Replicas != replicas || s.Status.Replicas != replicas || s.Status.Selector != "brokermesh.dev/node="+node {
		return fmt.Errorf("scale: %+v, %+v", s.Spec, s.Status)
	}
	return nil
}

// shaped wants a StatefulSet and a ConfigMap for so many pods.
func (w *world) shaped(node string, pods int32) error {
	var set appsv1.StatefulSet
	var config corev1.ConfigMap
	if err := errors.Join(w.get(node, &set), w.get(manifest.ConfigMapName(node), &config)); err != nil {
		return err
	}
	var want []string
	for i := range int(pods) {
		want = append(want, manifest.ConfigKey(manifest.PodName(node, i)))
	}
	if got := slices.Sorted(maps.Keys(config.Data)); *set.Spec.Replicas != pods || !slices.Equal(got, want) {
		return fmt.Errorf("%d replicas, documents %q", *set.Spec.Replicas, got)
	}
	return nil
}

// endPod plays what is left of a pod that the StatefulSet's controller has removed.
func (w *world) endPod(q *puppet) {
	w.t.Helper()
	q.halt()
	w.puppets.mu.Lock()
	delete(w.puppets.byName, q.pod)
	w.puppets.mu.Unlock()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: q.pod}}
	if err := w.client.Delete(w.t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) linksAre(name, links string, reason v1alpha1.Reason) error {
	var p v1alpha1.Peering
	if err := w.get(name, &p); err != nil {
		return err
	}
	if p.Status.Links != links {
		return fmt.Errorf("links %s", p.Status.Links)
	}
	return w.peeringIs(name, metav1.ConditionTrue, reason)
}
