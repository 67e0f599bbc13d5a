// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BrokerMeshSpec declares a mesh in the layout of a Zeek cluster: one BrokerNode a role, and the Peerings between the roles.
// +kubebuilder:validation:XValidation:rule=`has(self.issuerRef) == has(oldSelf.issuerRef) && (!has(self.issuerRef) || self.issuerRef == oldSelf.issuerRef)`,fieldPath=".issuerRef",message="can't change: nodes that trust different authorities don't talk to each other; make a new mesh, in a namespace of its own"
type BrokerMeshSpec struct {
	// An issuer of cert-manager that signs the certificates of all nodes of the namespace, in the place of an authority of the operator's
	// own. It must be there from the start and can't change: nodes that trust different authorities don't talk to each other.
	// Without a cluster there is none: brokerctl up says so, and signs with an authority of its own.
	// +optional
	IssuerRef *IssuerRef `json:"issuerRef,omitempty"`

	// What all nodes of the mesh have in common. A field that a role sets itself replaces the one here as a whole.
	// +optional
	Defaults NodeDefaults `json:"defaults,omitempty"`

	// The node manager: one pod, with a peering from every other role. It is there even if nothing is said about it.
	// +optional
	Manager NodeDefaults `json:"manager,omitempty"`

	// The node logger, with peerings from manager, proxies and workers. The mesh has none unless this is set; {} is enough for one.
	// +optional
	Loggers *RoleSpec `json:"loggers,omitempty"`

	// The node proxy, with peerings from the workers. The mesh has none unless this is set; {} is enough for one.
	// +optional
	Proxies *RoleSpec `json:"proxies,omitempty"`

	// The node worker. The mesh has none unless this is set; {} is enough for one. kubectl scale and autoscalers change its replicas.
	// +optional
	Workers *RoleSpec `json:"workers,omitempty"`
}

// IssuerRef names an issuer of cert-manager.
type IssuerRef struct {
	// Name of the issuer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:example="site-ca"
	Name string `json:"name"`

	// Issuer, of this namespace, or ClusterIssuer, or the kind of an external issuer.
	// +optional
	// +kubebuilder:default=Issuer
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// API group of the kind.
	// +optional
	// +kubebuilder:default="cert-manager.io"
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
}

// RoleSpec is what the pods of a role should be.
type RoleSpec struct {
	// How many pods the role has, 0 to 100. The mesh owns this number of the BrokerNode that it makes: change it here.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`

	NodeDefaults `json:",inline"`
}

// NodeDefaults are fields of BrokerNode.spec, with the same meaning; what is allowed there is allowed here.
type NodeDefaults struct {
	// Container image of the nodes' program.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\s]+$`
	// +kubebuilder:example="brokermesh/node:v0.1.0"
	Image string `json:"image,omitempty"`

	// Secrets of this namespace that hold the credentials to pull the image with.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// CPU, memory and ephemeral-storage that each pod asks for and is limited to.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// The WebSocket port for clients that speak JSON. {} is enough.
	// +optional
	WebSocket *WebSocketSpec `json:"webSocket,omitempty"`

	// Topic prefixes that the nodes ask their peers for, besides what their clients and stores need.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:example={"zeek/"}
	Subscriptions []string `json:"subscriptions,omitempty"`

	// How the native and the WebSocket port are protected. The roles of a mesh must agree.
	// +optional
	TLS *TLSSpec `json:"tls,omitempty"`

	// A volume for each pod's stores.
	// +optional
	Storage *StorageSpec `json:"storage,omitempty"`

	// What may wait in the nodes for peers and subscribers that are slow.
	// +optional
	Queues *QueuesSpec `json:"queues,omitempty"`

	// What the pods have besides what the operator gives them.
	// +optional
	PodTemplate *PodTemplateSpec `json:"podTemplate,omitempty"`

	// A Service for clients and peers from elsewhere, such as {type: LoadBalancer}, for each BrokerNode.
	// +optional
	Service *ServiceSpec `json:"service,omitempty"`

	// The least severe level that the nodes log.
	// +optional
	LogLevel LogLevel `json:"logLevel,omitempty"`
}

// BrokerMeshStatus is what is known of a mesh.
type BrokerMeshStatus struct {
	// Generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// BrokerNodes of the mesh that are ready and run their config, of those that it has: "4/4".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Nodes string `json:"nodes,omitempty"`

	// Peerings of the mesh that are ready, of those that it has: "6/6".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Peerings string `json:"peerings,omitempty"`

	// Pods of the workers that there are, well or not.
	// +optional
	Workers int32 `json:"workers,omitempty"`

	// Labels of the workers' pods, for autoscalers.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	WorkerSelector string `json:"workerSelector,omitempty"`

	// Ready says that all nodes and peerings of the mesh are.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// BrokerMesh is a whole mesh in one object: the layout of a Zeek cluster, as one BrokerNode a role and the Peerings between the roles,
// which the operator makes and keeps. BrokerNodes, Peerings and DataStores may stand beside it in the namespace.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.workers.replicas,statuspath=.status.workers,selectorpath=.status.workerSelector
// +kubebuilder:resource:shortName=bm,categories=broker,path=brokermeshes
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Nodes",type=string,JSONPath=`.status.nodes`
// +kubebuilder:printcolumn:name="Peerings",type=string,JSONPath=`.status.peerings`
// +kubebuilder:printcolumn:name="Workers",type=integer,JSONPath=`.spec.workers.replicas`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,fieldPath=".metadata",messageExpression=`'name "' + self.metadata.name + '": allowed: at most 63 characters'`
type BrokerMesh struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What the mesh should be. Everything has a default.
	// +optional
	// +kubebuilder:default={}
	Spec BrokerMeshSpec `json:"spec,omitempty"`

	// What is known of the mesh. Written by the operator.
	// +optional
	Status BrokerMeshStatus `json:"status,omitempty"`
}

// BrokerMeshList is a list of BrokerMeshes.
// +kubebuilder:object:root=true
type BrokerMeshList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BrokerMesh `json:"items"`
}
