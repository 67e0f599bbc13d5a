// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

var options = topology.Options{RequireStorage: true}

// change is a document of a case: an object as it is afterwards, or one that is removed.
type change struct {
	Kind string
	// Object is KIND/NAME. Spec is the whole new one; an object without is removed.
	Object string
	Spec   json.RawMessage
}

// TestGolden plans the changes of testdata/*.yaml; the plans are in *.golden beside them. The way back has as many steps, and no change
// is an empty plan.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			before, after := readCase(t, file)
			p := Compare(before, after, options)
			got, golden := render(p), strings.TrimSuffix(file, ".yaml")+".golden"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant (-rewrite writes it anew)\n%s", got, want)
			}
			back := Compare(after, before, options)
			if len(back.Objects) != len(p.Objects) || len(back.Nodes) != len(p.Nodes) || len(back.Links) != len(p.Links) ||
				!reflect.DeepEqual(back.Found, p.Gone) || !reflect.DeepEqual(back.Gone, p.Found) {
				t.Errorf("the way back is another:\n%s", render(back))
			}
			if same := Compare(after, after, options); !same.Empty() || len(same.Nodes)+len(same.Links)+len(same.Stores)+len(same.Found)+len(same.Gone) > 0 || same.Untouched != len(after.Nodes) {
				t.Errorf("no change is\n%s", render(same))
			}
		})
	}
}

func readCase(t *testing.T, file string) (before, after topology.Objects) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var changes []change
	for doc := range bytes.SplitSeq(b, []byte("\n---\n")) {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case topology.KindBrokerNode:
			before.Nodes = append(before.Nodes, read[v1alpha1.BrokerNode](t, doc))
		case topology.KindPeering:
			before.Peerings = append(before.Peerings, read[v1alpha1.Peering](t, doc))
		case topology.KindDataStore:
			before.Stores = append(before.Stores, read[v1alpha1.DataStore](t, doc))
		case "Change":
			changes = append(changes, read[change](t, doc))
		}
	}
	after = before
	for _, x := range changes {
		switch kind, name, _ := strings.Cut(x.Object, "/"); kind {
		case topology.KindBrokerNode:
			n := v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name}}
			after.Nodes = changed(t, after.Nodes, n, x.Spec, func(n *v1alpha1.BrokerNode) (string, any) { return n.Name, &n.Spec })
		case topology.KindPeering:
			p := v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Name: name}}
			after.Peerings = changed(t, after.Peerings, p, x.Spec, func(p *v1alpha1.Peering) (string, any) { return p.Name, &p.Spec })
		default:
			s := v1alpha1.DataStore{ObjectMeta: metav1.ObjectMeta{Name: name}}
			after.Stores = changed(t, after.Stores, s, x.Spec, func(s *v1alpha1.DataStore) (string, any) { return s.Name, &s.Spec })
		}
	}
	return before, after
}

func changed[T any](t *testing.T, list []T, v T, spec json.RawMessage, of func(*T) (string, any)) []T {
	t.Helper()
	name, into := of(&v)
	var out []T
	for _, old := range list {
		if have, _ := of(&old); have != name {
			out = append(out, old)
		} else if len(spec) > 0 {
			v = old
			_, into = of(&v)
			reflect.ValueOf(into).Elem().SetZero()
		}
	}
	if len(spec) == 0 {
		return out
	}
	if err := json.Unmarshal(spec, into); err != nil {
		t.Fatal(err)
	}
	return append(out, v)
}

func read[T any](t *testing.T, doc []byte) (v T) {
	t.Helper()
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return v
}

func render(p Plan) string {
	var b strings.Builder
	for _, o := range p.Objects {
		fmt.Fprintf(&b, "object %s/%s %s\n", o.Kind, o.Name, o.Act)
		for _, f := range o.Fields {
			fmt.Fprintf(&b, "  %s: %q -> %q\n", f.Path, f.Old, f.New)
		}
	}
	for _, n := range p.Nodes {
		fmt.Fprintf(&b, "node %s %s why=%v new=%v gone=%v\n", n.Node, n.Act, n.Why, n.New, n.Gone)
	}
	fmt.Fprintf(&b, "untouched %d\n", p.Untouched)
	for _, l := range p.Links {
		fmt.Fprintf(&b, "link %s: %s -> %s %s: %s: %s\n", l.Peering, l.From, l.To, l.Act, l.Why, l.Back)
	}
	for _, s := range p.Stores {
		fmt.Fprintf(&b, "store %s %s loss=%v: %s\n", s.Store, s.Node, s.Loss, s.Message)
	}
	for _, f := range p.Found {
		fmt.Fprintf(&b, "found %v %s %s/%s %s\n", f.Severity, f.Reason, f.Kind, f.Name, f.Field)
	}
	for _, f := range p.Gone {
		fmt.Fprintf(&b, "gone %v %s %s/%s %s\n", f.Severity, f.Reason, f.Kind, f.Name, f.Field)
	}
	return b.String()
}

func TestRestarts(t *testing.T) {
	with := func(mod func(*v1alpha1.BrokerNode)) *v1alpha1.BrokerNode {
		n := &v1alpha1.BrokerNode{Status: v1alpha1.BrokerNodeStatus{Image: "node:v1"}}
		mod(n)
		return n
	}
	base := with(func(*v1alpha1.BrokerNode) {})
	for name, test := range map[string]struct {
		mod  func(*v1alpha1.BrokerNode)
		want string
	}{
		"nothing":       {func(*v1alpha1.BrokerNode) {}, ""},
		"image":         {func(n *v1alpha1.BrokerNode) { n.Spec.Image = "node:v2" }, "image"},
		"running image": {func(n *v1alpha1.BrokerNode) { n.Spec.Image = "node:v1" }, ""},
		"defaults": {func(n *v1alpha1.BrokerNode) {
			n.Spec.TLS, n.Spec.Listen = &v1alpha1.TLSSpec{Mode: "Mesh"}, &v1alpha1.ListenSpec{Port: 9999}
		}, ""},
		"default queues": {func(n *v1alpha1.BrokerNode) { n.Spec.Queues = &v1alpha1.QueuesSpec{PeerMessages: 8192} }, ""},
		"queues":         {func(n *v1alpha1.BrokerNode) { n.Spec.Queues = &v1alpha1.QueuesSpec{PeerMessages: 1} }, "queues"},
		"several": {func(n *v1alpha1.BrokerNode) {
			n.Spec.Resources, n.Spec.Listen = &corev1.ResourceRequirements{}, &v1alpha1.ListenSpec{Port: 1}
		}, "resources listen.port"},
		"live": {func(n *v1alpha1.BrokerNode) {
			n.Spec.Subscriptions, n.Spec.LogLevel, n.Spec.Forward = []string{"a"}, v1alpha1.LogDebug, v1alpha1.ForwardNone
		}, ""},
	} {
		if got := strings.Join(Restarts(base, with(test.mod)), " "); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// TestApplied: what a cluster knows of an object stays when a manifest is applied to it.
func TestApplied(t *testing.T) {
	old := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	before := topology.Objects{
		Nodes: []v1alpha1.BrokerNode{
			{ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: old, Annotations: map[string]string{"x": "1", "y": "1"}}, Status: v1alpha1.BrokerNodeStatus{Image: "i"}},
			{ObjectMeta: metav1.ObjectMeta{Name: "b"}},
		},
		Stores: []v1alpha1.DataStore{{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Status: v1alpha1.DataStoreStatus{Master: &v1alpha1.MasterStatus{Node: "b", Epoch: 4, SpecNode: "a"}}}},
	}
	files := topology.Objects{
		Nodes: []v1alpha1.BrokerNode{
			{ObjectMeta: metav1.ObjectMeta{Name: "a", Annotations: map[string]string{"y": "2"}}, Spec: v1alpha1.BrokerNodeSpec{LogLevel: v1alpha1.LogDebug}},
			{ObjectMeta: metav1.ObjectMeta{Name: "c"}},
		},
		Stores: []v1alpha1.DataStore{{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: v1alpha1.DataStoreSpec{StoreName: "t"}}},
	}
	got := Applied(before, files, false)
	if len(got.Nodes) != 3 || got.Nodes[2].Name != "b" || len(Applied(before, files, true).Nodes) != 2 {
		t.Fatalf("nodes %+v", got.Nodes)
	}
	a, c := got.Nodes[0], got.Nodes[1]
	if a.Status.Image != "i" || !a.CreationTimestamp.Equal(&old) || a.Annotations["x"] != "1" || a.Annotations["y"] != "2" || a.Spec.LogLevel != v1alpha1.LogDebug {
		t.Errorf("a: %+v", a)
	}
	if !old.Before(&c.CreationTimestamp) {
		t.Errorf("c is as old as a: %v", c.CreationTimestamp)
	}
	if got.Stores[0].Status.Master.Epoch != 4 || got.Stores[0].Spec.StoreName != "t" {
		t.Errorf("store: %+v", got.Stores[0])
	}
	if files.Nodes[0].Status.Image != "" || len(files.Nodes[0].Annotations) != 1 {
		t.Error("the new objects have changed")
	}
}

// TestAppliedMesh: what a BrokerMesh no longer means goes with the change, pruned or not; what is nobody's stays.
func TestAppliedMesh(t *testing.T) {
	yes := true
	made := func(name string) v1alpha1.BrokerNode {
		return v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name,
			OwnerReferences: []metav1.OwnerReference{{Kind: topology.KindBrokerMesh, Name: "zeek", UID: "1", Controller: &yes}}}}
	}
	mesh := v1alpha1.BrokerMesh{ObjectMeta: metav1.ObjectMeta{Name: "zeek"}}
	before := topology.Objects{Meshes: []v1alpha1.BrokerMesh{mesh}, Nodes: []v1alpha1.BrokerNode{made("manager"), made("proxy"), {ObjectMeta: metav1.ObjectMeta{Name: "own"}}}}
	changed := topology.Objects{Meshes: []v1alpha1.BrokerMesh{mesh}, Nodes: []v1alpha1.BrokerNode{{ObjectMeta: metav1.ObjectMeta{Name: "manager"}}}}
	changed.Meshes[0].Spec.Defaults.LogLevel = v1alpha1.LogDebug
	after := Applied(before, changed, false)
	if len(after.Nodes) != 2 || after.Nodes[0].Name != "manager" || after.Nodes[1].Name != "own" || len(after.Nodes[0].OwnerReferences) != 1 {
		t.Errorf("nodes %+v", after.Nodes)
	}
	p := Compare(before, after, options)
	if len(p.Objects) != 2 || p.Objects[0].Name != "proxy" || p.Objects[0].Act != Removed || p.Objects[1].Kind != topology.KindBrokerMesh || p.Objects[1].Act != Changed {
		t.Errorf("%+v", p.Objects)
	}
	if after = Applied(before, topology.Objects{}, false); len(after.Nodes) != 3 || len(after.Meshes) != 1 {
		t.Errorf("without a mesh in the change: %+v", after)
	}
}

// TestHeirs: a master is handed over by an operator alone, and by none while its node is paused.
func TestHeirs(t *testing.T) {
	o := topology.Objects{
		Nodes:    []v1alpha1.BrokerNode{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}}},
		Peerings: []v1alpha1.Peering{{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Node: "a"}, To: v1alpha1.PeeringTo{Node: "b"}}}},
		Stores: []v1alpha1.DataStore{{ObjectMeta: metav1.ObjectMeta{Name: "s"},
			Spec: v1alpha1.DataStoreSpec{Master: v1alpha1.MasterSpec{Node: "a"}, Clones: []v1alpha1.CloneSpec{{Node: "b"}}}}},
	}
	image := func(paused bool) topology.Objects {
		return Applied(o, topology.Objects{Nodes: []v1alpha1.BrokerNode{{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.BrokerNodeSpec{Image: "other", Paused: paused}}}}, false)
	}
	for name, c := range map[string]struct {
		after topology.Objects
		opt   topology.Options
		loss  bool
	}{
		"cluster": {image(false), options, false},
		"paused":  {image(true), options, true},
		"laptop":  {image(false), topology.Options{NoPods: true}, true},
	} {
		if p := Compare(o, c.after, c.opt); len(p.Stores) != 1 || p.Stores[0].Loss != c.loss {
			t.Errorf("%s: %+v", name, p.Stores)
		}
	}
}
