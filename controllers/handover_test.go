// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// TestHandOver: whose master goes where before a pod is replaced, and when it goes back.
func TestHandOver(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pod := func(name string, old bool) rollPod {
		return rollPod{Name: name + "-0", UID: types.UID(name), Node: name, Ready: true, Old: old, Created: now.Add(-time.Hour)}
	}
	store := func(mods ...func(*rollStore)) []rollStore {
		s := rollStore{name: "s", node: "a", pod: "a-0", spec: "a", fit: []string{"b-0", "c-0"}}
		for _, mod := range mods {
			mod(&s)
		}
		return []rollStore{s}
	}
	away := func(s *rollStore) { s.node, s.pod, s.away, s.fit = "b", "b-0", true, []string{"a-0", "c-0"} }
	moved := func(from, to string, ago time.Duration) func(*rollStore) {
		return func(s *rollStore) {
			s.node, s.pod, s.busy, s.move = from, from+"-0", true, move{to, now.Add(-ago)}
		}
	}
	under := func(node string, ago time.Duration) map[string]errand {
		return map[string]errand{"s": {node: node, since: now.Add(-ago)}}
	}
	failed := map[string]errand{"s": {node: "b", since: now.Add(-3 * time.Minute), failed: true}}
	for name, c := range map[string]struct {
		pods    []rollPod
		stores  []rollStore
		errands map[string]errand
		flights map[string]flight
		next    string
		down    string
		errand  string // node, with ! if it failed
		waiting string // of a
	}{
		"to a clone that is new":    {pods: []rollPod{pod("a", true), pod("b", true), pod("c", false)}, stores: store(), errand: "c", waiting: "the master of DataStore s moves to c first"},
		"to one that isn't":         {pods: []rollPod{pod("a", true), pod("b", true)}, stores: store(), errand: "b", waiting: "moves to b first"},
		"under way":                 {pods: []rollPod{pod("a", true), pod("b", true)}, stores: store(), errands: under("b", time.Second), errand: "b", waiting: "moves to b first"},
		"too long":                  {pods: []rollPod{pod("a", true)}, stores: store(), errands: under("b", time.Hour), errand: "b!", next: "a-0", down: "could not be moved to b in time"},
		"it has failed":             {pods: []rollPod{pod("a", true)}, stores: store(), errands: failed, errand: "b!", next: "a-0", down: "could not be moved to b in time"},
		"nobody is fit":             {pods: []rollPod{pod("a", true), pod("b", false)}, stores: store(func(s *rollStore) { s.fit = nil }), next: "a-0", down: "no clone of DataStore s is fit"},
		"nobody who is fit is well": {pods: []rollPod{pod("a", true)}, stores: store(), next: "a-0", down: "no clone of DataStore s is fit"},
		"somebody else moves it":    {pods: []rollPod{pod("a", true), pod("b", false)}, stores: store(func(s *rollStore) { s.busy = true }), next: "a-0"},
		"a user moves it":           {pods: []rollPod{pod("a", true), pod("b", false)}, stores: store(moved("a", "b", time.Second)), waiting: "the master of DataStore s moves to b first"},
		"a user moves it here":      {pods: []rollPod{pod("a", true), pod("b", false)}, stores: store(moved("b", "a", time.Second)), waiting: "the master of DataStore s moves to a first"},
		"others don't wait for it":  {pods: []rollPod{pod("a", true), pod("b", false), pod("d", true)}, stores: store(moved("a", "b", time.Second)), next: "d-0", waiting: "moves to b first"},
		"a user moves it for long":  {pods: []rollPod{pod("a", true), pod("b", false)}, stores: store(moved("a", "b", time.Hour)), next: "a-0", down: "has not moved to b yet and goes down with it"},
		"here, for long":            {pods: []rollPod{pod("a", true), pod("b", false)}, stores: store(moved("b", "a", time.Hour)), next: "a-0"},
		"it has arrived":            {pods: []rollPod{pod("a", true), pod("b", false)}, stores: store(away), errands: under("b", time.Second), next: "a-0"},
		"back":                      {pods: []rollPod{pod("a", false), pod("b", true)}, stores: store(away), errand: "a"},
		"back, though all is done":  {pods: []rollPod{pod("a", false), pod("b", false)}, stores: store(away), errand: "a"},
		"not while it is away":      {pods: []rollPod{pod("a", false), pod("b", false)}, stores: store(away), flights: map[string]flight{"a-0": {uid: "a", well: true, at: now}}},
		"not before it is in sync":  {pods: []rollPod{pod("a", false), pod("b", false)}, stores: store(away, func(s *rollStore) { s.fit = nil })},
		"home again":                {pods: []rollPod{pod("a", false), pod("b", false)}, stores: store(), errands: under("a", time.Second)},
		"the change was taken back": {pods: []rollPod{pod("a", false), pod("b", false)}, stores: store(), errands: under("b", time.Second)},
		"it serves elsewhere now":   {pods: []rollPod{pod("a", false), pod("b", false)}, stores: store(func(s *rollStore) { s.taken = "b" }), errands: under("b", time.Second), errand: "b"},
		"the template isn't known":  {pods: []rollPod{{Name: "a-0", Node: "a", Ready: true, Unsettled: true}}, stores: store(), errands: under("b", time.Second), errand: "b"},
		"the store is gone":         {pods: []rollPod{pod("a", false)}, errands: under("b", time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			step := nextRoll(rollState{pods: c.pods, stores: c.stores, errands: c.errands, flights: c.flights, now: now})
			next, to := "", ""
			if step.Delete != nil {
				next = step.Delete.Name
			}
			for _, e := range step.Errands {
				if to = e.node; e.failed {
					to += "!"
				}
			}
			if next != c.next || to != c.errand || !strings.Contains(step.Waiting["a"], c.waiting) || !strings.Contains(fmt.Sprint(step.Down), c.down) || (c.down == "") != (len(step.Down) == 0) {
				t.Errorf("%+v", step)
			}
		})
	}
}

// TestRollOfAMaster replaces the pod of a master: the master goes to the clone first, and comes back afterwards.
func TestRollOfAMaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"), brokerNode("b"), peering("a", "b"), dataStore("s", "a", "b"))
	pods := make(map[string]*puppet)
	for _, name := range []string{"a", "b"} {
		w.appears(name, &appsv1.StatefulSet{})
		w.revise(name, "r1")
		pods[name] = w.puppets.runAt(name, "r1")
		pods[name].script(func(q *puppet) { q.epoch = 1 })
	}
	w.eventually("the master is seen", func() error { return w.masterAt("s", "a", 1, "a") })
	w.eventually("all is well", func() error { return w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced) })
	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.Image = "other:1" })
	w.imageIs("a", "other:1")
	w.revise("a", "r2")
	w.eventually("the master is away", func() error {
		return w.masterIs("s", v1alpha1.MasterStatus{Node: "b", Epoch: 2, SpecNode: "a", Away: true})
	})
	w.eventually("pod a-0 is deleted", func() error { return w.gone("a-0") })
	w.eventually("it says so", func() error { return w.masterSays("s", "and goes back") })
	pods["a"].script(func(q *puppet) { q.epoch = 2; q.instance = "a-second" })
	pods["a"].makePod(w, "r2", true)
	w.eventually("the master is back", func() error { return w.masterIs("s", v1alpha1.MasterStatus{Node: "a", Epoch: 3, SpecNode: "a"}) })
	pods["b"].script(func(q *puppet) { q.epoch = 3 })
	w.eventually("all is well again", func() error {
		return errors.Join(w.nodeReady("a"), w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
	})
}

// TestRollDuringMove: while a user's move is under way, the pods at its two ends stay, and others are replaced.
func TestRollDuringMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"), brokerNode("b"), brokerNode("c"), peering("a", "b"), peering("b", "c"), peering("c", "a"), dataStore("s", "a", "b", "c"))
	pods := make(map[string]*puppet)
	for _, name := range []string{"a", "b", "c"} {
		w.appears(name, &appsv1.StatefulSet{})
		w.revise(name, "r1")
		pods[name] = w.puppets.runAt(name, "r1")
		pods[name].script(func(q *puppet) { q.epoch, q.foreign = 1, name == "b" })
	}
	w.eventually("the master is seen", func() error { return w.masterAt("s", "a", 1, "a") })
	var s v1alpha1.DataStore
	w.change("s", &s, "user", func() {
		s.Spec.Master.Node, s.Spec.Clones = "b", []v1alpha1.CloneSpec{{Node: "a"}, {Node: "c"}}
	})
	w.eventually("the move is under way", func() error { return w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonMoveRefused) })
	for _, name := range []string{"a", "b", "c"} {
		node := w.node(name)
		w.change(name, node, "user", func() { node.Spec.Image = "other:1" })
		w.imageIs(name, "other:1")
		w.revise(name, "r2")
	}
	w.eventually("pod c-0 is deleted", func() error { return w.gone("c-0") })
	pods["c"].script(func(q *puppet) { q.instance = "c-second" })
	pods["c"].makePod(w, "r2", true)
	for _, name := range []string{"a", "b"} {
		w.eventually(name+" waits for the move", func() error { return w.nodeWaits(name, "the master of DataStore s moves to b first") })
	}
	if w.gone("a-0") == nil || w.gone("b-0") == nil || w.masterAt("s", "a", 1, "a") != nil {
		t.Error("a pod went before the move was over")
	}
	pods["b"].script(func(q *puppet) { q.foreign = false })
	w.eventually("the master has moved", func() error { return w.masterAt("s", "b", 2, "b") })
	pods["a"].script(func(q *puppet) { q.epoch = 2 })
	w.eventually("pod a-0 is deleted", func() error { return w.gone("a-0") })
}

// nodeWaits wants a node to say that its pods are old, and what they wait for.
func (w *world) nodeWaits(name, words string) error {
	c := apimeta.FindStatusCondition(w.node(name).Status.Conditions, v1alpha1.ConditionConfigured)
	if c == nil || c.Reason != string(v1alpha1.ReasonRestartNeeded) || !strings.Contains(c.Message, words) {
		return fmt.Errorf("%+v", c)
	}
	return nil
}

func (w *world) masterIs(name string, want v1alpha1.MasterStatus) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	if m := s.Status.Master; m == nil || *m != want {
		return fmt.Errorf("the master is at %+v", m)
	}
	return nil
}

// masterSays wants words in the condition about the master.
func (w *world) masterSays(name, words string) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	for _, c := range s.Status.Conditions {
		if c.Type == v1alpha1.ConditionMasterAvailable && strings.Contains(c.Message, words) {
			return nil
		}
	}
	return fmt.Errorf("%+v", s.Status.Conditions)
}
