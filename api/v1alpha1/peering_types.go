// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PeeringSpec joins two endpoints.
// +kubebuilder:validation:XValidation:rule=`!has(self.to.node) || self.to.node != self.from.node`,fieldPath=".to.node",messageExpression=`'"' + self.to.node + '" is also from.node; allowed: another node'`
type PeeringSpec struct {
	// The node that connects.
	// +required
	From PeeringFrom `json:"from"`

	// The node or the endpoint outside that is connected to.
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
}

// PeeringTLS describes how a peering is dialed.
type PeeringTLS struct {
	// Mesh, Disabled or Anonymous, as in a node's spec.tls.mode: what the other end listens with. Unset means the mode of the
	// node that connects. With Disabled and Anonymous the other end is not authenticated.
	// +optional
	Mode TLSMode `json:"mode,omitempty"`
}

// PeeringFrom names the node that connects.
type PeeringFrom struct {
	// Name of a BrokerNode in this namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:example="worker"
	Node string `json:"node"`
}

// PeeringTo names the node that is connected to, or the address of an endpoint outside: exactly one of the two.
// +kubebuilder:validation:XValidation:rule=`has(self.node) != has(self.address)`,messageExpression=`has(self.node) ? 'both node and address are set; allowed: exactly one of them' : 'neither node nor address is set; allowed: exactly one of them'`
type PeeringTo struct {
	// Name of a BrokerNode in this namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:example="worker"
	Node string `json:"node,omitempty"`

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

	// The node that connects.
	// +optional
	// +kubebuilder:validation:MaxLength=300
	From string `json:"from,omitempty"`

	// The node or address that is connected to.
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

// Peering joins a BrokerNode with another one or with an endpoint outside. One side connects; messages go both ways.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bp,categories=brokermesh
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
