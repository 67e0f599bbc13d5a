// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// objectsOf are the five objects of a node, empty.
func objectsOf(node string) map[string]client.Object {
	return map[string]client.Object{
		"StatefulSet/" + node:                       &appsv1.StatefulSet{},
		"Service/" + manifest.ServiceName(node):     &corev1.Service{},
		"ConfigMap/" + manifest.ConfigMapName(node): &corev1.ConfigMap{},
		"Secret/" + manifest.SecretName(node):       &corev1.Secret{},
		"ServiceAccount/" + node:                    &corev1.ServiceAccount{},
	}
}

func nameOf(key string) string { return key[strings.Index(key, "/")+1:] }

func TestObjectsOfANode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	var node v1alpha1.BrokerNode
	w.mustGet("a", &node)
	for key, o := range objectsOf("a") {
		w.mustGet(nameOf(key), o)
		ref := metav1.GetControllerOf(o)
		if ref == nil || ref.UID != node.UID || ref.BlockOwnerDeletion != nil {
			t.Errorf("%s: owner %+v, want the BrokerNode, blocking nothing", key, ref)
		}
		w.event("Created", strings.Split(key, "/")...)
	}
	for _, name := range []string{CASecret, ClientSecret} {
		var s corev1.Secret
		w.mustGet(name, &s)
		if len(s.OwnerReferences) != 0 {
			t.Errorf("Secret %s dies with %v", name, s.OwnerReferences)
		}
	}
	w.eventually("the image is in the status", func() error {
		w.mustGet("a", &node)
		if node.Status.Image != w.options.Image {
			return fmt.Errorf("status.image %q", node.Status.Image)
		}
		return condition(node.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, string(v1alpha1.ReasonPodPending))
	})
	w.event(string(v1alpha1.ReasonPodPending), "a-0")
}

// TestDeletedNodeStaysDeleted plays the garbage collector, which this cluster doesn't have.
func TestDeletedNodeStaysDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"), brokerNode("b"))
	w.appears("a", &appsv1.StatefulSet{})
	w.appears("b", &appsv1.StatefulSet{})
	if err := w.client.Delete(t.Context(), w.node("a")); err != nil {
		t.Fatal(err)
	}
	for key, o := range objectsOf("a") {
		w.mustGet(nameOf(key), o)
		if err := w.client.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	// What is deleted of the other comes back, and by then the first one's events were seen as well.
	if err := w.client.Delete(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "b-pods"}}); err != nil {
		t.Fatal(err)
	}
	w.appears("b-pods", &corev1.Service{})
	for key, o := range objectsOf("a") {
		if err := w.get(nameOf(key), o); !apierrors.IsNotFound(err) {
			t.Errorf("%s is back: %v", key, err)
		}
	}
}

func (w *world) node(name string) *v1alpha1.BrokerNode {
	w.t.Helper()
	var n v1alpha1.BrokerNode
	w.mustGet(name, &n)
	return &n
}

func TestConflictAndAdoption(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a-config"}, Data: map[string]string{"mine": "x"}}
	w.create(foreign, brokerNode("a"))
	w.start()
	w.eventually("the conflict shows", func() error {
		return condition(w.node("a").Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionFalse, string(v1alpha1.ReasonConflict))
	})
	w.event(string(v1alpha1.ReasonConflict), "ConfigMap a-config", manifest.AdoptAnnotation)
	var now corev1.ConfigMap
	w.mustGet("a-config", &now)
	if now.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign ConfigMap was written: %v", now)
	}
	if err := w.get("a", &appsv1.StatefulSet{}); !apierrors.IsNotFound(err) {
		t.Errorf("a StatefulSet without a config: %v", err)
	}

	w.change("a-config", &now, "kubectl", func() { now.Annotations = map[string]string{manifest.AdoptAnnotation: "true"} })
	w.appears("a", &appsv1.StatefulSet{})
	w.mustGet("a-config", &now)
	if !ownedBy(&now, w.node("a")) || now.Data["a-0.json"] == "" || now.Data["mine"] != "x" {
		t.Errorf("adopted: %+v", now)
	}
	w.eventually("the conflict is over", func() error {
		return condition(w.node("a").Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionFalse, string(v1alpha1.ReasonApplying))
	})
}

func TestForeignChangeIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	var service corev1.Service
	w.change("a-pods", &service, "somebody", func() {
		service.Spec.PublishNotReadyAddresses = false
		service.Labels["theirs"] = "stays"
	})
	w.event("ChangeUndone", "Service a-pods", "spec.publishNotReadyAddresses", "somebody")
	w.mustGet("a-pods", &service)
	if !service.Spec.PublishNotReadyAddresses || service.Labels["theirs"] != "stays" {
		t.Errorf("after the undoing: publishNotReadyAddresses %v, labels %v", service.Spec.PublishNotReadyAddresses, service.Labels)
	}
	// A label that makes the object invisible to the caches comes back as well.
	w.change("a-pods", &service, "somebody", func() { delete(service.Labels, manifest.NodeLabel) })
	w.eventually("the label is back", func() error {
		w.mustGet("a-pods", &service)
		if service.Labels[manifest.NodeLabel] != "a" {
			return fmt.Errorf("labels %v", service.Labels)
		}
		return nil
	})
}

func TestImageIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("old"))
	w.eventually("the image is in the status", func() error {
		if got := w.node("old").Status.Image; got != "brokermesh-node:test" {
			return fmt.Errorf("status.image %q", got)
		}
		return nil
	})
	w.stop()

	w.options.Image = "brokermesh-node:newer"
	w.start()
	w.create(brokerNode("new"))
	w.imageIs("new", "brokermesh-node:newer")
	w.imageIs("old", "brokermesh-node:test")

	node := w.node("old")
	w.change("old", node, "user", func() { node.Spec.Image = "mine:1" })
	w.imageIs("old", "mine:1")
}

func (w *world) imageIs(node, want string) {
	w.t.Helper()
	w.eventually("the image of "+node, func() error {
		var set appsv1.StatefulSet
		if err := w.get(node, &set); err != nil {
			return err
		}
		if got := liveImage(&set); got != want {
			return fmt.Errorf("%q, want %q", got, want)
		}
		return nil
	})
}

func TestStorageAddedMakesTheStatefulSetAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	var before, after appsv1.StatefulSet
	w.appears("a", &before)
	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.Storage = &v1alpha1.StorageSpec{Size: resource.MustParse("1Gi")} })
	w.event("Recreated", "StatefulSet a", "spec.volumeClaimTemplates")
	w.eventually("the old one waits for its pods to be orphaned", func() error {
		w.mustGet("a", &after)
		if after.DeletionTimestamp == nil || !slices.Contains(after.Finalizers, metav1.FinalizerOrphanDependents) {
			return fmt.Errorf("deleted at %v, finalizers %v", after.DeletionTimestamp, after.Finalizers)
		}
		return nil
	})
	w.change("a", &after, "garbage-collector", func() { after.Finalizers = nil })
	w.eventually("the new one is there", func() error {
		if err := w.get("a", &after); err != nil {
			return err
		}
		if after.UID == before.UID || len(after.Spec.VolumeClaimTemplates) != 1 {
			return errors.New("it is the old one")
		}
		return nil
	})
}

func TestNamespaceOnItsWayOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	if err := w.client.Delete(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	before := len(w.requests.writes())
	for _, o := range []client.Object{&corev1.Service{}, &corev1.ServiceAccount{}} {
		o.SetNamespace(w.namespace)
		o.SetName(map[bool]string{true: "a-pods", false: "a"}[fmt.Sprintf("%T", o) == "*v1.Service"])
		if err := w.client.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	attempts := func(kind string) (n int) {
		for _, r := range w.requests.writes()[before:] {
			if strings.Contains(r, "/"+kind+"/") {
				n++
			}
		}
		return n
	}
	w.eventually("one attempt to make it again", func() error {
		if attempts("serviceaccounts") == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	// An error would be repeated with pauses that begin at milliseconds. What is written next comes after many of them.
	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.Subscriptions = []string{"x/"} })
	w.eventually("the change is seen", func() error {
		if attempts("serviceaccounts") < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	if n := attempts("serviceaccounts"); n > 6 {
		t.Errorf("%d attempts to make the ServiceAccount", n)
	}
}

// TestStorageGrows grows the volume of a class that can and says so of one that can't.
func TestStorageGrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	for _, class := range []string{"stiff", "elastic"} {
		name := w.namespace + "-" + class
		storageClass := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": map[string]any{"name": name},
			"provisioner": "none", "allowVolumeExpansion": class == "elastic",
		}}
		if err := w.client.Create(t.Context(), storageClass); err != nil {
			t.Fatal(err)
		}
		claim := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: manifest.ClaimName(class + "-0")},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: &name, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		}
		w.create(claim)
		claim.Status.Phase = corev1.ClaimBound
		if err := w.client.Status().Update(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
		node := brokerNode(class, func(n *v1alpha1.BrokerNode) {
			n.Spec.Storage = &v1alpha1.StorageSpec{Size: resource.MustParse("1Gi"), Class: &name}
		})
		w.create(node)
		w.appears(class, &appsv1.StatefulSet{})
		w.change(class, node, "user", func() { node.Spec.Storage.Size = resource.MustParse("2Gi") })
	}
	w.event("VolumeGrown", "data-elastic-0", "2Gi")
	w.event("Recreated", "StatefulSet elastic")
	w.eventually("the other says why not", func() error {
		return condition(w.node("stiff").Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionFalse, string(v1alpha1.ReasonConflict))
	})
	w.event(string(v1alpha1.ReasonConflict), "data-stiff-0 can't grow to 2Gi")
	var set appsv1.StatefulSet
	w.mustGet("stiff", &set)
	if set.DeletionTimestamp != nil {
		t.Error("the StatefulSet whose volume can't grow was deleted")
	}
}
