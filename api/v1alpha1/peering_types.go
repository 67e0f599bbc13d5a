// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PeeringSpec joins two endpoints.
type PeeringSpec struct {
	From          PeeringFrom      `json:"from"`
	To            PeeringTo        `json:"to"`
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`
}

// PeeringFrom names the node that connects.
type PeeringFrom struct {
	Node string `json:"node"`
}

// PeeringTo names the node that is connected to, or the address of an endpoint outside: exactly one of the two.
type PeeringTo struct {
	Node    string `json:"node,omitempty"`
	Address string `json:"address,omitempty"`
}

// PeeringStatus is what is known of a peering.
type PeeringStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	From               string             `json:"from,omitempty"`
	To                 string             `json:"to,omitempty"`
	Links              string             `json:"links,omitempty"`
	Problems           []LinkProblem      `json:"problems,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// LinkProblem is one link that isn't well.
type LinkProblem struct {
	From      string `json:"from"`
	To        string `json:"to"`
	FromState string `json:"fromState,omitempty"`
	ToState   string `json:"toState,omitempty"`
	LastError string `json:"lastError,omitempty"`
}

// Peering joins a BrokerNode with another one or with an endpoint outside.
type Peering struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PeeringSpec   `json:"spec,omitempty"`
	Status PeeringStatus `json:"status,omitempty"`
}

// PeeringList is a list of Peerings.
type PeeringList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Peering `json:"items"`
}
