// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

var options = topology.Options{RequireStorage: true}

// fix is a change of one object that makes findings go away.
type fix struct {
	Kind, Code string
	// Object is KIND/NAME.
	Object string
	// With is its new spec; none removes the object.
	With json.RawMessage
}

// TestGolden checks testdata/*.yaml; what is found is in *.golden beside it. Every fix names an object with a finding of its code,
// and takes that finding away.
func TestGolden(t *testing.T) {
	found, mended := make(map[v1alpha1.Reason]bool), make(map[v1alpha1.Reason]bool)
	for _, file := range cases(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			o, fixes := readCase(t, file)
			findings := Check(o, options)
			for _, f := range findings {
				found[f.Reason] = true
				exists(t, o, f)
			}
			compareGolden(t, strings.TrimSuffix(file, ".yaml")+".golden", render(findings))
			for _, x := range fixes {
				if !has(findings, x) {
					t.Errorf("%s has no finding %s that could be fixed", x.Object, x.Code)
				}
				mended[v1alpha1.Reason(x.Code)] = mended[v1alpha1.Reason(x.Code)] || len(x.With) > 0
				if after := Check(fixed(t, o, x), options); has(after, x) {
					t.Errorf("%s: %s is still there:\n%s", x.Object, x.Code, render(after))
				}
			}
		})
	}
	for _, c := range codes {
		rare := []v1alpha1.Reason{TooFar, v1alpha1.ReasonConfigTooLarge, v1alpha1.ReasonMoveRefused, topology.NoEffect} // have tests of their own
		if !found[c.Code] && !slices.Contains(rare, c.Code) {
			t.Errorf("no golden case has a finding %s", c.Code)
		}
		if !mended[c.Code] && !slices.Contains(rare, c.Code) {
			t.Errorf("no golden case mends the object that a finding %s names", c.Code)
		}
	}
}

func has(findings []topology.Finding, x fix) bool {
	return slices.ContainsFunc(findings, func(f topology.Finding) bool {
		return string(f.Reason) == x.Code && f.Kind+"/"+f.Name == x.Object
	})
}

func compareGolden(t *testing.T, golden, got string) {
	t.Helper()
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
}

// TestAnyOrder shuffles the objects: nothing changes.
func TestAnyOrder(t *testing.T) {
	for _, file := range cases(t) {
		o, _ := readCase(t, file)
		want := Check(o, options)
		r := rand.New(rand.NewPCG(seed.For(t), 0))
		for range 20 {
			r.Shuffle(len(o.Nodes), func(i, j int) { o.Nodes[i], o.Nodes[j] = o.Nodes[j], o.Nodes[i] })
			r.Shuffle(len(o.Peerings), func(i, j int) { o.Peerings[i], o.Peerings[j] = o.Peerings[j], o.Peerings[i] })
			r.Shuffle(len(o.Stores), func(i, j int) { o.Stores[i], o.Stores[j] = o.Stores[j], o.Stores[i] })
			if got := Check(o, options); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: got\n%s\nwant\n%s", file, render(got), render(want))
			}
		}
	}
}

// TestRandomMeshes: every finding has a code of the table, a severity no worse than there, and the name of an object that is there; and
// removing the objects that findings name ends with none left.
func TestRandomMeshes(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 1))
	for range 50 {
		o := randomMesh(r)
		for rounds := 0; ; rounds++ {
			findings := Check(o, options)
			if len(findings) == 0 {
				break
			}
			for _, f := range findings {
				exists(t, o, f)
				if row, ok := Lookup(f.Reason); !ok || f.Severity < row.Severity {
					t.Fatalf("%+v: the table has %+v", f, row)
				}
			}
			if rounds > 200 {
				t.Fatalf("findings never end: %s", render(findings))
			}
			f := findings[r.IntN(len(findings))]
			o = fixed(t, o, fix{Object: f.Kind + "/" + f.Name})
		}
	}
}

func randomMesh(r *rand.Rand) (o topology.Objects) {
	n := 2 + r.IntN(10)
	name := func() string { return fmt.Sprintf("n%d", r.IntN(n+1)) } // the last one is missing
	modes := []v1alpha1.ForwardMode{"", v1alpha1.ForwardMesh, v1alpha1.ForwardAll, v1alpha1.ForwardNone}
	o.Nodes = make([]v1alpha1.BrokerNode, n)
	for i := range o.Nodes {
		o.Nodes[i].Name, o.Nodes[i].Spec.Forward = fmt.Sprintf("n%d", i), modes[r.IntN(len(modes))]
		if r.IntN(3) == 0 {
			o.Nodes[i].Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSAnonymous}
		}
		if r.IntN(3) == 0 {
			o.Nodes[i].Spec.Subscriptions = []string{"a"}
		}
	}
	o.Peerings = make([]v1alpha1.Peering, r.IntN(2*n))
	for i := range o.Peerings {
		p := &o.Peerings[i]
		p.Name, p.Spec.From.Node, p.Spec.To.Node = fmt.Sprintf("p%d", i), name(), name()
		if r.IntN(4) == 0 {
			p.Spec.To.Node, p.Spec.To.Address = "", fmt.Sprintf("x%d.example.org:9999", r.IntN(2))
		}
	}
	o.Stores = make([]v1alpha1.DataStore, r.IntN(4))
	for i := range o.Stores {
		s := &o.Stores[i]
		s.Name, s.Spec.StoreName, s.Spec.Master.Node = fmt.Sprintf("s%d", i), fmt.Sprintf("store%d", r.IntN(3)), name()
		s.Spec.Clones = []v1alpha1.CloneSpec{{Node: name()}}
	}
	return o
}

func exists(t *testing.T, o topology.Objects, f topology.Finding) {
	t.Helper()
	ok := false
	switch f.Kind {
	case topology.KindBrokerNode:
		ok = slices.ContainsFunc(o.Nodes, func(n v1alpha1.BrokerNode) bool { return n.Name == f.Name })
	case topology.KindPeering:
		ok = slices.ContainsFunc(o.Peerings, func(p v1alpha1.Peering) bool { return p.Name == f.Name })
	case topology.KindDataStore:
		ok = slices.ContainsFunc(o.Stores, func(s v1alpha1.DataStore) bool { return s.Name == f.Name })
	}
	if !ok || f.Field == "" || f.Message == "" {
		t.Errorf("%+v: no such object, no field or no message", f)
	}
}

// fixed changes a copy of the objects.
func fixed(t *testing.T, o topology.Objects, x fix) topology.Objects {
	t.Helper()
	kind, name, _ := strings.Cut(x.Object, "/")
	switch kind {
	case topology.KindBrokerNode:
		o.Nodes = replaced(t, o.Nodes, x.With, func(n *v1alpha1.BrokerNode) (string, any) { return n.Name, &n.Spec }, name)
	case topology.KindPeering:
		o.Peerings = replaced(t, o.Peerings, x.With, func(p *v1alpha1.Peering) (string, any) { return p.Name, &p.Spec }, name)
	default:
		o.Stores = replaced(t, o.Stores, x.With, func(s *v1alpha1.DataStore) (string, any) { return s.Name, &s.Spec }, name)
	}
	return o
}

func replaced[T any](t *testing.T, list []T, with json.RawMessage, of func(*T) (string, any), name string) []T {
	t.Helper()
	var out []T
	for _, v := range list {
		if have, _ := of(&v); have != name {
			out = append(out, v)
			continue
		}
		if len(with) == 0 || string(with) == "null" {
			continue
		}
		_, spec := of(&v)
		reflect.ValueOf(spec).Elem().SetZero()
		if err := json.Unmarshal(with, spec); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func cases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return files
}

func readCase(t *testing.T, file string) (o topology.Objects, fixes []fix) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for doc := range bytes.SplitSeq(b, []byte("\n---\n")) {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case topology.KindBrokerNode:
			o.Nodes = append(o.Nodes, read[v1alpha1.BrokerNode](t, doc))
		case topology.KindPeering:
			o.Peerings = append(o.Peerings, read[v1alpha1.Peering](t, doc))
		case topology.KindDataStore:
			o.Stores = append(o.Stores, read[v1alpha1.DataStore](t, doc))
		case "Fix":
			fixes = append(fixes, read[fix](t, doc))
		}
	}
	return o, fixes
}

func read[T any](t *testing.T, doc []byte) (v T) {
	t.Helper()
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return v
}

func render(findings []topology.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s %s/%s: %s: %s\n", strings.ToLower(f.Severity.String()), f.Reason, f.Kind, f.Name, f.Field, f.Message)
	}
	return b.String()
}
