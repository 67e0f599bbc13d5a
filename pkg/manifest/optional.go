// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Optional is an object that a node has only if its spec asks for it.
type Optional struct {
	// Object has kind, namespace and name, and is complete if Wanted. One that isn't wanted is to go, if it is the node's.
	Object Object
	Wanted bool
}

// Optionals are the objects that the node may have besides those of List, wanted or not, in the order in which they are applied.
func (o Objects) Optionals(node *v1alpha1.BrokerNode) []Optional {
	all := []Optional{{Object: o.Public, Wanted: o.Public != nil}, {Object: o.Disruption, Wanted: o.Disruption != nil}}
	for i, empty := range []Object{
		&corev1.Service{TypeMeta: typeMeta("v1", "Service"), ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: PublicServiceName(node.Name)}},
		&policyv1.PodDisruptionBudget{TypeMeta: typeMeta("policy/v1", "PodDisruptionBudget"), ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: DisruptionName(node.Name)}},
	} {
		if !all[i].Wanted {
			all[i].Object = empty
		}
	}
	return all
}

// publicService is for clients and peers from elsewhere: unlike the governing one it has an address of its own, and only pods that are
// ready. The control port and the health checks are not reached through it.
func publicService(node *v1alpha1.BrokerNode) *corev1.Service {
	s := node.Spec.Service
	if s == nil {
		return nil
	}
	meta := objectMeta(node, PublicServiceName(node.Name))
	meta.Annotations = besides(nil, s.Annotations)
	spec := corev1.ServiceSpec{
		Type:                     cmp.Or(s.Type, corev1.ServiceTypeClusterIP),
		Selector:                 map[string]string{NodeLabel: node.Name},
		LoadBalancerClass:        s.LoadBalancerClass,
		LoadBalancerSourceRanges: slices.Clone(s.LoadBalancerSourceRanges),
		ExternalTrafficPolicy:    s.ExternalTrafficPolicy,
	}
	ports := s.NodePorts
	if ports == nil {
		ports = &v1alpha1.NodePorts{}
	}
	for _, p := range Ports(node) {
		port := corev1.ServicePort{Name: p.Name, Port: p.ContainerPort, TargetPort: intstr.FromString(p.Name), Protocol: corev1.ProtocolTCP}
		switch p.Name {
		case BrokerPortName:
			port.NodePort = ports.Broker
		case WebSocketPortName:
			port.NodePort = ports.WebSocket
		default:
			continue
		}
		spec.Ports = append(spec.Ports, port)
	}
	return &corev1.Service{TypeMeta: typeMeta("v1", "Service"), ObjectMeta: meta, Spec: spec}
}

// disruption keeps all but one of the node's pods when machines are drained. Of a single pod it would only be in the way.
func disruption(node *v1alpha1.BrokerNode) *policyv1.PodDisruptionBudget {
	if len(topology.Pods(node)) < 2 {
		return nil
	}
	return &policyv1.PodDisruptionBudget{
		TypeMeta: typeMeta("policy/v1", "PodDisruptionBudget"), ObjectMeta: objectMeta(node, DisruptionName(node.Name)),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(1)),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{NodeLabel: node.Name}},
		},
	}
}
