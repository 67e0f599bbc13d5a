// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ForwardMode says which messages of its peers a node passes on.
type ForwardMode string

// The values of spec.forward.
const (
	ForwardNone ForwardMode = "None"
	ForwardMesh ForwardMode = "Mesh"
	ForwardAll  ForwardMode = "All"
)

// TLSMode says how a node protects its native and WebSocket ports.
type TLSMode string

// The values of spec.tls.mode.
const (
	TLSMesh     TLSMode = "Mesh"
	TLSDisabled TLSMode = "Disabled"
)

// LogLevel is the least severe level that a node logs.
type LogLevel string

// BrokerNodeSpec is what the user wants of a node.
type BrokerNodeSpec struct {
	Image            string                        `json:"image,omitempty"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	Resources        *corev1.ResourceRequirements  `json:"resources,omitempty"`
	Listen           *ListenSpec                   `json:"listen,omitempty"`
	WebSocket        *WebSocketSpec                `json:"webSocket,omitempty"`
	Subscriptions    []string                      `json:"subscriptions,omitempty"`
	Forward          ForwardMode                   `json:"forward,omitempty"`
	TLS              *TLSSpec                      `json:"tls,omitempty"`
	Storage          *StorageSpec                  `json:"storage,omitempty"`
	LogLevel         LogLevel                      `json:"logLevel,omitempty"`
}

// ListenSpec describes the native port.
type ListenSpec struct {
	Port int32 `json:"port,omitempty"`
}

// WebSocketSpec describes the WebSocket port; the node has one only if it is set.
type WebSocketSpec struct {
	Port int32 `json:"port,omitempty"`
}

// TLSSpec describes the protection of the native and WebSocket ports.
type TLSSpec struct {
	Mode TLSMode `json:"mode,omitempty"`
}

// StorageSpec asks for a persistent volume for the node's stores.
type StorageSpec struct {
	Size  resource.Quantity `json:"size"`
	Class *string           `json:"class,omitempty"`
}

// BrokerNodeStatus is what is known of a node.
type BrokerNodeStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Peers              string             `json:"peers,omitempty"`
	Stores             int32              `json:"stores"`
	Image              string             `json:"image,omitempty"`
	Version            string             `json:"version,omitempty"`
	Pods               []PodStatus        `json:"pods,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// PodStatus is one pod of a node.
type PodStatus struct {
	Name       string       `json:"name"`
	Address    string       `json:"address,omitempty"`
	WebSocket  string       `json:"webSocket,omitempty"`
	EndpointID string       `json:"endpointID,omitempty"`
	Since      *metav1.Time `json:"since,omitempty"`
}

// BrokerNode is one Broker endpoint: a pod that runs the engine.
type BrokerNode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BrokerNodeSpec   `json:"spec,omitempty"`
	Status BrokerNodeStatus `json:"status,omitempty"`
}

// BrokerNodeList is a list of BrokerNodes.
type BrokerNodeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BrokerNode `json:"items"`
}
