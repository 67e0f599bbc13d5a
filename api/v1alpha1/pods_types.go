// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	// RestartedAtAnnotation on a BrokerNode has its pods replaced once for each new value, in the order of a rolling change. The value is
	// free; brokerctl restart writes the time.
	RestartedAtAnnotation = "brokermesh.dev/restartedAt"
	// RoleLabel on a BrokerNode says what it is in a Zeek cluster. Rolling changes take nodes that the graph tells nothing else of in the
	// order worker, proxy, logger, manager.
	RoleLabel = "brokermesh.dev/role"
)

// PodTemplateSpec is laid over the pods that the operator makes.
type PodTemplateSpec struct {
	// Labels and annotations of the pods, besides those that the operator sets.
	// +optional
	Metadata *PodTemplateMeta `json:"metadata,omitempty"`

	// Fields of a Kubernetes PodSpec, merged over the operator's by the rules of a strategic merge: containers, volumes and other lists
	// with names by their names. {affinity: …, containers: [{name: zeek, image: zeek:8}]}, for instance. What the operator needs for the
	// node itself can't be overridden; condition Configured says so, with the field.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	// +kubebuilder:example={"priorityClassName": "high"}
	Spec *runtime.RawExtension `json:"spec,omitempty"`
}

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=16384
type AnnotationValue string

// PodTemplateMeta are labels and annotations of pods.
type PodTemplateMeta struct {
	// Labels such as {team: network}. Those of brokermesh.dev and app.kubernetes.io are the operator's.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule=`self.all(k, !k.startsWith('brokermesh.dev/') && !k.startsWith('app.kubernetes.io/'))`,message="keys of brokermesh.dev and app.kubernetes.io are the operator's; allowed: any other"
	// +kubebuilder:example={"team": "network"}
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// Annotations such as {cluster-autoscaler.kubernetes.io/safe-to-evict: "false"}. Those of brokermesh.dev are the operator's.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule=`self.all(k, !k.startsWith('brokermesh.dev/'))`,message="keys of brokermesh.dev are the operator's; allowed: any other"
	// +kubebuilder:example={"team": "network"}
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// ServiceSpec asks for a Service with the name of the node, for clients and peers that are not of the mesh. The mesh itself never uses it.
// +kubebuilder:validation:XValidation:rule=`!has(self.loadBalancerClass) || (has(self.type) && self.type == 'LoadBalancer')`,fieldPath=".loadBalancerClass",message="is for type LoadBalancer only"
// +kubebuilder:validation:XValidation:rule=`!has(self.loadBalancerSourceRanges) || (has(self.type) && self.type == 'LoadBalancer')`,fieldPath=".loadBalancerSourceRanges",message="is for type LoadBalancer only"
// +kubebuilder:validation:XValidation:rule=`!has(self.externalTrafficPolicy) || (has(self.type) && self.type != 'ClusterIP')`,fieldPath=".externalTrafficPolicy",message="is for types NodePort and LoadBalancer only"
// +kubebuilder:validation:XValidation:rule=`!has(self.nodePorts) || (has(self.type) && self.type != 'ClusterIP')`,fieldPath=".nodePorts",message="is for types NodePort and LoadBalancer only"
type ServiceSpec struct {
	// Type of the Service: ClusterIP, NodePort or LoadBalancer.
	// +optional
	// +kubebuilder:default=ClusterIP
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	Type corev1.ServiceType `json:"type,omitempty"`

	// Annotations of the Service, which load balancers read, such as {service.beta.kubernetes.io/aws-load-balancer-scheme: internal}.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule=`self.all(k, !k.startsWith('brokermesh.dev/'))`,message="keys of brokermesh.dev are the operator's; allowed: any other"
	// +kubebuilder:example={"team": "network"}
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// Which load balancer serves it, such as example.com/internal. It can't change as long as the Service is there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:example="example.com/internal"
	LoadBalancerClass *string `json:"loadBalancerClass,omitempty"`

	// Networks whose clients the load balancer lets in, such as [192.0.2.0/24]. Unset lets in all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Format=cidr
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:example={"192.0.2.0/24"}
	LoadBalancerSourceRanges []string `json:"loadBalancerSourceRanges,omitempty"`

	// Cluster spreads what comes from outside over all machines; Local keeps it on the machine where it arrives, with the client's address.
	// +optional
	// +kubebuilder:validation:Enum=Cluster;Local
	ExternalTrafficPolicy corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`

	// Ports of the machines, such as {broker: 30999}. The cluster chooses those that are not set.
	// +optional
	NodePorts *NodePorts `json:"nodePorts,omitempty"`
}

// NodePorts are ports of the cluster's machines.
type NodePorts struct {
	// The native port, such as 30999.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:example=30999
	Broker int32 `json:"broker,omitempty"`

	// The WebSocket port, such as 30997.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:example=30997
	WebSocket int32 `json:"webSocket,omitempty"`
}
