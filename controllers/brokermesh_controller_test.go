// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func brokerMesh(name string, spec v1alpha1.BrokerMeshSpec) *v1alpha1.BrokerMesh {
	return &v1alpha1.BrokerMesh{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

// TestBrokerMesh: one object becomes a mesh, is scaled, loses a role, and says how its parts are.
func TestBrokerMesh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	one := int32(1)
	mesh := brokerMesh("zeek", v1alpha1.BrokerMeshSpec{
		Defaults: v1alpha1.NodeDefaults{LogLevel: v1alpha1.LogWarn},
		Manager:  v1alpha1.NodeDefaults{LogLevel: v1alpha1.LogDebug},
		Loggers:  &v1alpha1.RoleSpec{Replicas: &one},
		Workers:  &v1alpha1.RoleSpec{Replicas: &one},
	})
	w.create(mesh)
	w.eventually("nodes", func() error {
		return errors.Join(w.get("manager", &v1alpha1.BrokerNode{}), w.get("logger", &v1alpha1.BrokerNode{}), w.get("worker", &v1alpha1.BrokerNode{}))
	})
	for _, node := range []string{"manager", "logger", "worker"} {
		w.puppets.run(node)
	}
	w.eventually("a mesh that is ready", func() error { return w.meshIs("3/3", "3/3", metav1.ConditionTrue, v1alpha1.ReasonAllReady) })
	var manager, worker v1alpha1.BrokerNode
	w.mustGet("manager", &manager)
	w.mustGet("worker", &worker)
	if manager.Spec.LogLevel != v1alpha1.LogDebug || worker.Spec.LogLevel != v1alpha1.LogWarn || worker.Labels[v1alpha1.RoleLabel] != "worker" ||
		!metav1.IsControlledBy(&worker, mesh) {
		t.Errorf("manager %+v, worker %+v", manager.Spec, worker.ObjectMeta)
	}

	s := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 2}}
	if err := w.client.SubResource("scale").Update(t.Context(), mesh, client.WithSubResourceBody(s)); err != nil {
		t.Fatal(err)
	}
	w.eventually("two workers", func() error { return w.shaped("worker", 2) })
	w.puppets.runPod("worker", 1, "")
	w.eventually("all ready, and what autoscalers read", func() error {
		var s autoscalingv1.Scale
		if err := w.client.SubResource("scale").Get(t.Context(), mesh, &s); err != nil {
			return err
		}
		if s.Status.Replicas != 2 || s.Status.Selector != "brokermesh.dev/node=worker" {
			return fmt.Errorf("scale: %+v", s.Status)
		}
		return w.meshIs("3/3", "3/3", metav1.ConditionTrue, v1alpha1.ReasonAllReady)
	})

	w.scale("worker", 5) // which belongs to the mesh
	w.eventually("the mesh's number again", func() error {
		var n v1alpha1.BrokerNode
		w.mustGet("worker", &n)
		if *n.Spec.Replicas != 2 {
			return fmt.Errorf("%d replicas", *n.Spec.Replicas)
		}
		return nil
	})

	w.change("zeek", mesh, "user", func() { mesh.Spec.Loggers = nil })
	w.eventually("no logger", func() error {
		if err := w.get("logger", &v1alpha1.BrokerNode{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("logger: %v", err)
		}
		if err := w.get("worker-logger", &v1alpha1.Peering{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("worker-logger: %v", err)
		}
		return w.meshIs("2/2", "1/1", metav1.ConditionTrue, v1alpha1.ReasonAllReady)
	})
}

// TestBrokerMeshConflict: what exists already is left alone, unless it is handed over.
func TestBrokerMeshConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	theirs := brokerNode("worker")
	theirs.Spec.LogLevel = v1alpha1.LogError
	w.create(theirs)
	one := int32(1)
	w.create(brokerMesh("zeek", v1alpha1.BrokerMeshSpec{Workers: &v1alpha1.RoleSpec{Replicas: &one}}))
	w.puppets.run("worker")
	w.eventually("the manager", func() error { return w.get("manager", &v1alpha1.BrokerNode{}) })
	w.puppets.run("manager")
	w.eventually("a conflict", func() error { return w.meshIs("1/2", "1/1", metav1.ConditionFalse, v1alpha1.ReasonConflict) })
	w.mustGet("worker", theirs)
	if theirs.Spec.LogLevel != v1alpha1.LogError || len(theirs.OwnerReferences) > 0 {
		t.Errorf("the worker was touched: %+v", theirs)
	}
	w.change("worker", theirs, "user", func() { theirs.Annotations = map[string]string{"brokermesh.dev/adopt": "true"} })
	w.eventually("handed over", func() error { return w.meshIs("2/2", "1/1", metav1.ConditionTrue, v1alpha1.ReasonAllReady) })
}

// meshIs wants a status of BrokerMesh zeek.
func (w *world) meshIs(nodes, peerings string, status metav1.ConditionStatus, reason v1alpha1.Reason) error {
	var m v1alpha1.BrokerMesh
	if err := w.get("zeek", &m); err != nil {
		return err
	}
	if m.Status.Nodes != nodes || m.Status.Peerings != peerings {
		return fmt.Errorf("nodes %s, peerings %s: %+v", m.Status.Nodes, m.Status.Peerings, m.Status.Conditions)
	}
	return condition(m.Status.Conditions, v1alpha1.ConditionReady, status, string(reason))
}
