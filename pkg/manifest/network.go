// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// ManagerLabels are on the pods of the manager, and nowhere else.
func ManagerLabels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "brokermesh", "app.kubernetes.io/component": "manager"}
}

// NetworkPolicy lets into a node's pods who is declared: to the native port the pods of the nodes that dial it, to the WebSocket port
// everybody, to the health and metrics port every pod of the cluster, to the control port the manager. What the pods connect to is not
// limited. Without a namespace of the manager everybody reaches the control port, which takes the manager's certificate only.
func NetworkPolicy(node *v1alpha1.BrokerNode, callers topology.Callers, managerNamespace string) *networkingv1.NetworkPolicy {
	meta := objectMeta(node, node.Name)
	policy := &networkingv1.NetworkPolicy{
		TypeMeta: typeMeta("networking.k8s.io/v1", "NetworkPolicy"), ObjectMeta: meta,
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{NodeLabel: node.Name}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}
	for _, port := range Ports(node) {
		if from, open := sources(port.Name, callers, managerNamespace); open {
			policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{
				From: from,
				Ports: []networkingv1.NetworkPolicyPort{{
					Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(port.ContainerPort)),
				}},
			})
		}
	}
	return policy
}

// sources are who may connect to a port: none in the list means everybody, if the port is open at all.
func sources(port string, callers topology.Callers, managerNamespace string) (from []networkingv1.NetworkPolicyPeer, open bool) {
	switch port {
	case WebSocketPortName:
		return nil, true
	case HTTPPortName:
		return []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}, true
	case ControlPortName:
		if managerNamespace == "" {
			return nil, true
		}
		return []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: managerNamespace}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: ManagerLabels()},
		}}, true
	}
	if callers.Anybody {
		return nil, true
	}
	if len(callers.Nodes) == 0 {
		return nil, false
	}
	return []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: NodeLabel, Operator: metav1.LabelSelectorOpIn, Values: callers.Nodes},
	}}}}, true
}
