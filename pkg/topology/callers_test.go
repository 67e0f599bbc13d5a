// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func TestCallers(t *testing.T) {
	node := func(name string) v1alpha1.BrokerNode {
		return v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	peering := func(from string, to v1alpha1.PeeringTo) v1alpha1.Peering {
		return v1alpha1.Peering{
			ObjectMeta: metav1.ObjectMeta{Name: from + "-" + to.Node + to.Address[:min(3, len(to.Address))]},
			Spec:       v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Node: from}, To: to},
		}
	}
	got := Compile(Objects{
		Nodes: []v1alpha1.BrokerNode{node("a"), node("b"), node("c"), node("d")},
		Peerings: []v1alpha1.Peering{
			peering("c", v1alpha1.PeeringTo{Node: "a"}), peering("b", v1alpha1.PeeringTo{Node: "a"}),
			peering("d", v1alpha1.PeeringTo{Address: "b-0.b-pods.default.svc:9999"}),
			peering("d", v1alpha1.PeeringTo{Address: "zeek.example.org:9999"}),
			peering("d", v1alpha1.PeeringTo{Node: "nobody"}),
			peering("a", v1alpha1.PeeringTo{Node: "b"}), // b-a joins them already
		},
	}, Options{}).Callers()
	// Of a-b and b-a, which are equally old, the first by name joins.
	if want := (map[string]Callers{"a": {Nodes: []string{"c"}}, "b": {Nodes: []string{"a", "d"}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	outside := Result{Peerings: []PeeringPlan{{Links: []Link{{ToNode: "a", To: "a-0"}, {FromNode: "b", From: "b-0", ToNode: "a", To: "a-0"}}}}}.Callers()
	if want := (map[string]Callers{"a": {Nodes: []string{"b"}, Anybody: true}}); !reflect.DeepEqual(outside, want) {
		t.Errorf("with a caller outside: %+v", outside)
	}
}
