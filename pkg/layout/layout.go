// SPDX-License-Identifier: Apache-2.0

// Package layout says what a BrokerMesh is made of: the BrokerNodes and Peerings of a Zeek cluster. It is pure, so that files and
// clusters get the same. The layout is that of Zeek's cluster framework: everybody peers with the manager and the loggers, workers
// also with the proxies; nodes of one role don't peer with each other.
package layout

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// Names of the BrokerNodes, which are also the values of the label v1alpha1.RoleLabel.
const (
	Manager = "manager"
	Logger  = "logger"
	Proxy   = "proxy"
	Worker  = "worker"
)

// dials are the peerings of a Zeek cluster: each role connects to the others behind it.
var dials = []struct {
	from string
	to   []string
}{
	{Manager, []string{Logger}},
	{Proxy, []string{Logger, Manager}},
	{Worker, []string{Logger, Manager, Proxy}},
}

// Objects are the BrokerNodes and Peerings of a mesh, owned by it. The same mesh gives equal objects in the same order. What the
// definitions of the kinds fill in is not filled in.
func Objects(m *v1alpha1.BrokerMesh) ([]v1alpha1.BrokerNode, []v1alpha1.Peering) {
	one := int32(1)
	roles := []struct {
		name string
		spec *v1alpha1.RoleSpec
	}{
		{Manager, &v1alpha1.RoleSpec{Replicas: &one, NodeDefaults: m.Spec.Manager}},
		{Logger, m.Spec.Loggers}, {Proxy, m.Spec.Proxies}, {Worker, m.Spec.Workers},
	}
	var nodes []v1alpha1.BrokerNode
	present := make(map[string]bool)
	for _, role := range roles {
		if role.spec == nil {
			continue
		}
		present[role.name] = true
		n := v1alpha1.BrokerNode{TypeMeta: typeMeta("BrokerNode"), ObjectMeta: objectMeta(m, role.name), Spec: nodeSpec(m.Spec.Defaults, role.spec)}
		n.Labels = map[string]string{v1alpha1.RoleLabel: role.name}
		nodes = append(nodes, n)
	}
	var peerings []v1alpha1.Peering
	for _, d := range dials {
		for _, to := range d.to {
			if !present[d.from] || !present[to] {
				continue
			}
			p := v1alpha1.Peering{TypeMeta: typeMeta("Peering"), ObjectMeta: objectMeta(m, d.from+"-"+to)}
			p.Spec.From.Node, p.Spec.To.Node = d.from, to
			peerings = append(peerings, p)
		}
	}
	return nodes, peerings
}

// Owned tells whether an object belongs to a mesh. Without a cluster there are no UIDs: its name has to do.
func Owned(o metav1.Object, m *v1alpha1.BrokerMesh) bool {
	ref := metav1.GetControllerOf(o)
	return ref != nil && ref.Kind == "BrokerMesh" && ref.Name == m.Name && ref.UID == m.UID
}

func nodeSpec(defaults v1alpha1.NodeDefaults, role *v1alpha1.RoleSpec) v1alpha1.BrokerNodeSpec {
	r := role.NodeDefaults
	spec := v1alpha1.BrokerNodeSpec{
		Image: cmp.Or(r.Image, defaults.Image), ImagePullSecrets: r.ImagePullSecrets, Replicas: role.Replicas,
		Resources: cmp.Or(r.Resources, defaults.Resources), WebSocket: cmp.Or(r.WebSocket, defaults.WebSocket), Subscriptions: r.Subscriptions,
		TLS: cmp.Or(r.TLS, defaults.TLS), Storage: cmp.Or(r.Storage, defaults.Storage), Queues: cmp.Or(r.Queues, defaults.Queues),
		PodTemplate: cmp.Or(r.PodTemplate, defaults.PodTemplate), Service: cmp.Or(r.Service, defaults.Service),
		LogLevel: cmp.Or(r.LogLevel, defaults.LogLevel),
	}
	if len(spec.ImagePullSecrets) == 0 {
		spec.ImagePullSecrets = defaults.ImagePullSecrets
	}
	if len(spec.Subscriptions) == 0 {
		spec.Subscriptions = defaults.Subscriptions
	}
	return *spec.DeepCopy()
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: kind}
}

func objectMeta(m *v1alpha1.BrokerMesh, name string) metav1.ObjectMeta {
	yes := true
	return metav1.ObjectMeta{Name: name, Namespace: m.Namespace, OwnerReferences: []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "BrokerMesh", Name: m.Name, UID: m.UID, Controller: &yes,
	}}}
}
