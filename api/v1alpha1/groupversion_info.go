// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the API types of the group brokermesh.dev: BrokerNode, Peering and DataStore.
// All are namespaced; a namespace is a mesh, and references never leave it.
//
// +kubebuilder:object:generate=true
// +groupName=brokermesh.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion identifies the API that this package defines.
var GroupVersion = schema.GroupVersion{Group: "brokermesh.dev", Version: "v1alpha1"}

// SchemeBuilder collects the functions that add the types of this package to a scheme.
var SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme adds the types of this package to a scheme.
var AddToScheme = SchemeBuilder.AddToScheme

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&BrokerNode{}, &BrokerNodeList{}, &Peering{}, &PeeringList{}, &DataStore{}, &DataStoreList{}, &BrokerMesh{}, &BrokerMeshList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
