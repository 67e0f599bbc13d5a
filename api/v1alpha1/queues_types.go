// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// FlowControl says whether a node holds its clients back for subscribers elsewhere.
// +kubebuilder:validation:Enum=Honor;Ignore
type FlowControl string

// The values of spec.queues.flowControl.
const (
	// FlowControlHonor lets publishers wait for the room that subscribers have asked them to keep to.
	FlowControlHonor FlowControl = "Honor"
	// FlowControlIgnore sends as if nobody had asked; who is too slow loses messages.
	FlowControlIgnore FlowControl = "Ignore"
)

// QueuesSpec bounds what waits in a node for those who are slow. Unset fields have the engine's defaults. A change makes new pods.
type QueuesSpec struct {
	// Messages that may wait for each peer, such as 20000. Unset means 8192.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +kubebuilder:example=8192
	PeerMessages int32 `json:"peerMessages,omitempty"`

	// How much may wait for each peer, 64Ki to 1Ti, such as 64Mi. Unset means 32Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 32Mi"
	// +kubebuilder:example="64Mi"
	PeerSize *resource.Quantity `json:"peerSize,omitempty"`

	// What happens when more would wait for a peer: Disconnect ends the connection, which comes back; DropOldest and DropNewest leave
	// holes in what it sees. Unset means Disconnect.
	// +optional
	PeerOverflow Overflow `json:"peerOverflow,omitempty"`

	// Messages that may wait for each subscriber in the node's own process, such as 100000. Unset means 65536. WebSocket clients have a
	// limit of their own, webSocket.limits.queueMessages.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +kubebuilder:example=65536
	SubscriberMessages int32 `json:"subscriberMessages,omitempty"`

	// How much may wait for each subscriber, 64Ki to 1Ti, such as 64Mi. Unset means 32Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 32Mi"
	// +kubebuilder:example="64Mi"
	SubscriberSize *resource.Quantity `json:"subscriberSize,omitempty"`

	// How much all queues of the node may hold together, 64Ki to 1Ti, such as 128Mi. When it is reached, the largest does what it does
	// when it is full. The node's container should have at least twice as much memory. Unset means 256Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 256Mi"
	// +kubebuilder:example="256Mi"
	MemoryLimit *resource.Quantity `json:"memoryLimit,omitempty"`

	// Whether what the node's WebSocket clients publish waits for subscribers elsewhere in the mesh that ask for flow control. Honor
	// waits for them, as long as they take messages; Ignore never does, so that no subscriber can hold the node's clients up. Unset
	// means Honor.
	// +optional
	FlowControl FlowControl `json:"flowControl,omitempty"`
}
