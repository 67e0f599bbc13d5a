// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// TestGolden draws meshes in all forms; the pictures are in testdata.
func TestGolden(t *testing.T) {
	samples := filepath.Join("..", "..", "..", "config", "samples")
	for name, g := range map[string]Graph{
		"zeek-cluster": Of(files(t, filepath.Join(samples, "zeek-cluster.yaml"))),
		"bad":          Of(files(t, "testdata/bad.yaml")),
		"live":         Of(live(t)),
	} {
		for suffix, write := range map[string]func(io.Writer) error{".svg": g.WriteSVG, ".dot": g.WriteDOT, ".mmd": g.WriteMermaid} {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			if suffix == ".svg" {
				wellFormed(t, got.Bytes())
			}
			golden := filepath.Join("testdata", name+suffix)
			if *rewrite {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s (-rewrite writes it anew):\n%s", golden, &got)
			}
		}
	}
}

func files(t *testing.T, file string) meshobjects.Mesh {
	t.Helper()
	m, err := meshobjects.FromFiles([]string{file}, nil)
	if err != nil || len(m.Problems) > 0 {
		t.Fatal(m.Problems, err)
	}
	return m
}

// live is a mesh of which not all is well.
func live(t *testing.T) meshobjects.Mesh {
	m := files(t, "testdata/bad.yaml")
	m.Origin = meshobjects.Cluster
	ready := func(status metav1.ConditionStatus, reason v1alpha1.Reason) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: string(reason)}}
	}
	m.Objects.Nodes[0].Status.Conditions = ready(metav1.ConditionTrue, v1alpha1.ReasonListening)
	m.Objects.Nodes[1].Status.Conditions = ready(metav1.ConditionFalse, v1alpha1.ReasonPodPending)
	m.Objects.Peerings[0].Status.Conditions = ready(metav1.ConditionFalse, v1alpha1.ReasonRefused)
	m.Objects.Peerings[2].Status.Conditions = ready(metav1.ConditionUnknown, v1alpha1.ReasonEvidenceTooOld)
	return m
}

func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
}

// TestLayout: in random graphs every box lies inside of the picture and none over another, and all three forms can be written.
func TestLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 0))
	for range 60 {
		g := random(r)
		l := g.place()
		for i, a := range l.boxes[:len(g.Nodes)] {
			if a.x < 0 || a.y < 0 || a.x+a.w > l.width || a.y+a.h > l.height || a.w == 0 || a.h == 0 {
				t.Fatalf("box %d %+v is outside of %d x %d", i, a, l.width, l.height)
			}
			for j, b := range l.boxes[:i] {
				if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
					t.Fatalf("boxes %d %+v and %d %+v overlap", i, a, j, b)
				}
			}
		}
		var svg, other bytes.Buffer
		if err := errors.Join(g.WriteSVG(&svg), g.WriteDOT(&other), g.WriteMermaid(&other)); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, svg.Bytes())
		if n := strings.Count(svg.String(), "<rect "); n != len(g.Nodes) {
			t.Fatalf("%d boxes of %d nodes", n, len(g.Nodes))
		}
	}
}

func random(r *rand.Rand) (g Graph) {
	n := r.IntN(40)
	for i := range n {
		node := Node{ID: fmt.Sprintf("n%d", i), Lines: []string{strings.Repeat("x", 1+r.IntN(20)), `<"&\>`}, State: State(r.IntN(3)), Outside: r.IntN(5) == 0}
		g.Nodes = append(g.Nodes, node)
	}
	for i := range r.IntN(2*n + 1) {
		e := Edge{From: g.Nodes[r.IntN(n)].ID, To: g.Nodes[r.IntN(n)].ID, Name: fmt.Sprint(i), Label: `]"`, State: State(r.IntN(3)), Open: r.IntN(2) == 0}
		g.Edges = append(g.Edges, e)
	}
	return g
}

func TestQuoting(t *testing.T) {
	g := Graph{Nodes: []Node{{ID: `a"\`, Lines: []string{`x"]<b>`, "#"}}}, Edges: []Edge{{From: `a"\`, To: `a"\`, Name: "<n>", Label: "a|b"}}}
	var dot, mermaid, svg bytes.Buffer
	if err := errors.Join(g.WriteDOT(&dot), g.WriteMermaid(&mermaid), g.WriteSVG(&svg)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[*bytes.Buffer]string{&dot: `"a\"\\" [label="x\"]<b>\n#"]`, &mermaid: `n0["x#34;#93;#60;b#62;<br/>#35;"]`, &svg: `x&#34;]&lt;b&gt;`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
