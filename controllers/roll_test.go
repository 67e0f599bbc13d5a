// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func TestNextRoll(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pod := func(name string, mods ...func(*rollPod)) rollPod {
		p := rollPod{Name: name + "-0", Node: name, Ready: true, Created: now.Add(-time.Hour)}
		for _, mod := range mods {
			mod(&p)
		}
		return p
	}
	old := func(p *rollPod) { p.Old = true }
	sick := func(p *rollPod) { p.Ready = false }
	young := func(p *rollPod) { p.Created = now.Add(-time.Minute) }
	leaving := func(p *rollPod) { p.Leaving, p.Ready = true, false }
	for name, c := range map[string]struct {
		pods    []rollPod
		last    string
		next    string // pod to be deleted
		waiting map[string]string
	}{
		"nothing to do":                {pods: []rollPod{pod("a"), pod("b", sick)}},
		"first by name":                {pods: []rollPod{pod("b", old), pod("a", old)}, next: "a-0", waiting: map[string]string{"a": "", "b": "pod a-0 goes first"}},
		"sick first":                   {pods: []rollPod{pod("a", old), pod("b", old, sick)}, next: "b-0", waiting: map[string]string{"b": "", "a": "pod b-0 goes first"}},
		"the last isn't ready":         {pods: []rollPod{pod("a", sick), pod("b", old)}, last: "a-0", waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
		"the last isn't there":         {pods: []rollPod{pod("b", old)}, last: "a-0", waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
		"the last is ready":            {pods: []rollPod{pod("a"), pod("b", old)}, last: "a-0", next: "b-0", waiting: map[string]string{"b": ""}},
		"sick ones don't wait":         {pods: []rollPod{pod("a", sick), pod("b", old, sick)}, last: "a-0", next: "b-0", waiting: map[string]string{"b": ""}},
		"others that are sick":         {pods: []rollPod{pod("a", sick), pod("b", old), pod("c")}, last: "c-0", next: "b-0", waiting: map[string]string{"b": ""}},
		"a new manager, a young pod":   {pods: []rollPod{pod("a", sick, young), pod("b", old)}, waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
		"a new manager, long sick":     {pods: []rollPod{pod("a", sick), pod("b", old)}, next: "b-0", waiting: map[string]string{"b": ""}},
		"one is on its way out":        {pods: []rollPod{pod("a", old, leaving), pod("b", old)}, waiting: map[string]string{"a": "pod a-0 is on its way out", "b": "pod a-0 is not ready yet"}},
		"somebody deleted another one": {pods: []rollPod{pod("a", leaving), pod("b", old)}, waiting: map[string]string{"b": "pod a-0 is not ready yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			step := nextRoll(c.pods, c.last, now)
			next := ""
			if step.Delete != nil {
				next = step.Delete.Name
			}
			if next != c.next {
				t.Errorf("deletes %q, want %q", next, c.next)
			}
			if fmt.Sprint(step.Waiting) != fmt.Sprint(c.waiting) {
				t.Errorf("waiting: %v, want %v", step.Waiting, c.waiting)
			}
		})
	}
}

// revise plays the part of the StatefulSet controller that a roll looks at.
func (w *world) revise(node, revision string) {
	w.t.Helper()
	w.eventually("status of "+node, func() error {
		var set appsv1.StatefulSet
		if err := w.get(node, &set); err != nil {
			return err
		}
		set.Status.ObservedGeneration, set.Status.UpdateRevision = set.Generation, revision
		return w.client.Status().Update(w.t.Context(), &set)
	})
}

// gone is nil once there is no such pod.
func (w *world) gone(name string) error {
	err := w.get(name, &corev1.Pod{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(err, errors.New("it is there"))
}

// TestRoll changes the image of two nodes. Their pods are replaced one at a time.
func TestRoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pods := make(map[string]*puppet)
	for _, name := range []string{"a", "b"} {
		w.create(brokerNode(name))
		w.appears(name, &appsv1.StatefulSet{})
		w.revise(name, "r1")
		pods[name] = w.puppets.runAt(name, "r1")
	}
	w.eventually("both are well", func() error { return errors.Join(w.nodeReady("a"), w.nodeReady("b")) })
	for _, name := range []string{"b", "a"} {
		node := w.node(name)
		w.change(name, node, "user", func() { node.Spec.Image = "other:1" })
		w.imageIs(name, "other:1")
	}
	w.revise("a", "r2")
	w.eventually("pod a-0 is deleted", func() error { return w.gone("a-0") })
	w.event("PodReplaced", "a-0")

	w.revise("b", "r2")
	pods["a"].makePod(w, "r2", false)
	w.eventually("node b waits", func() error {
		c := apimeta.FindStatusCondition(w.node("b").Status.Conditions, v1alpha1.ConditionConfigured)
		if c.Reason == string(v1alpha1.ReasonRestartNeeded) && hasAll(c.Message, []string{"a-0 is not ready"}) {
			return nil
		}
		return fmt.Errorf("%+v", c)
	})
	if err := w.gone("b-0"); err == nil {
		t.Fatal("pod b-0 was deleted before a-0 was ready")
	}
	setPodReady(t, w, "a-0", true)
	w.eventually("pod b-0 is deleted", func() error { return w.gone("b-0") })
	pods["b"].makePod(w, "r2", true)
	w.eventually("both are well again", func() error { return errors.Join(w.nodeReady("a"), w.nodeReady("b")) })
}
