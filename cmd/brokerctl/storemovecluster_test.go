// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/storemove"
)

// TestMoveInCluster: what the command makes of a DataStore, and what it reads from its status.
func TestMoveInCluster(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		at      v1alpha1.MasterStatus
		move    storemove.Move
		promote string
	}{
		"planned":        {v1alpha1.MasterStatus{Node: "a", Epoch: 4, SpecNode: "a"}, storemove.Move{Store: "s", Node: "b", StrandForeignClones: true}, ""},
		"without master": {v1alpha1.MasterStatus{Node: "a", Epoch: 4, SpecNode: "a"}, storemove.Move{Store: "s", Node: "b", WithoutMaster: true}, "b/5"},
		"agreed to":      {v1alpha1.MasterStatus{Node: "b", Epoch: 4, SpecNode: "a"}, storemove.Move{Store: "s", Node: "b", WithoutMaster: true}, ""},
	} {
		s := &v1alpha1.DataStore{ObjectMeta: metav1.ObjectMeta{Name: "s", Namespace: "n", Generation: 7}, Spec: v1alpha1.DataStoreSpec{
			Master: v1alpha1.MasterSpec{Node: "a"}, Clones: []v1alpha1.CloneSpec{{Node: "c"}, {Node: "b"}}}}
		s.Status.Master = &test.at
		s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionMasterAvailable, Status: "True", Reason: "MoveRefused", Message: "no", ObservedGeneration: 6}}
		api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(s).WithStatusSubresource(s).Build()
		m := &clusterMesh{api: api, key: client.ObjectKeyFromObject(s), move: test.move}
		before, err := m.Look(t.Context())
		if err != nil || before.Node != test.at.Node || before.Epoch != 4 || before.Current {
			t.Errorf("%s: before: %+v, %v", name, before, err)
		}
		if err := m.Begin(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := m.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Spec.Master.Node != "b" || got.Spec.Clones[1].Node != "a" || got.Annotations[v1alpha1.PromoteAnnotation] != test.promote ||
			got.Spec.Master.StrandForeignClones != test.move.StrandForeignClones {
			t.Errorf("%s: %+v, annotations %v", name, got.Spec, got.Annotations)
		}
		if now, err := m.Look(t.Context()); err != nil || now.Current {
			t.Errorf("%s: not seen yet: %+v, %v", name, now, err)
		}
		got.Status.Conditions[0].ObservedGeneration = max(m.generation, 7)
		if err := api.Status().Update(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		if now, err := m.Look(t.Context()); err != nil || !now.Current || !now.Refused || now.Words != "no" {
			t.Errorf("%s: seen: %+v, %v", name, now, err)
		}
		got.Status.Master = &v1alpha1.MasterStatus{Node: "b", Epoch: 5, SpecNode: "b"}
		if err := api.Status().Update(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		if now, err := m.Look(t.Context()); err != nil || !now.Current || now.Node != "b" || now.Epoch != 5 {
			t.Errorf("%s: done: %+v, %v", name, now, err)
		}
	}
}
