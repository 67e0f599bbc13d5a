// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/plan"
)

// TestPlanAgrees: brokerctl plan says that pods restart exactly where the template of the pods changes.
func TestPlanAgrees(t *testing.T) {
	states := map[string]*v1alpha1.BrokerNode{
		"plain":        node(),
		"everything":   node(everything),
		"grown":        node(everything, withStorage("2Gi", new("fast"))),
		"image":        node(func(n *v1alpha1.BrokerNode) { n.Spec.Image = "other:v1" }),
		"pull secrets": node(func(n *v1alpha1.BrokerNode) { n.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "a"}} }),
		"resources":    node(func(n *v1alpha1.BrokerNode) { n.Spec.Resources = &corev1.ResourceRequirements{} }),
		"storage":      node(withStorage("1Gi", nil)),
		"port":         node(func(n *v1alpha1.BrokerNode) { n.Spec.Listen = &v1alpha1.ListenSpec{Port: 1} }),
		"default port": node(func(n *v1alpha1.BrokerNode) { n.Spec.Listen = &v1alpha1.ListenSpec{Port: 9999} }),
		"WebSocket":    node(func(n *v1alpha1.BrokerNode) { n.Spec.WebSocket = &v1alpha1.WebSocketSpec{} }),
		"same port":    node(func(n *v1alpha1.BrokerNode) { n.Spec.WebSocket = &v1alpha1.WebSocketSpec{Port: 9997} }),
		"other port":   node(func(n *v1alpha1.BrokerNode) { n.Spec.WebSocket = &v1alpha1.WebSocketSpec{Port: 80} }),
		"clients": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.WebSocket = &v1alpha1.WebSocketSpec{Others: &v1alpha1.TopicRights{}}
		}),
		"no TLS":      node(func(n *v1alpha1.BrokerNode) { n.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSDisabled} }),
		"anonymous":   node(func(n *v1alpha1.BrokerNode) { n.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSAnonymous} }),
		"default TLS": node(func(n *v1alpha1.BrokerNode) { n.Spec.TLS = &v1alpha1.TLSSpec{} }),
		"queues":      node(func(n *v1alpha1.BrokerNode) { n.Spec.Queues = &v1alpha1.QueuesSpec{PeerMessages: 7} }),
		"memory": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.Queues = &v1alpha1.QueuesSpec{MemoryLimit: new(resource.MustParse("64Mi"))}
		}),
		"usual queues": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.Queues = &v1alpha1.QueuesSpec{PeerOverflow: v1alpha1.OverflowDisconnect}
		}),
		"subscriptions": node(func(n *v1alpha1.BrokerNode) { n.Spec.Subscriptions = []string{"a/"} }),
		"forward":       node(func(n *v1alpha1.BrokerNode) { n.Spec.Forward = v1alpha1.ForwardAll }),
		"log level":     node(func(n *v1alpha1.BrokerNode) { n.Spec.LogLevel = v1alpha1.LogDebug }),
		"template": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: []byte(`{"priorityClassName":"high"}`)}}
		}),
		"empty template": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: []byte("{}")}}
		}),
		"refused template": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: []byte(`{"hostNetwrk":true}`)}}
		}),
		"labels": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Metadata: &v1alpha1.PodTemplateMeta{Labels: map[string]v1alpha1.LabelValue{"a": "b"}}}
		}),
		"restart":  node(func(n *v1alpha1.BrokerNode) { n.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "now"} }),
		"service":  node(func(n *v1alpha1.BrokerNode) { n.Spec.Service = &v1alpha1.ServiceSpec{} }),
		"paused":   node(func(n *v1alpha1.BrokerNode) { n.Spec.Paused = true }),
		"replicas": node(func(n *v1alpha1.BrokerNode) { n.Spec.Replicas = new(int32(3)) }),
	}
	template := func(n *v1alpha1.BrokerNode) corev1.PodTemplateSpec {
		in := input(n)
		if n.Spec.Image != "" {
			in.Image = n.Spec.Image
		}
		return Build(in).StatefulSet.Spec.Template
	}
	for from, before := range states {
		for to, after := range states {
			why := plan.Restarts(before, after)
			if same := equality.Semantic.DeepEqual(template(before), template(after)); same != (len(why) == 0) {
				t.Errorf("from %s to %s the template stays the same: %v, but plan says restarts for [%s]", from, to, same, strings.Join(why, ", "))
			}
			if back := plan.Restarts(after, before); !slices.Equal(back, why) {
				t.Errorf("from %s to %s: %v, and back: %v", from, to, why, back)
			}
		}
	}
}
