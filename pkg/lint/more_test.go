// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

func chain(n int) (o topology.Objects) {
	o.Nodes, o.Peerings = make([]v1alpha1.BrokerNode, n), make([]v1alpha1.Peering, n-1)
	for i := range o.Nodes {
		o.Nodes[i].Name = fmt.Sprintf("n%05d", i)
		if i > 0 {
			p := &o.Peerings[i-1]
			p.Name, p.Spec.From.Node, p.Spec.To.Node = o.Nodes[i].Name, o.Nodes[i].Name, o.Nodes[i-1].Name
		}
	}
	return o
}

func TestTooFar(t *testing.T) {
	only := func(findings []topology.Finding) []topology.Finding {
		return slices.DeleteFunc(findings, func(f topology.Finding) bool { return f.Reason != TooFar })
	}
	if got := only(Check(chain(meshHops+1), options)); len(got) != 0 {
		t.Errorf("64 hops: %s", render(got))
	}
	o := chain(meshHops + 2)
	got := only(Check(o, options))
	if len(got) != 1 || got[0].Name != "n00000" || !strings.HasPrefix(got[0].Message, `65 hops away from BrokerNode "n00065"`) {
		t.Errorf("65 hops: %s", render(got))
	}
	o.Peerings = append(o.Peerings, v1alpha1.Peering{}) // a short cut
	p := &o.Peerings[len(o.Peerings)-1]
	p.Name, p.Spec.From.Node, p.Spec.To.Node = "short", "n00000", "n00010"
	if got := only(Check(o, options)); len(got) != 0 {
		t.Errorf("with a short cut: %s", render(got))
	}
}

// TestCodes: the table has each code once, and every reason that the compiler gives is also one of a condition.
func TestCodes(t *testing.T) {
	conditions := make(map[v1alpha1.Reason]bool)
	for _, c := range evidence.Reasons() {
		for _, r := range c.Reasons {
			conditions[r] = true
		}
	}
	seen := make(map[v1alpha1.Reason]bool)
	for _, c := range Codes() {
		if seen[c.Code] || c.Means == "" || c.Do == "" {
			t.Errorf("%+v: twice, or without text", c)
		}
		seen[c.Code] = true
		if row, ok := Lookup(c.Code); !ok || !reflect.DeepEqual(row, c) {
			t.Errorf("looking up %s gives %+v", c.Code, row)
		}
		clash := c.Code == NameClash || c.Code == NodePortClash // shown as Conflict, and by the API server
		if c.Severity == topology.Error && !conditions[c.Code] && !clash {
			t.Errorf("%s is an error that no condition shows", c.Code)
		}
	}
	if _, ok := Lookup("Nothing"); ok {
		t.Error("the table has a code Nothing")
	}
}

func TestPodsAreNoSinglePoint(t *testing.T) {
	m := newMesh(chain(3), options)
	if got := singlePoints(m); len(got) != 1 || got[0].Name != "n00001" {
		t.Errorf("one pod each: %s", render(got))
	}
	m.pods["n00001"] = 2
	if got := singlePoints(m); len(got) != 0 {
		t.Errorf("two pods in the middle: %s", render(got))
	}
}

func BenchmarkCheck(b *testing.B) {
	o := chain(5000)
	for b.Loop() {
		Check(o, options)
	}
}
