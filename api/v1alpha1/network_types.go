// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// NetworkPolicyMode says whether a node's pods are shielded by a NetworkPolicy.
// +kubebuilder:validation:Enum=None;Declared
type NetworkPolicyMode string

// The values of spec.networkPolicy.
const (
	// NetworkPolicyNone makes no NetworkPolicy.
	NetworkPolicyNone NetworkPolicyMode = "None"
	// NetworkPolicyDeclared lets in who is declared.
	NetworkPolicyDeclared NetworkPolicyMode = "Declared"
)
