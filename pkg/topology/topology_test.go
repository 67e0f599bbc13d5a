// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// TestGolden compiles testdata/*.yaml; what comes out is in *.golden beside it.
func TestGolden(t *testing.T) {
	for _, file := range cases(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			o, opt := readCase(t, file)
			got := render(Compile(o, opt))
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
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
		})
	}
}

// TestAnyOrder shuffles the objects: neither the order nor a second run changes a byte, and the input stays as it was.
func TestAnyOrder(t *testing.T) {
	for _, file := range cases(t) {
		o, opt := readCase(t, file)
		want := Compile(o, opt)
		for seed := range uint64(50) {
			r := rand.New(rand.NewPCG(seed, 0))
			r.Shuffle(len(o.Nodes), func(i, j int) { o.Nodes[i], o.Nodes[j] = o.Nodes[j], o.Nodes[i] })
			r.Shuffle(len(o.Peerings), func(i, j int) { o.Peerings[i], o.Peerings[j] = o.Peerings[j], o.Peerings[i] })
			r.Shuffle(len(o.Stores), func(i, j int) { o.Stores[i], o.Stores[j] = o.Stores[j], o.Stores[i] })
			before := deepCopy(o)
			if got := Compile(o, opt); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s, seed %d: got\n%s\nwant\n%s", file, seed, render(got), render(want))
			}
			if !reflect.DeepEqual(o, before) {
				t.Fatalf("%s, seed %d: the objects have changed", file, seed)
			}
		}
	}
}

// TestConfigsAreAccepted holds every compiled document against the rules by which nodes take it.
func TestConfigsAreAccepted(t *testing.T) {
	for _, file := range cases(t) {
		for _, node := range Compile(readCase(t, file)).Nodes {
			for _, pod := range node.Pods {
				if got, err := nodeconfig.Parse(pod.Config.Canonical()); err != nil || got.Hash() != pod.Hash {
					t.Errorf("%s: %s: %v", file, pod.Pod, err)
				}
			}
		}
	}
}

func TestConfigTooLarge(t *testing.T) {
	prefixes := make([]string, 256)
	for i := range prefixes {
		prefixes[i] = fmt.Sprint(i, strings.Repeat("x", 3600))
	}
	var o Objects
	o.Nodes = make([]v1alpha1.BrokerNode, 2)
	o.Nodes[0].Name, o.Nodes[1].Name = "large", "small"
	o.Nodes[0].Spec.Subscriptions = prefixes
	result := Compile(o, Options{})
	large, small := result.Nodes[0], result.Nodes[1]
	if small.Fault != nil || large.Fault == nil || large.Fault.Reason != v1alpha1.ReasonConfigTooLarge {
		t.Fatalf("large: %v, small: %v", large.Fault, small.Fault)
	}
	if want := "bytes, allowed: at most 921600"; !strings.HasSuffix(large.Fault.Message, want) {
		t.Errorf("got %q, want %q", large.Fault.Message, want)
	}
	o = Objects{Nodes: []v1alpha1.BrokerNode{{}}, Stores: make([]v1alpha1.DataStore, nodeconfig.MaxStores+1)}
	o.Nodes[0].Name = "a"
	for i := range o.Stores {
		o.Stores[i].Name, o.Stores[i].Spec.Master.Node = fmt.Sprint("s", i), "a"
	}
	if f := Compile(o, Options{}).Findings; len(f) != 1 || f[0].Message != "the compiled config has 1025 stores, allowed: at most 1024" {
		t.Errorf("got %v", f)
	}
}

func TestHashFollowsTheConfigs(t *testing.T) {
	o, opt := readCase(t, "testdata/ring.yaml")
	before := Compile(o, opt)
	o.Nodes[1].Spec.Subscriptions = []string{"x"}
	after := Compile(o, opt)
	for i := range before.Nodes {
		changed := before.Nodes[i].Hash != after.Nodes[i].Hash
		if changed != (before.Nodes[i].Node == o.Nodes[1].Name) {
			t.Errorf("%s: hash changed: %v", before.Nodes[i].Node, changed)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"logger-1", "manager", "worker-1", "worker-2"}
	for name, want := range map[string]string{
		"manger": "manager", "amnager": "manager", "worker1": "worker-1", "worker-3": "worker-1", "Manager": "manager",
		"boss": "", "x": "", "": "", "logger": "logger-1",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	for _, d := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "ab", 2}, {"abc", "abc", 0}, {"ca", "abc", 3}, {"ab", "ba", 1}, {"kitten", "sitting", 3}} {
		if got := distance(d.a, d.b); got != d.want || distance(d.b, d.a) != d.want {
			t.Errorf("%q %q: got %d, want %d", d.a, d.b, got, d.want)
		}
	}
}

func cases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return files
}

// readCase reads the objects of a file, and a document of kind Options.
func readCase(t *testing.T, file string) (o Objects, opt Options) {
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
		case KindBrokerNode:
			o.Nodes = append(o.Nodes, read[v1alpha1.BrokerNode](t, doc))
		case KindPeering:
			o.Peerings = append(o.Peerings, read[v1alpha1.Peering](t, doc))
		case KindDataStore:
			o.Stores = append(o.Stores, read[v1alpha1.DataStore](t, doc))
		case "Failovers":
			o.Failovers = read[struct {
				Kind      string              `json:"kind"`
				Failovers map[string]Failover `json:"failovers"`
			}](t, doc).Failovers
		default:
			opt = read[struct {
				Kind string `json:"kind"`
				Options
			}](t, doc).Options
		}
	}
	return o, opt
}

func read[T any](t *testing.T, doc []byte) (v T) {
	t.Helper()
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return v
}

func deepCopy(o Objects) Objects {
	n, p, s := v1alpha1.BrokerNodeList{Items: o.Nodes}, v1alpha1.PeeringList{Items: o.Peerings}, v1alpha1.DataStoreList{Items: o.Stores}
	return Objects{Nodes: n.DeepCopy().Items, Peerings: p.DeepCopy().Items, Stores: s.DeepCopy().Items, Failovers: maps.Clone(o.Failovers)}
}

// render writes a result as people read it.
func render(r Result) string {
	var b strings.Builder
	for _, f := range r.Findings {
		severity := ""
		if f.Severity != Error {
			severity = " " + strings.ToLower(f.Severity.String())
		}
		fmt.Fprintf(&b, "finding %s/%s: %s: %s%s: %s\n", f.Kind, f.Name, f.Field, f.Reason, severity, f.Message)
	}
	for _, n := range r.Nodes {
		fmt.Fprintf(&b, "node %s%s\n", n.Node, fault(n.Fault))
		if len(n.BackupClaims) > 0 {
			fmt.Fprintf(&b, "  backups on %v\n", n.BackupClaims)
		}
		for _, p := range n.Pods {
			fmt.Fprintf(&b, "  pod %s address=%s webSocket=%s\n    %s\n", p.Pod, p.Address, p.WebSocket, p.Config.Canonical())
		}
	}
	for _, p := range r.Peerings {
		fmt.Fprintf(&b, "peering %s: %s -> %s%s\n", p.Name, p.From, p.To, fault(p.Fault))
		for _, l := range p.Links {
			mode := ""
			if l.TLS != nodeconfig.TLSMesh {
				mode = " tls=" + l.TLS
			}
			fmt.Fprintf(&b, "  link %s -> %s (%s)%s%s\n", l.Source(), l.Target(), l.Address, mode, fault(l.Fault))
		}
	}
	for _, s := range r.Stores {
		fmt.Fprintf(&b, "store %s %q: %s (%s)%s\n", s.Object, s.StoreName, s.Master, s.MasterPod, fault(s.Fault))
		if s.Promotion || s.Target != "" || s.Lease != 0 {
			fmt.Fprintf(&b, "  epoch=%d promotion=%v target=%s (%s) lease=%v%s\n", s.Epoch, s.Promotion, s.Target, s.TargetPod, s.Lease, fault(s.MoveFault))
		} else if s.MoveFault != nil {
			fmt.Fprintf(&b, "  move%s\n", fault(s.MoveFault))
		}
		if s.Removal {
			fmt.Fprintf(&b, "  removed from %v\n", s.RemoveFrom)
		}
		for _, c := range s.Clones {
			fmt.Fprintf(&b, "  clone %s %v by %v%s%s\n", c.Node, c.Pods, c.Peerings, map[bool]string{true: " over nodes"}[c.OverNodes], fault(c.Fault))
		}
	}
	return b.String()
}

func fault(f *Finding) string {
	if f == nil {
		return ""
	}
	return " fault " + string(f.Reason)
}
