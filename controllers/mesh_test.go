// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func brokerNode(name string, mods ...func(*v1alpha1.BrokerNode)) *v1alpha1.BrokerNode {
	n := &v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, mod := range mods {
		mod(n)
	}
	return n
}

func peering(from, to string) *v1alpha1.Peering {
	return &v1alpha1.Peering{
		ObjectMeta: metav1.ObjectMeta{Name: from + "-" + to},
		Spec:       v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Node: from}, To: v1alpha1.PeeringTo{Node: to}},
	}
}

func dataStore(name, master string, clones ...string) *v1alpha1.DataStore {
	s := &v1alpha1.DataStore{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.DataStoreSpec{Master: v1alpha1.MasterSpec{Node: master, Backend: v1alpha1.BackendMemory}},
	}
	for _, c := range clones {
		s.Spec.Clones = append(s.Spec.Clones, v1alpha1.CloneSpec{Node: c})
	}
	return s
}

func (w *world) nodeReady(name string) error {
	var n v1alpha1.BrokerNode
	if err := w.get(name, &n); err != nil {
		return err
	}
	return errors.Join(
		condition(n.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, string(v1alpha1.ReasonListening)),
		condition(n.Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionTrue, string(v1alpha1.ReasonApplied)))
}

func (w *world) peeringIs(name string, status metav1.ConditionStatus, reason v1alpha1.Reason) error {
	var p v1alpha1.Peering
	if err := w.get(name, &p); err != nil {
		return err
	}
	return condition(p.Status.Conditions, v1alpha1.ConditionEstablished, status, string(reason))
}

func (w *world) storeIs(name string, status metav1.ConditionStatus, reason v1alpha1.Reason) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	return condition(s.Status.Conditions, v1alpha1.ConditionReady, status, string(reason))
}

// triangle makes three nodes, two peerings and a store, with pods, and waits until all is well.
func (w *world) triangle() map[string]*puppet {
	w.t.Helper()
	w.create(brokerNode("a"), brokerNode("b"), brokerNode("c"), peering("a", "b"), peering("c", "b"), dataStore("s", "b", "a", "c"))
	pods := map[string]*puppet{"a": w.puppets.run("a"), "b": w.puppets.run("b"), "c": w.puppets.run("c")}
	w.healthy()
	return pods
}

func (w *world) healthy() {
	w.t.Helper()
	w.eventually("the triangle is well", func() error {
		var errs []error
		for _, n := range []string{"a", "b", "c"} {
			if err := w.nodeReady(n); err != nil {
				errs = append(errs, fmt.Errorf("node %s: %w", n, err))
			}
		}
		errs = append(errs, w.peeringIs("a-b", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree),
			w.peeringIs("c-b", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree),
			w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
		return errors.Join(errs...)
	})
}

func TestTriangle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.triangle()
}
