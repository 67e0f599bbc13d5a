// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ForwardMode says which messages of its peers a node passes on.
// +kubebuilder:validation:Enum=None;Mesh;All
type ForwardMode string

// The values of spec.forward.
const (
	// ForwardNone passes nothing on.
	ForwardNone ForwardMode = "None"
	// ForwardMesh passes clients' messages to the mesh and the mesh's messages to clients.
	ForwardMesh ForwardMode = "Mesh"
	// ForwardAll passes every message to every other peer that asked for it.
	ForwardAll ForwardMode = "All"
)

// TLSMode says how connections are protected.
// +kubebuilder:validation:Enum=Mesh;Disabled;Anonymous
type TLSMode string

// The values of spec.tls.mode, of nodes and of peerings.
const (
	// TLSMesh demands mutual TLS with certificates of the mesh's own authority.
	TLSMesh TLSMode = "Mesh"
	// TLSDisabled speaks plain TCP.
	TLSDisabled TLSMode = "Disabled"
	// TLSAnonymous is what Zeek does by default: TLS 1.2 without certificates. It keeps out who only listens, and nobody else:
	// whoever reaches the port is let in, and whoever stands between the ends can read and change everything.
	TLSAnonymous TLSMode = "Anonymous"
)

// LogLevel is the least severe level that a node logs.
// +kubebuilder:validation:Enum=Debug;Info;Warn;Error
type LogLevel string

// The values of spec.logLevel.
const (
	// LogDebug logs everything.
	LogDebug LogLevel = "Debug"
	// LogInfo logs what happens once: starts, peerings, changes of configuration.
	LogInfo LogLevel = "Info"
	// LogWarn logs what may need attention.
	LogWarn LogLevel = "Warn"
	// LogError logs failures only.
	LogError LogLevel = "Error"
)

// NodeLabel names the BrokerNode on all its objects and pods; it alone selects its pods.
const NodeLabel = "brokermesh.dev/node"

// MaxReplicas is the most pods that a node can have.
const MaxReplicas = 100

// BrokerNodeSpec is what the user wants of a node.
// +kubebuilder:validation:XValidation:rule=`!has(self.tls) || self.tls.mode != 'Disabled' || !has(self.webSocket) || !has(self.webSocket.clientCertificates) || self.webSocket.clientCertificates == 'None'`,fieldPath=".webSocket.clientCertificates",messageExpression=`'"' + self.webSocket.clientCertificates + '" with tls.mode Disabled, where clients can\'t show any; allowed: None'`
// +kubebuilder:validation:XValidation:rule=`!has(self.tls) || self.tls.mode != 'Disabled' || !has(self.webSocket) || !has(self.webSocket.clients) || self.webSocket.clients.all(c, has(c.tokenSHA256))`,fieldPath=".webSocket.clients",message="one has a certificate only, which it can't show with tls.mode Disabled; allowed: tokenSHA256 for each"
// +kubebuilder:validation:XValidation:rule=`!has(self.webSocket) || !has(self.listen) || self.webSocket.port != self.listen.port`,fieldPath=".webSocket.port",message="is also listen.port; allowed: a port of its own"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.storage) || has(self.storage)`,fieldPath=".storage",message="can't be removed once it is set: the volume stays with its node"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.storage) || !has(self.storage) || (has(self.storage.class) == has(oldSelf.storage.class) && (!has(self.storage.class) || self.storage.class == oldSelf.storage.class))`,fieldPath=".storage.class",messageExpression=`(has(self.storage.class) ? '"' + self.storage.class + '"' : 'unset') + ' is not what it was (' + (has(oldSelf.storage.class) ? '"' + oldSelf.storage.class + '"' : 'unset') + '): the class of a volume can\'t change'`
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.storage) || !has(self.storage) || string(self.storage.size).size() > 32 || string(self.storage.size).matches('[eE]...') || !isQuantity(string(self.storage.size)) || quantity(string(self.storage.size)).compareTo(quantity(string(oldSelf.storage.size))) >= 0`,fieldPath=".storage.size",messageExpression=`string(self.storage.size) + ' is less than before (' + string(oldSelf.storage.size) + '): a volume can grow, not shrink'`
// +kubebuilder:validation:XValidation:rule=`!has(self.queues) || !has(self.queues.memoryLimit) || !has(self.resources) || !has(self.resources.limits) || !('memory' in self.resources.limits) || string(self.queues.memoryLimit).size() > 32 || string(self.queues.memoryLimit).matches('[eE]...') || !isQuantity(string(self.queues.memoryLimit)) || string(self.resources.limits['memory']).size() > 32 || string(self.resources.limits['memory']).matches('[eE]...') || !isQuantity(string(self.resources.limits['memory'])) || quantity(string(self.queues.memoryLimit)).isLessThan(quantity(string(self.resources.limits['memory'])))`,fieldPath=".queues.memoryLimit",messageExpression=`string(self.queues.memoryLimit) + ' does not fit into resources.limits.memory, ' + string(self.resources.limits['memory']) + '; allowed: less, at best half of it'`
// +kubebuilder:validation:XValidation:rule=`!has(self.service) || !has(self.service.nodePorts) || !has(self.service.nodePorts.webSocket) || has(self.webSocket)`,fieldPath=".service.nodePorts.webSocket",message="is set, but the node has no WebSocket port; allowed: with spec.webSocket only"
// +kubebuilder:validation:XValidation:rule=`!has(self.external) || !((has(self.replicas) && self.replicas != 1) || has(self.image) || has(self.imagePullSecrets) || has(self.resources) || has(self.webSocket) || has(self.subscriptions) || has(self.storage) || has(self.queues) || has(self.podTemplate) || has(self.service) || has(self.networkPolicy) || (has(self.paused) && self.paused) || (has(self.listen) && has(self.listen.port) && self.listen.port != 9999) || (has(self.forward) && self.forward != 'Mesh') || (has(self.tls) && has(self.tls.mode) && self.tls.mode != 'Mesh') || (has(self.logLevel) && self.logLevel != 'Info'))`,fieldPath=".external",messageExpression=`'set together with' + (has(self.replicas) && self.replicas != 1 ? ' replicas' : "") + (has(self.image) ? ' image' : "") + (has(self.imagePullSecrets) ? ' imagePullSecrets' : "") + (has(self.resources) ? ' resources' : "") + (has(self.webSocket) ? ' webSocket' : "") + (has(self.subscriptions) ? ' subscriptions' : "") + (has(self.storage) ? ' storage' : "") + (has(self.queues) ? ' queues' : "") + (has(self.podTemplate) ? ' podTemplate' : "") + (has(self.service) ? ' service' : "") + (has(self.networkPolicy) ? ' networkPolicy' : "") + (has(self.paused) && self.paused ? ' paused' : "") + (has(self.listen) && has(self.listen.port) && self.listen.port != 9999 ? ' listen' : "") + (has(self.forward) && self.forward != 'Mesh' ? ' forward' : "") + (has(self.tls) && has(self.tls.mode) && self.tls.mode != 'Mesh' ? ' tls' : "") + (has(self.logLevel) && self.logLevel != 'Info' ? ' logLevel' : "") + '; allowed: external alone, since there are no pods'`
// +kubebuilder:validation:XValidation:rule=`has(self.external) == has(oldSelf.external)`,fieldPath=".external",message="can't be set or removed later: the node has pods or it has none; allowed: to delete the BrokerNode and to make it anew"
type BrokerNodeSpec struct {
	// How many pods the node has, 0 to 100, such as 3. Each is an endpoint of its own, NAME-0, NAME-1 and so on. Whoever names the node
	// means all of them. kubectl scale and autoscalers change it; those with the highest numbers go first, and their volumes stay.
	// The node that holds the master of a store needs exactly one.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`

	// Container image of the node's program. Unset means the image that belongs to the operator that makes the pod;
	// status.image shows which one that is.
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
	// +kubebuilder:validation:XValidation:rule=`self.all(s, has(s.name) && s.name.size() >= 1 && s.name.size() <= 253)`,message="each entry needs the name of a Secret, 1 to 253 characters long"
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// CPU, memory and ephemeral-storage that the node's container asks for and is limited to.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`!has(self.claims) || self.claims.size() == 0`,fieldPath=".claims",message="must be empty: a node has no resource claims"
	// +kubebuilder:validation:XValidation:rule=`!has(self.limits) || self.limits.size() == ('cpu' in self.limits ? 1 : 0) + ('memory' in self.limits ? 1 : 0) + ('ephemeral-storage' in self.limits ? 1 : 0)`,fieldPath=".limits",message="allowed: cpu, memory, ephemeral-storage"
	// +kubebuilder:validation:XValidation:rule=`!has(self.requests) || self.requests.size() == ('cpu' in self.requests ? 1 : 0) + ('memory' in self.requests ? 1 : 0) + ('ephemeral-storage' in self.requests ? 1 : 0)`,fieldPath=".requests",message="allowed: cpu, memory, ephemeral-storage"
	// +kubebuilder:validation:XValidation:rule=`!has(self.limits) || ['cpu', 'memory', 'ephemeral-storage'].all(r, !(r in self.limits) || (string(self.limits[r]).size() <= 32 && !string(self.limits[r]).matches('[eE]...') && isQuantity(string(self.limits[r])) && !quantity(string(self.limits[r])).isLessThan(quantity('0'))))`,fieldPath=".limits",message="each must be a quantity that is not negative, such as 500m or 128Mi"
	// +kubebuilder:validation:XValidation:rule=`!has(self.requests) || ['cpu', 'memory', 'ephemeral-storage'].all(r, !(r in self.requests) || (string(self.requests[r]).size() <= 32 && !string(self.requests[r]).matches('[eE]...') && isQuantity(string(self.requests[r])) && !quantity(string(self.requests[r])).isLessThan(quantity('0'))))`,fieldPath=".requests",message="each must be a quantity that is not negative, such as 500m or 128Mi"
	// +kubebuilder:validation:XValidation:rule=`!has(self.requests) || !has(self.limits) || !('cpu' in self.requests) || !('cpu' in self.limits) || string(self.requests['cpu']).size() > 32 || string(self.requests['cpu']).matches('[eE]...') || !isQuantity(string(self.requests['cpu'])) || string(self.limits['cpu']).size() > 32 || string(self.limits['cpu']).matches('[eE]...') || !isQuantity(string(self.limits['cpu'])) || !quantity(string(self.requests['cpu'])).isGreaterThan(quantity(string(self.limits['cpu'])))`,fieldPath=".requests",message="cpu: a request can't be more than the limit"
	// +kubebuilder:validation:XValidation:rule=`!has(self.requests) || !has(self.limits) || !('memory' in self.requests) || !('memory' in self.limits) || string(self.requests['memory']).size() > 32 || string(self.requests['memory']).matches('[eE]...') || !isQuantity(string(self.requests['memory'])) || string(self.limits['memory']).size() > 32 || string(self.limits['memory']).matches('[eE]...') || !isQuantity(string(self.limits['memory'])) || !quantity(string(self.requests['memory'])).isGreaterThan(quantity(string(self.limits['memory'])))`,fieldPath=".requests",message="memory: a request can't be more than the limit"
	// +kubebuilder:validation:XValidation:rule=`!has(self.requests) || !has(self.limits) || !('ephemeral-storage' in self.requests) || !('ephemeral-storage' in self.limits) || string(self.requests['ephemeral-storage']).size() > 32 || string(self.requests['ephemeral-storage']).matches('[eE]...') || !isQuantity(string(self.requests['ephemeral-storage'])) || string(self.limits['ephemeral-storage']).size() > 32 || string(self.limits['ephemeral-storage']).matches('[eE]...') || !isQuantity(string(self.limits['ephemeral-storage'])) || !quantity(string(self.requests['ephemeral-storage'])).isGreaterThan(quantity(string(self.limits['ephemeral-storage'])))`,fieldPath=".requests",message="ephemeral-storage: a request can't be more than the limit"
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// The native port, which other nodes and Broker endpoints peer with.
	// +optional
	// +kubebuilder:default={}
	Listen *ListenSpec `json:"listen,omitempty"`

	// The WebSocket port for clients that speak JSON. The node has none unless this is set; {} is enough.
	// +optional
	WebSocket *WebSocketSpec `json:"webSocket,omitempty"`

	// Topic prefixes that the node asks its peers for, besides what its clients and stores need.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[^\x00-\x1f\x7f]+$`
	// +kubebuilder:validation:items:XValidation:rule=`!self.contains('<$>')`,message="<$> is reserved for Broker's own topics"
	// +kubebuilder:example={"zeek/"}
	Subscriptions []string `json:"subscriptions,omitempty"`

	// Which messages the node passes on. Mesh carries messages between the node's clients and the mesh, each once.
	// All hands every message to every other peer that asked for it, which is safe only without cycles. None passes nothing on.
	// +optional
	// +kubebuilder:default=Mesh
	Forward ForwardMode `json:"forward,omitempty"`

	// How the native and the WebSocket port are protected.
	// +optional
	// +kubebuilder:default={}
	TLS *TLSSpec `json:"tls,omitempty"`

	// A volume for the node's stores. A node that masters a SQLite or Pebble store needs one. It can grow and be added
	// later, but it can't shrink, change its class or be removed.
	// +optional
	Storage *StorageSpec `json:"storage,omitempty"`

	// What may wait in the node for peers and subscribers that are slow, and what happens when more would.
	// +optional
	Queues *QueuesSpec `json:"queues,omitempty"`

	// Whether a NetworkPolicy shields the node's pods. Declared lets in the pods of the nodes that a Peering has dial this one, clients of the
	// WebSocket port, scrapes of the metrics port from within the cluster, and the operator; an endpoint outside that connects to the native
	// port without being declared is kept out. None makes no policy: what else is in the namespace decides. Unset means None.
	// +optional
	NetworkPolicy NetworkPolicyMode `json:"networkPolicy,omitempty"`

	// The least severe level that the node logs.
	// +optional
	// +kubebuilder:default=Info
	LogLevel LogLevel `json:"logLevel,omitempty"`

	// What the node's pods have besides what the operator gives them: affinity, tolerations, further containers and volumes, labels and
	// annotations. A change of it replaces the pods. Without a cluster it is of no effect.
	// +optional
	PodTemplate *PodTemplateSpec `json:"podTemplate,omitempty"`

	// A Service with the node's name for clients and peers from elsewhere, such as {type: LoadBalancer}. The node has none unless this is
	// set; {} is enough for one inside the cluster.
	// +optional
	Service *ServiceSpec `json:"service,omitempty"`

	// Leaves everything of the node as it is: no object is written, no config pushed, no pod replaced, no certificate renewed. Its status is
	// still reported, with the condition Paused.
	// +optional
	// +kubebuilder:example=true
	Paused bool `json:"paused,omitempty"`

	// The node is an endpoint that runs elsewhere, such as a Zeek or a C++ Broker: {address: "zeek.example.org:9999"}, or {} for one that
	// only connects. It has no pods, so that no other field may be set; its status is what its peers see of it.
	// +optional
	External *ExternalSpec `json:"external,omitempty"`
}

// ListenSpec describes the native port.
type ListenSpec struct {
	// Port number. 9990 and 9991 serve the node's control port and its health checks.
	// +optional
	// +kubebuilder:default=9999
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:validation:XValidation:rule=`!(self in [9990, 9991])`,message="9990 and 9991 are the node's own control and health ports; allowed: any other port"
	Port int32 `json:"port,omitempty"`
}

// TLSSpec describes the protection of the native and WebSocket ports.
type TLSSpec struct {
	// Mesh demands TLS from both ends, with certificates of the mesh's own authority. Disabled speaks plain TCP. Anonymous is
	// TLS without certificates on the native port, as Zeek does by default: encrypted, but nobody is authenticated, so that
	// whoever reaches the port is let in; the WebSocket port then keeps the mesh's certificates, as with Mesh.
	// Both ends of a peering must agree; a peering can have another mode for its own dialing.
	// +optional
	// +kubebuilder:default=Mesh
	Mode TLSMode `json:"mode,omitempty"`
}

// StorageSpec asks for a persistent volume for the node's stores.
type StorageSpec struct {
	// Size of the volume, such as 1Gi.
	// +required
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))`,message="must be a quantity above 0, such as 1Gi"
	// +kubebuilder:example="1Gi"
	Size resource.Quantity `json:"size"`

	// StorageClass of the volume. Unset means the cluster's default class.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$`
	// +kubebuilder:example="fast-ssd"
	Class *string `json:"class,omitempty"`
}

// BrokerNodeStatus is what is known of a node.
type BrokerNodeStatus struct {
	// Generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Pods of this node that there are, well or not. An external node has none, and no number here.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Selector of the node's pods, as kubectl scale and autoscalers read it: "brokermesh.dev/node=worker".
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Selector string `json:"selector,omitempty"`

	// Peerings of this node that are established, of those that it should have: "3/4".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Peers string `json:"peers,omitempty"`

	// Masters and clones that the node holds.
	// +required
	Stores int32 `json:"stores"`

	// Endpoint ID of an external node, as its peers see it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	EndpointID string `json:"endpointID,omitempty"`

	// Peers that are connected to the node and belong to no Peering: at most as many as there were at once in the last minute. They are let
	// in if they have a certificate of the mesh, or if the node's port asks for none.
	// +optional
	UndeclaredPeers int32 `json:"undeclaredPeers,omitempty"`

	// Image that the node's pods run.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// Version that the node's program reports.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// The node's pods.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Pods []PodStatus `json:"pods,omitempty"`

	// Ready says that the pods run and the engines listen; Configured that they run the config of this topology.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// PodStatus is one pod of a node.
type PodStatus struct {
	// Name of the pod.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// HOST:PORT of the native port.
	// +optional
	// +kubebuilder:validation:MaxLength=300
	Address string `json:"address,omitempty"`

	// HOST:PORT of the WebSocket port, if the node has one.
	// +optional
	// +kubebuilder:validation:MaxLength=300
	WebSocket string `json:"webSocket,omitempty"`

	// Endpoint ID that the engine runs under; a new one at each start unless the node masters a persistent store.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	EndpointID string `json:"endpointID,omitempty"`

	// When the engine started.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}

// BrokerNode is a Broker endpoint of a mesh, or several alike: pods that run the engine. The mesh is the namespace.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=bn,categories=broker
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.status.replicas`
// +kubebuilder:printcolumn:name="Peers",type=string,JSONPath=`.status.peers`
// +kubebuilder:printcolumn:name="Stores",type=integer,JSONPath=`.status.stores`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.status.image`,priority=1
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`,priority=1
// +kubebuilder:printcolumn:name="Endpoint ID",type=string,JSONPath=`.status.pods[0].endpointID`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')`,fieldPath=".metadata",messageExpression=`'name "' + self.metadata.name + '": allowed: at most 40 of a-z, 0-9 and -, beginning with a letter and not ending with -'`
type BrokerNode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What the node should be. Everything has a default.
	// +optional
	// +kubebuilder:default={}
	Spec BrokerNodeSpec `json:"spec,omitempty"`

	// What is known of the node. Written by the operator.
	// +optional
	Status BrokerNodeStatus `json:"status,omitempty"`
}

// BrokerNodeList is a list of BrokerNodes.
// +kubebuilder:object:root=true
type BrokerNodeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BrokerNode `json:"items"`
}
