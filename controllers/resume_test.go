// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// again ends the manager and starts another, which knows nothing of it. meanwhile is what happens when there is none.
func (w *world) again(meanwhile func()) {
	w.t.Helper()
	w.stop()
	meanwhile()
	w.start()
}

// TestRollGoesOn rolls the two nodes of a store, with another manager after each step of it: the master goes to the clone, its pod is
// replaced, the master goes back, the other pod is replaced. No manager takes a step back, or two at once.
func TestRollGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"), brokerNode("b"), brokerNode("c"), peering("a", "b"), peering("b", "c"), peering("c", "a"), dataStore("s", "a", "b"))
	pods := make(map[string]*puppet)
	for _, name := range []string{"a", "b", "c"} {
		w.appears(name, &appsv1.StatefulSet{})
		w.revise(name, "r1")
		pods[name] = w.puppets.runAt(name, "r1")
		pods[name].script(func(q *puppet) { q.epoch = 1 })
	}
	a, b := pods["a"], pods["b"]
	w.eventually("the master is seen", func() error { return w.masterAt("s", "a", 1, "a") })
	w.eventually("all is well", func() error { return w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced) })

	refuses := func(q *puppet, does bool) { q.script(func(q *puppet) { q.foreign = does }) }
	refuses(b, true)
	for _, name := range []string{"a", "b"} {
		node := w.node(name)
		w.change(name, node, "user", func() { node.Spec.Image = "other:1" })
		w.imageIs(name, "other:1")
	}
	w.revise("a", "r2")
	w.moving("s", "a", "b", b)

	// It is told, and takes over while there is no manager.
	told := len(b.configs())
	w.again(func() {
		refuses(b, false)
		w.hold("c-0") // so that a-0 stays a while longer
	})
	away := v1alpha1.MasterStatus{Node: "b", Epoch: 2, SpecNode: "a", Away: true}
	w.eventually("the master is away", func() error { return w.masterIs("s", away) })
	if err := toldOf(b, told, nodeconfig.RoleClone); err != nil {
		t.Error(err)
	}

	// It is away, and the pod is not replaced yet.
	w.again(func() { w.revise("b", "r2") })
	w.eventually("a waits", func() error { return w.nodeWaits("a", "pod c-0 is not") })
	if err := errors.Join(w.masterIs("s", away), w.get("a-0", &corev1.Pod{})); err != nil {
		t.Error(err)
	}
	w.again(func() { w.letGo("c-0") })
	w.eventually("a still waits", func() error { return w.nodeWaits("a", "pod c-0 is not there again yet") })
	pods["c"].makePod(w, "r1", true)
	w.eventually("pod a-0 is deleted", func() error { return w.gone("a-0") })

	// The pod is not there. The other one is old, and must wait.
	refuses(a, true)
	w.again(func() { a.script(func(q *puppet) { q.epoch = 2; q.instance = "a-second" }) })
	w.eventually("b waits", func() error { return w.nodeWaits("b", "pod a-0 is not there again yet") })
	a.makePod(w, "r2", false)
	w.eventually("b waits for more", func() error { return w.nodeWaits("b", "pod a-0 is not ready yet") })
	setPodReady(t, w, "a-0", true)
	w.moving("s", "b", "a", a)

	// It goes back.
	told = len(a.configs())
	w.again(func() { refuses(a, false) })
	w.eventually("the master is back", func() error { return w.masterIs("s", v1alpha1.MasterStatus{Node: "a", Epoch: 3, SpecNode: "a"}) })
	b.script(func(q *puppet) { q.epoch = 3 })
	if err := toldOf(a, told, nodeconfig.RoleClone); err != nil {
		t.Error(err)
	}
	w.again(func() {})
	w.eventually("pod b-0 is deleted", func() error { return w.gone("b-0") })
	w.again(func() {
		b.script(func(q *puppet) { q.instance = "b-second" })
		b.makePod(w, "r2", true)
	})
	w.eventually("all is well again", func() error {
		return errors.Join(w.nodeReady("a"), w.nodeReady("b"), w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
	})
	if w.gone("a-0") == nil || w.gone("c-0") == nil {
		t.Error("a pod was replaced twice, or one that isn't old")
	}
}

// moving waits until it is written down that the master goes to a node, whose puppet is told and hesitates.
func (w *world) moving(name, from, to string, q *puppet) {
	w.t.Helper()
	w.eventually("the master moves to "+to, func() error {
		var s v1alpha1.DataStore
		_, err := q.holds(nodeconfig.RoleMaster)
		if m := w.get(name, &s); m != nil || s.Status.Master == nil || s.Status.Master.MovingTo != to || s.Status.Master.Node != from {
			return fmt.Errorf("the master is at %+v; %w", s.Status.Master, errors.Join(m, err))
		}
		return err
	})
}

// toldOf is an error if a puppet was told of a role of a store after its first n configs.
func toldOf(q *puppet, n int, role string) error {
	for _, c := range q.configs()[n:] {
		for _, s := range c.Stores {
			if s.Role == role {
				return fmt.Errorf("%s was told to be a %s", q.pod, role)
			}
		}
	}
	return nil
}

// hold has somebody delete a pod that doesn't go before letGo.
func (w *world) hold(name string) {
	w.t.Helper()
	var pod corev1.Pod
	w.change(name, &pod, "user", func() { pod.Finalizers = []string{"example.org/hold"} })
	if err := w.client.Delete(w.t.Context(), &pod); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) letGo(name string) {
	w.t.Helper()
	var pod corev1.Pod
	w.change(name, &pod, "user", func() { pod.Finalizers = nil })
	w.eventually(name+" is gone", func() error { return w.gone(name) })
}
