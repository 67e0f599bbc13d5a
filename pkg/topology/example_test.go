// SPDX-License-Identifier: Apache-2.0

package topology_test

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// A mesh that is wired by labels: each edge pod is joined with one of the relays. Another node joins by its label alone.
func ExampleCompile() {
	labelled := func(name, role string, pods int32) v1alpha1.BrokerNode {
		return v1alpha1.BrokerNode{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"role": role}},
			Spec:       v1alpha1.BrokerNodeSpec{Replicas: &pods},
		}
	}
	role := func(value v1alpha1.LabelValue) *v1alpha1.NodeSelector {
		return &v1alpha1.NodeSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": value}}
	}
	mesh := topology.Objects{
		Nodes: []v1alpha1.BrokerNode{labelled("edge", "edge", 2), labelled("relay", "relay", 2)},
		Peerings: []v1alpha1.Peering{{
			ObjectMeta: metav1.ObjectMeta{Name: "edges-relays"},
			Spec: v1alpha1.PeeringSpec{
				From: v1alpha1.PeeringFrom{Selector: role("edge")},
				To:   v1alpha1.PeeringTo{Selector: role("relay"), Count: 1},
			},
		}},
	}
	show := func(title string) {
		fmt.Println(title)
		for _, l := range topology.Compile(mesh, topology.Options{Namespace: "site"}).Peerings[0].Links {
			fmt.Printf("  %s dials %s\n", l.From, l.Address)
		}
	}
	show("two edges")
	mesh.Nodes = append(mesh.Nodes, labelled("field", "edge", 1))
	show("and one from elsewhere")
	// Output:
	// two edges
	//   edge-0 dials relay-1.relay-pods.site.svc:9999
	//   edge-1 dials relay-1.relay-pods.site.svc:9999
	// and one from elsewhere
	//   edge-0 dials relay-1.relay-pods.site.svc:9999
	//   edge-1 dials relay-1.relay-pods.site.svc:9999
	//   field-0 dials relay-0.relay-pods.site.svc:9999
}
