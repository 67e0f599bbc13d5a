// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// LabelValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type LabelValue string

// NodeSelector chooses BrokerNodes of the namespace by their labels, as label selectors of Kubernetes do. All that it says must hold;
// an empty one, {}, chooses every node. {matchLabels: {role: worker}}
type NodeSelector struct {
	// Labels that a node must have, with these values, such as role: worker.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule=`self.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))`,message="a key is no key of a label; allowed: such as role or example.com/role"
	// +kubebuilder:example={role: worker}
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// Further demands on labels, such as {key: role, operator: In, values: [worker, proxy]}.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:example={{key: role, operator: In, values: {worker, proxy}}}
	MatchExpressions []NodeSelectorRequirement `json:"matchExpressions,omitempty"`
}

// SelectorOperator is what a NodeSelectorRequirement demands.
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
type SelectorOperator string

// The values of operator in a selector.
const (
	// SelectorIn: the label has one of the values.
	SelectorIn SelectorOperator = "In"
	// SelectorNotIn: the label has none of the values, or isn't there.
	SelectorNotIn SelectorOperator = "NotIn"
	// SelectorExists: the label is there.
	SelectorExists SelectorOperator = "Exists"
	// SelectorDoesNotExist: the label isn't there.
	SelectorDoesNotExist SelectorOperator = "DoesNotExist"
)

// NodeSelectorRequirement is a demand on one label.
// +kubebuilder:validation:XValidation:rule=`(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)`,fieldPath=".values",messageExpression=`(has(self.values) && self.values.size() > 0 ? 'set' : 'unset') + ' with operator ' + self.operator + '; allowed: one or more with In and NotIn, none with Exists and DoesNotExist'`
type NodeSelectorRequirement struct {
	// Key of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	// +kubebuilder:example="role"
	Key string `json:"key"`

	// In, NotIn, Exists or DoesNotExist.
	// +required
	// +kubebuilder:example="In"
	Operator SelectorOperator `json:"operator"`

	// Values for In and NotIn.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:example={worker, proxy}
	Values []LabelValue `json:"values,omitempty"`
}
