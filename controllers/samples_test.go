// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/lint"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const samples = "../config/samples"

// sample reads the objects of manifests, without those of other groups: they go into the namespace of the test.
func sample(t *testing.T, files ...string) (objects []*unstructured.Unstructured) {
	t.Helper()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range bytes.SplitSeq(b, []byte("\n---\n")) {
			o := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict(doc, &o.Object); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if o.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
				objects = append(objects, o)
			}
		}
	}
	return objects
}

// TestSamples applies the samples, strictly validated: the API server takes them, nothing in them is an error, and every node gets its pods.
func TestSamples(t *testing.T) {
	t.Parallel()
	together, err := filepath.Glob(samples + "/[^k]*.yaml") // all but the kustomization
	if err != nil || len(together) < 9 {
		t.Fatalf("%d samples: %v", len(together), err)
	}
	for name, files := range map[string][]string{"together": together, "brokermesh": {samples + "/brokermesh/zeek.yaml"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start()
			for _, o := range sample(t, files...) {
				o.SetNamespace(w.namespace)
				if err := w.client.Create(t.Context(), o, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
					t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
			}
			w.eventually("all nodes have pods, and all objects a status", w.sampled)
			var o topology.Objects
			o.Nodes, o.Peerings, o.Stores = w.objects()
			for _, f := range lint.Check(o, topology.Options{Namespace: w.namespace, RequireStorage: true}) {
				if f.Severity == topology.Error {
					t.Errorf("%s of %s %s: %s: %s", f.Reason, f.Kind, f.Name, f.Field, f.Message)
				}
			}
		})
	}
}

// objects are those of the namespace.
func (w *world) objects() ([]v1alpha1.BrokerNode, []v1alpha1.Peering, []v1alpha1.DataStore) {
	w.t.Helper()
	var nodes v1alpha1.BrokerNodeList
	var peerings v1alpha1.PeeringList
	var stores v1alpha1.DataStoreList
	for _, list := range []client.ObjectList{&nodes, &peerings, &stores} {
		if err := w.client.List(w.t.Context(), list, client.InNamespace(w.namespace)); err != nil {
			w.t.Fatal(err)
		}
	}
	return nodes.Items, peerings.Items, stores.Items
}

// sampled says what the operator hasn't done for the objects of the namespace yet.
func (w *world) sampled() error {
	nodes, peerings, stores := w.objects()
	var meshes v1alpha1.BrokerMeshList
	if err := w.client.List(w.t.Context(), &meshes, client.InNamespace(w.namespace)); err != nil {
		return err
	}
	if len(nodes) == 0 || len(peerings) == 0 {
		return fmt.Errorf("%d nodes, %d peerings", len(nodes), len(peerings))
	}
	for i := range meshes.Items {
		if m := &meshes.Items[i]; m.Status.Nodes == "" {
			return fmt.Errorf("BrokerMesh %s has no status", m.Name)
		}
	}
	for i := range nodes {
		n := &nodes[i]
		var set appsv1.StatefulSet
		switch {
		case apimeta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionReady) == nil:
			return fmt.Errorf("BrokerNode %s has no status", n.Name)
		case topology.External(n):
		case w.get(n.Name, &set) != nil || int(*set.Spec.Replicas) != topology.Replicas(n):
			return fmt.Errorf("BrokerNode %s has no StatefulSet of %d", n.Name, topology.Replicas(n))
		}
	}
	for i := range peerings {
		if p := &peerings[i]; apimeta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionEstablished) == nil {
			return fmt.Errorf("Peering %s has no status", p.Name)
		}
	}
	for i := range stores {
		if s := &stores[i]; apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionMasterAvailable) == nil {
			return fmt.Errorf("DataStore %s has no status", s.Name)
		}
	}
	return nil
}
