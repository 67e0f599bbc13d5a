// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PeeringSpec joins endpoints: every pod of one side with every pod of the other, or with some of them (to.count).
type PeeringSpec struct {
	// The nodes that connect: all their pods do.
	// +required
	From PeeringFrom `json:"from"`

	// The nodes or the endpoint outside that are connected to. Where both sides choose the same pods, each pair is joined once, and no pod
	// with itself: a full mesh.
	// +required
	To PeeringTo `json:"to"`

	// The longest pause between attempts to connect, 100ms to 1h.
	// +optional
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('1h')`,message="allowed: a duration from 100ms to 1h, such as 500ms, 10s or 1m30s"
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`

	// How the side that connects protects the connection.
	// +optional
	TLS *PeeringTLS `json:"tls,omitempty"`

	// What may wait for the peers of this peering, where that is not as in the nodes' spec.queues: {peerOverflow: DropOldest}.
	// +optional
	Queues *PeeringQueues `json:"queues,omitempty"`
}

// PeeringTLS describes how a peering is dialed.
type PeeringTLS struct {
	// Mesh, Disabled or Anonymous, as in a node's spec.tls.mode: what the other end listens with. Unset means the mode of the
	// node that connects. With Disabled and Anonymous the other end is not authenticated.
	// +optional
	Mode TLSMode `json:"mode,omitempty"`
}

// PeeringFrom says which nodes connect: exactly one of the fields is set.
// +kubebuilder:validation:XValidation:rule=`has(self.node) != has(self.selector)`,messageExpression=`has(self.node) ? 'both node and selector are set; allowed: exactly one of them' : 'neither node nor selector is set; allowed: exactly one of them'`
type PeeringFrom struct {
	// Name of a BrokerNode in this namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:example="worker"
	Node string `json:"node,omitempty"`

	// BrokerNodes of this namespace by their labels, such as {matchLabels: {role: worker}}. Nodes that get the labels join by themselves.
	// +optional
	// +kubebuilder:example={matchLabels: {role: worker}}
	Selector *NodeSelector `json:"selector,omitempty"`
}

// PeeringTo says what is connected to: exactly one of node, address and selector is set.
// +kubebuilder:validation:XValidation:rule=`(has(self.node) ? 1 : 0) + (has(self.address) ? 1 : 0) + (has(self.selector) ? 1 : 0) == 1`,messageExpression=`(has(self.node) || has(self.address) || has(self.selector)) ? (has(self.node) ? (has(self.address) ? (has(self.selector) ? 'node, address and selector are set' : 'both node and address are set') : 'both node and selector are set') : 'both address and selector are set') + '; allowed: exactly one of them' : 'neither node, address nor selector is set; allowed: exactly one of them'`
// +kubebuilder:validation:XValidation:rule=`!has(self.count) || has(self.selector)`,fieldPath=".count",message="set without a selector; allowed: with selector only"
type PeeringTo struct {
	// Name of a BrokerNode in this namespace. It may be the one that connects, if that has several pods.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:example="manager"
	Node string `json:"node,omitempty"`

	// BrokerNodes of this namespace by their labels, such as {matchLabels: {role: proxy}}.
	// +optional
	// +kubebuilder:example={matchLabels: {role: worker}}
	Selector *NodeSelector `json:"selector,omitempty"`

	// How many of the pods that the selector chooses each connecting pod is joined with, 1 to 1000, such as 2. The choice is even, and as
	// stable as can be: a pod that comes or goes moves only the connections that it has to. Unset means all of them.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +kubebuilder:example=2
	Count int32 `json:"count,omitempty"`

	// HOST:PORT of an endpoint that this mesh doesn't manage. IPv6 addresses stand in brackets.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=260
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(\\[[0-9A-Fa-f:.]+\\]|[0-9A-Za-z_]([-0-9A-Za-z_]*[0-9A-Za-z_])?([.][0-9A-Za-z_]([-0-9A-Za-z_]*[0-9A-Za-z_])?)*[.]?):[1-9][0-9]{0,4}$') && int(self.substring(self.lastIndexOf(':') + 1)) <= 65535 && (!self.matches('^[0-9.]+:') || isIP(self.substring(0, self.lastIndexOf(':')))) && (!self.startsWith('[') || isIP(self.substring(1, self.lastIndexOf(']'))))`,message="allowed: HOST:PORT with a name, an IPv4 address or a bracketed IPv6 address, and a port from 1 to 65535"
	// +kubebuilder:example="zeek.example.org:9999"
	Address string `json:"address,omitempty"`
}

// PeeringStatus is what is known of a peering.
type PeeringStatus struct {
	// Generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// The node that connects, or the labels by which nodes do: "role=worker".
	// +optional
	// +kubebuilder:validation:MaxLength=300
	From string `json:"from,omitempty"`

	// The node, the labels or the address that is connected to: "2 of role=proxy".
	// +optional
	// +kubebuilder:validation:MaxLength=300
	To string `json:"to,omitempty"`

	// Links that are established, of those that the peering means: "1/1".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Links string `json:"links,omitempty"`

	// Links that aren't well, worst first. Well ones only count.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Problems []LinkProblem `json:"problems,omitempty"`

	// Ready and Established say that every end that can be asked reports the other; Dropping that messages were dropped.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// LinkProblem is one link that isn't well.
type LinkProblem struct {
	// Pod that connects.
	// +required
	// +kubebuilder:validation:MaxLength=300
	From string `json:"from"`

	// Pod or address that is connected to.
	// +required
	// +kubebuilder:validation:MaxLength=300
	To string `json:"to"`

	// What the connecting end reports.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	FromState string `json:"fromState,omitempty"`

	// What the other end reports.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ToState string `json:"toState,omitempty"`

	// Class of the last error.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastError string `json:"lastError,omitempty"`
}

// Peering joins BrokerNodes with others or with an endpoint outside. One side connects; messages go both ways.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bp,categories=broker
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.from`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.status.to`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Links",type=string,JSONPath=`.status.links`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.status.conditions[?(@.type=="Ready")].lastTransitionTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,fieldPath=".metadata",messageExpression=`'name "' + self.metadata.name + '": allowed: at most 63 characters'`
type Peering struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What the peering joins.
	// +required
	Spec PeeringSpec `json:"spec,omitempty"`

	// What is known of the peering. Written by the operator.
	// +optional
	Status PeeringStatus `json:"status,omitempty"`
}

// PeeringList is a list of Peerings.
// +kubebuilder:object:root=true
type PeeringList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Peering `json:"items"`
}
