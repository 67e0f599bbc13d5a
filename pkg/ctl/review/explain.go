// SPDX-License-Identifier: Apache-2.0

package review

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Explanation is why the conditions of an object are what they are.
type Explanation struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Facts are what the object asks for, as it was compiled.
	Facts []string `json:"facts"`
	// Conditions are those of an object that runs.
	Conditions []Condition `json:"conditions,omitempty"`
	// Evidence is what the ends say that are not as they should be.
	Evidence []string `json:"evidence,omitempty"`
	// Related are the objects that it rests on.
	Related []Related `json:"related,omitempty"`
	// Findings are those of lint about it.
	Findings []Finding `json:"findings,omitempty"`
	// Notes say how far the rest can be relied on.
	Notes []string `json:"notes,omitempty"`
}

// Condition is a condition with what it means.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
	// Meaning is that of the reason, Next what to do about it; empty where all is well.
	Meaning string `json:"meaning,omitempty"`
	Next    string `json:"next,omitempty"`
}

// Related is another object, and how it is.
type Related struct {
	Object string `json:"object"`
	// State is the word and the message of its condition Ready.
	State string `json:"state"`
	Ready bool   `json:"ready"`
}

// shortKinds are the words for kinds that commands take.
var shortKinds = map[string]string{
	"brokernode": topology.KindBrokerNode, "node": topology.KindBrokerNode, "bn": topology.KindBrokerNode,
	"peering": topology.KindPeering, "peer": topology.KindPeering, "bp": topology.KindPeering,
	"brokermesh": topology.KindBrokerMesh, "mesh": topology.KindBrokerMesh, "bm": topology.KindBrokerMesh,
	"datastore": topology.KindDataStore, "store": topology.KindDataStore, "bds": topology.KindDataStore,
}

// ParseObject reads KIND/NAME.
func ParseObject(text string) (kind, name string, err error) {
	kind, name, ok := strings.Cut(text, "/")
	full := shortKinds[strings.ToLower(kind)]
	if !ok || full == "" || name == "" {
		return "", "", fmt.Errorf("%q: allowed: node/NAME, peering/NAME, store/NAME or mesh/NAME", text)
	}
	return full, name, nil
}

// explainer explains objects of one mesh.
type explainer struct {
	mesh   meshobjects.Mesh
	result topology.Result
}

// Explain says of an object of a mesh why it is as it is.
func Explain(m meshobjects.Mesh, kind, name string, now time.Time) (Explanation, error) {
	e := explainer{mesh: m, result: topology.Compile(m.Objects, m.Options())}
	x := Explanation{Kind: kind, Name: name}
	found := false
	switch kind {
	case topology.KindBrokerNode:
		found = e.node(&x)
	case topology.KindPeering:
		found = e.peering(&x)
	case topology.KindDataStore:
		found = e.store(&x)
	case topology.KindBrokerMesh:
		found = e.layout(&x)
	}
	if !found {
		return x, fmt.Errorf("no %s %q in this mesh; it has %s", kind, name, e.names(kind))
	}
	for _, f := range Findings(m) {
		if f.Kind == kind && f.Name == name {
			x.Findings = append(x.Findings, f)
		}
	}
	x.Notes = e.notes(now)
	return x, nil
}

// names lists what there is of a kind.
func (e explainer) names(kind string) string {
	var names []string
	switch kind {
	case topology.KindBrokerNode:
		for _, n := range e.mesh.Objects.Nodes {
			names = append(names, n.Name)
		}
	case topology.KindPeering:
		for _, p := range e.mesh.Objects.Peerings {
			names = append(names, p.Name)
		}
	case topology.KindBrokerMesh:
		for _, m := range e.mesh.Objects.Meshes {
			names = append(names, m.Name)
		}
	default:
		for _, s := range e.mesh.Objects.Stores {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return few(names)
}

// few joins the first of many.
func few(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (e explainer) notes(now time.Time) []string {
	switch age := now.Sub(e.mesh.At); {
	case !e.mesh.Live():
		return []string{"these are manifests: what runs is told with --cluster or --data-dir"}
	case e.mesh.Origin == meshobjects.Laptop && age > meshobjects.FreshFor:
		return []string{fmt.Sprintf("this is how it was %v ago; brokerctl up doesn't seem to run any more", age.Round(time.Second))}
	}
	return nil
}

// conditions are those of an object, with what they mean.
func conditions(list []metav1.Condition) []Condition {
	var out []Condition
	for _, c := range list {
		x := Condition{Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message}
		if !holds(c) {
			x.Meaning, x.Next = meaning(v1alpha1.Reason(c.Reason)), advice(v1alpha1.Reason(c.Reason))
		}
		out = append(out, x)
	}
	return out
}

// holds reports whether a condition is as it should be.
func holds(c metav1.Condition) bool {
	if c.Type == v1alpha1.ConditionDropping {
		return c.Status == metav1.ConditionFalse
	}
	return c.Status == metav1.ConditionTrue
}

// relate adds an object, by its condition Ready.
func (x *Explanation) relate(kind, name string, list []metav1.Condition) {
	r := Related{Object: object(kind, name), State: "nothing known yet"}
	for _, c := range list {
		if c.Type == v1alpha1.ConditionReady {
			r.Ready, r.State = holds(c), string(c.Status)+": "+c.Reason
			if !r.Ready && c.Message != "" {
				r.State += ": " + c.Message
			}
		}
	}
	if !slices.Contains(x.Related, r) {
		x.Related = append(x.Related, r)
	}
}

// relateNode adds a node of a mesh that runs.
func (e explainer) relateNode(x *Explanation, name string) {
	if !e.mesh.Live() {
		return
	}
	for i := range e.mesh.Objects.Nodes {
		if n := &e.mesh.Objects.Nodes[i]; n.Name == name {
			x.relate(topology.KindBrokerNode, name, n.Status.Conditions)
		}
	}
}

// relatePeering adds a peering of a mesh that runs.
func (e explainer) relatePeering(x *Explanation, name string) {
	if !e.mesh.Live() {
		return
	}
	for i := range e.mesh.Objects.Peerings {
		if p := &e.mesh.Objects.Peerings[i]; p.Name == name {
			x.relate(topology.KindPeering, name, p.Status.Conditions)
		}
	}
}
