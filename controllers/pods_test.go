// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// configuredIs wants the condition Configured of a node to have a status, a reason and some words.
func (w *world) configuredIs(node string, status metav1.ConditionStatus, reason v1alpha1.Reason, words ...string) func() error {
	return func() error {
		conditions := w.node(node).Status.Conditions
		c := apimeta.FindStatusCondition(conditions, v1alpha1.ConditionConfigured)
		if err := condition(conditions, v1alpha1.ConditionConfigured, status, string(reason)); err != nil {
			return err
		}
		if !hasAll(c.Message, words) {
			return errors.New(c.Message)
		}
		return nil
	}
}

// TestService makes the Service that a node asks for and takes it away again; one of somebody else is left alone.
func TestService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	w.start()
	withService := func(n *v1alpha1.BrokerNode) {
		n.Spec.Service = &v1alpha1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Annotations: map[string]v1alpha1.AnnotationValue{"x": "y"}}
	}
	w.create(brokerNode("a", withService), brokerNode("b"))
	var service corev1.Service
	w.appears("a", &service)
	if service.Spec.Type != corev1.ServiceTypeNodePort || service.Annotations["x"] != "y" || len(service.Spec.Ports) != 1 || service.Spec.PublishNotReadyAddresses {
		t.Errorf("%+v", service)
	}
	w.event("Created", "Service a")
	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.Service.Type, node.Spec.Service.Annotations = corev1.ServiceTypeClusterIP, nil })
	w.eventually("the other type", func() error {
		if w.mustGet("a", &service); service.Spec.Type != corev1.ServiceTypeClusterIP || service.Annotations["x"] != "" {
			return fmt.Errorf("%+v", service)
		}
		return nil
	})
	w.change("a", node, "user", func() { node.Spec.Service = nil })
	w.eventually("the Service is gone", func() error {
		if err := w.get("a", &service); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is there"))
		}
		return nil
	})
	w.event("Removed", "Service a")

	w.mustGet("b", &service)
	version := service.ResourceVersion
	node = w.node("b")
	w.change("b", node, "user", func() { withService(node) })
	w.eventually("the conflict shows", w.configuredIs("b", metav1.ConditionFalse, v1alpha1.ReasonConflict, "Service b exists"))
	w.change("b", node, "user", func() { node.Spec.Service = nil })
	w.eventually("the conflict is over", w.configuredIs("b", metav1.ConditionFalse, v1alpha1.ReasonApplying))
	if w.mustGet("b", &service); service.ResourceVersion != version {
		t.Error("the foreign Service was written")
	}
}

// TestPodTemplate lays a template over a node's pods, once and for all; a bad one changes nothing.
func TestPodTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	overlay := func(spec string) *v1alpha1.PodTemplateSpec {
		return &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: []byte(spec)}}
	}
	w.create(brokerNode("a", func(n *v1alpha1.BrokerNode) {
		n.Spec.PodTemplate = overlay(`{"tolerations":[{"operator":"Exists"}],"priorityClassName":"x",
			"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"h","labelSelector":{}}]}},
			"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule"}],
			"containers":[{"name":"zeek","image":"zeek:8","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1000m"}},
			  "livenessProbe":{"httpGet":{"port":80}},"env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]}],
			"volumes":[{"name":"p","projected":{"sources":[{"serviceAccountToken":{"path":"x"}}]}},{"name":"e","ephemeral":{"volumeClaimTemplate":{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1024Mi"}}}}}}]}`)
	}))
	var set appsv1.StatefulSet
	w.appears("a", &set)
	if c := set.Spec.Template.Spec.Containers; len(c) != 2 || c[0].Name != manifest.ContainerName || c[1].Name != "zeek" {
		t.Fatalf("containers %+v", c)
	}
	writes := func() (n int) {
		for _, r := range w.requests.writes() {
			if strings.Contains(r, "/statefulsets/") {
				n++
			}
		}
		return n
	}
	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.LogLevel = v1alpha1.LogDebug })
	w.eventually("the config is news", func() error {
		var config corev1.ConfigMap
		if w.mustGet("a-config", &config); !strings.Contains(config.Data["a-0.json"], "Debug") {
			return errors.New("not yet")
		}
		return nil
	})
	w.change("a", node, "user", func() { node.Spec.PodTemplate = overlay(`{"containers":[{"name":"zeek","imge":"x"}]}`) })
	w.eventually("it is refused", w.configuredIs("a", metav1.ConditionFalse, v1alpha1.ReasonPodTemplateRefused, "spec.podTemplate.spec.containers[0].imge: unknown field"))
	w.event(string(v1alpha1.ReasonPodTemplateRefused), "imge")
	if n := writes(); n != 1 {
		t.Errorf("the StatefulSet was sent %d times, want once", n)
	}
	w.change("a", node, "user", func() { node.Spec.PodTemplate = nil })
	w.eventually("nothing is laid over it", func() error {
		if w.mustGet("a", &set); len(set.Spec.Template.Spec.Containers) != 1 || set.Spec.Template.Spec.Affinity != nil {
			return fmt.Errorf("%+v", set.Spec.Template.Spec)
		}
		return nil
	})
}

// TestPaused: a paused node stays as it is, and says so; afterwards all that has piled up is done.
func TestPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	w.revise("a", "r1")
	q := w.puppets.runAt("a", "r1")
	w.eventually("it is well", func() error { return w.nodeReady("a") })
	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.Paused = true })
	w.eventually("it is paused", func() error {
		return condition(w.node("a").Status.Conditions, v1alpha1.ConditionPaused, metav1.ConditionTrue, string(v1alpha1.ReasonPausedBySpec))
	})
	taken, writes := len(q.configs()), len(w.requests.writes())
	w.change("a", node, "user", func() {
		node.Spec.Image, node.Spec.LogLevel, node.Spec.Service = "other:1", v1alpha1.LogDebug, &v1alpha1.ServiceSpec{}
	})
	w.eventually("what waits shows", w.configuredIs("a", metav1.ConditionFalse, v1alpha1.ReasonPausedBySpec, "a-0", "stays as it is"))
	q.script(func(q *puppet) { q.instance = "a-second" }) // a new process would be offered its config at once
	w.eventually("it is still well", func() error { return w.nodeReadyOnly("a") })
	for _, r := range w.requests.writes()[writes:] {
		if !strings.Contains(r, "/status") && !strings.Contains(r, "/events") {
			t.Errorf("while paused: %s", r)
		}
	}
	if got := len(q.configs()); got != taken {
		t.Errorf("%d configs were pushed to a paused node", got-taken)
	}
	w.change("a", node, "user", func() { node.Spec.Paused = false })
	w.imageIs("a", "other:1")
	w.appears("a", &corev1.Service{})
	w.eventually("the config arrives", func() error {
		if len(q.configs()) == taken {
			return errors.New("not yet")
		}
		return nil
	})
	w.eventually("it is paused no more", func() error {
		if c := apimeta.FindStatusCondition(w.node("a").Status.Conditions, v1alpha1.ConditionPaused); c != nil {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
}

// nodeReadyOnly wants a node to be ready, whatever its config is.
func (w *world) nodeReadyOnly(name string) error {
	return condition(w.node(name).Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, string(v1alpha1.ReasonListening))
}

// TestRestartAnnotation: each new value makes one new template.
func TestRestartAnnotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	node := w.node("a")
	w.change("a", node, "user", func() { node.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "now"} })
	w.eventually("the template has it", func() error {
		var set appsv1.StatefulSet
		if w.mustGet("a", &set); set.Spec.Template.Annotations[v1alpha1.RestartedAtAnnotation] != "now" {
			return fmt.Errorf("%v", set.Spec.Template.Annotations)
		}
		return nil
	})
}

// TestVolumeGrowing: as long as a volume is smaller than it should be, the node says so.
func TestVolumeGrowing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(&corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: manifest.ClaimName("a-0")},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("2Gi")}},
		},
	})
	capacity := func(size string) {
		var claim corev1.PersistentVolumeClaim
		w.mustGet(manifest.ClaimName("a-0"), &claim)
		claim.Status.Phase = corev1.ClaimBound
		claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
		claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: corev1.PersistentVolumeClaimResizing, Status: corev1.ConditionTrue}}
		if err := w.client.Status().Update(t.Context(), &claim); err != nil {
			t.Fatal(err)
		}
	}
	capacity("1Gi")
	w.start()
	w.create(brokerNode("a", func(n *v1alpha1.BrokerNode) { n.Spec.Storage = &v1alpha1.StorageSpec{Size: resource.MustParse("2Gi")} }))
	w.appears("a", &appsv1.StatefulSet{})
	w.revise("a", "r1")
	w.puppets.runAt("a", "r1")
	w.eventually("it shows", w.configuredIs("a", metav1.ConditionFalse, v1alpha1.ReasonVolumeGrowing, "data-a-0 is to have 2Gi, and is being resized"))
	capacity("2Gi")
	w.eventually("it is over", w.configuredIs("a", metav1.ConditionTrue, v1alpha1.ReasonApplied))
}
