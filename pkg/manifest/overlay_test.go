// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func overlay(spec string) func(*v1alpha1.BrokerNode) {
	return func(n *v1alpha1.BrokerNode) {
		n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: []byte(spec)}}
	}
}

// overlaidNode has a Zeek beside it, and a Service.
func overlaidNode(n *v1alpha1.BrokerNode) {
	overlay(`{
		"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}]}},
		"tolerations": [{"operator": "Exists"}],
		"priorityClassName": "high",
		"imagePullSecrets": [{"name": "pull"}],
		"securityContext": {"fsGroup": 1000},
		"containers": [
			{"name": "zeek", "image": "zeek:8", "ports": [{"containerPort": 47760}], "resources": {"limits": {"cpu": "1000m"}},
			 "volumeMounts": [{"name": "logs", "mountPath": "/logs"}, {"name": "tls", "mountPath": "/tls", "readOnly": true}]},
			{"name": "node", "env": [{"name": "GOMEMLIMIT", "value": "1GiB"}], "volumeMounts": [{"name": "logs", "mountPath": "/logs"}]}
		],
		"volumes": [{"name": "logs", "emptyDir": {}}]
	}`)(n)
	n.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "2026-11-22T04:00:00Z"}
	n.Spec.PodTemplate.Metadata = &v1alpha1.PodTemplateMeta{
		Labels:      map[string]v1alpha1.LabelValue{"team": "network"},
		Annotations: map[string]v1alpha1.AnnotationValue{"example.com/note": "yes"},
	}
	n.Spec.Service = &v1alpha1.ServiceSpec{Type: corev1.ServiceTypeNodePort, NodePorts: &v1alpha1.NodePorts{Broker: 30999},
		Annotations: map[string]v1alpha1.AnnotationValue{"example.com/a": "b"}}
}

// TestOverlayKeepsTheNode: whatever is laid over it, the node's container is what it was but for what was said of it.
func TestOverlayKeepsTheNode(t *testing.T) {
	plain, over := Build(input(node())).StatefulSet.Spec, Build(input(node(overlaidNode))).StatefulSet.Spec
	a, b := plain.Template.Spec.Containers[0], over.Template.Spec.Containers[0]
	if b.Name != ContainerName || b.Image != a.Image || !slices.Equal(a.Command, b.Command) || !slices.Equal(a.Args, b.Args) || len(a.Ports) != len(b.Ports) {
		t.Errorf("the container became %+v", b)
	}
	for _, m := range a.VolumeMounts {
		if !slices.ContainsFunc(b.VolumeMounts, func(o corev1.VolumeMount) bool { return equality.Semantic.DeepEqual(o, m) }) {
			t.Errorf("mount %s is lost", m.Name)
		}
	}
	if !*b.SecurityContext.ReadOnlyRootFilesystem || *over.Template.Spec.AutomountServiceAccountToken || !*over.Template.Spec.SecurityContext.RunAsNonRoot {
		t.Error("the pod is less confined")
	}
	if *over.Template.Spec.SecurityContext.FSGroup != 1000 || *over.Template.Spec.SecurityContext.RunAsUser != userID {
		t.Errorf("the security context became %+v", over.Template.Spec.SecurityContext)
	}
	if over.Template.Labels[NodeLabel] != "worker-1" || over.Template.Labels["team"] != "network" || over.Selector.MatchLabels[NodeLabel] != "worker-1" {
		t.Errorf("labels %v", over.Template.Labels)
	}
}

// TestOperatorsKeysStay: what the schema would refuse isn't taken either.
func TestOperatorsKeysStay(t *testing.T) {
	n := node(func(n *v1alpha1.BrokerNode) {
		n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Metadata: &v1alpha1.PodTemplateMeta{
			Labels:      map[string]v1alpha1.LabelValue{NodeLabel: "other", ManagedByLabel: "me"},
			Annotations: map[string]v1alpha1.AnnotationValue{QueuesAnnotation: "x"},
		}}
	})
	got := Build(input(n)).StatefulSet.Spec.Template
	if got.Labels[NodeLabel] != "worker-1" || got.Labels[ManagedByLabel] != ManagedBy || len(got.Annotations) != 0 {
		t.Errorf("%v, %v", got.Labels, got.Annotations)
	}
}
