// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// TestCut takes links down between a clone on node a and a master on node d of a ring a, b, c, d, where e is a leaf of a and d.
func TestCut(t *testing.T) {
	var links = []topology.Link{
		{FromNode: "a", From: "a-0", ToNode: "b", To: "b-0"}, {FromNode: "b", From: "b-0", ToNode: "c", To: "c-0"},
		{FromNode: "c", From: "c-0", Address: "192.0.2.4:9999", Behind: "d", BehindPod: "d-0"}, {FromNode: "d", From: "d-0", ToNode: "a", To: "a-0"},
		{FromNode: "e", From: "e-0", ToNode: "a", To: "a-0"}, {FromNode: "e", From: "e-0", ToNode: "d", To: "d-0"},
	}
	names := []string{"ab", "bc", "cd", "da", "ea", "ed"}
	for _, c := range []struct {
		down      []string
		overNodes bool
		want      string
	}{
		{nil, true, ""},
		{[]string{"da"}, true, ""},
		{[]string{"da"}, false, "da"},
		{[]string{"ab"}, false, ""},
		{[]string{"da", "bc"}, true, "bc and da"},
		{[]string{"da", "cd"}, true, "cd and da"},
		{[]string{"ab", "bc", "cd"}, true, ""},
		{[]string{"da", "ab", "bc"}, true, "ab and da"},
	} {
		j := &judge{links: make(map[string][]linkView), nodes: make(map[string]*v1alpha1.BrokerNode)}
		for _, n := range "abcde" {
			name := string(n)
			j.in.Compiled.Nodes = append(j.in.Compiled.Nodes, topology.NodePlan{Node: name, Pods: []topology.PodPlan{{Pod: name + "-0"}}})
			j.nodes[name] = &v1alpha1.BrokerNode{}
		}
		j.nodes["e"].Spec.Forward = v1alpha1.ForwardNone
		for i, l := range links {
			j.links[names[i]] = []linkView{{link: l, ruling: ruling{status: metav1.ConditionTrue}}}
		}
		for _, name := range c.down {
			j.links[name][0].ruling = no(v1alpha1.ReasonRefused, "")
		}
		if got := j.cut(topology.ClonePlan{Peerings: []string{"da"}, OverNodes: c.overNodes}, "a-0", "d-0"); got != c.want {
			t.Errorf("without %v, over nodes %v: %q, want %q", c.down, c.overNodes, got, c.want)
		}
	}
}
