// SPDX-License-Identifier: Apache-2.0

package load

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

const samples = "../../config/samples"

// Every problem of a file is found in one go, each with its line. The golden files hold what a user reads.
func TestProblems(t *testing.T) {
	manifests, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, m := range manifests {
		t.Run(filepath.Base(m), func(t *testing.T) {
			_, problems, err := Files([]string{m})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, p := range problems {
				b.WriteString(filepath.ToSlash(p.String()) + "\n")
			}
			golden := strings.TrimSuffix(m, ".yaml") + ".txt"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", b.String(), want)
			}
		})
	}
}

// Objects at fault stay as far as they can be decoded, so that the topology's findings can be shown in the same run.
func TestFaultyObjectsStay(t *testing.T) {
	l, _, err := Files([]string{"testdata/mistakes.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []string
	for _, n := range l.Nodes {
		nodes = append(nodes, n.Name)
		if n.Name == "manager" && (n.Spec.Storage == nil || !n.Spec.Storage.Size.IsZero() || n.Spec.Listen.Port != 9999) {
			t.Errorf("manager: %+v", n.Spec)
		}
	}
	if want := []string{"manager", "Worker_1", "", "elsewhere", "here", "labels"}; !slices.Equal(nodes, want) {
		t.Errorf("nodes %q, want %q", nodes, want)
	}
	if len(l.Peerings) != 1 || l.Peerings[0].Spec.RetryInterval != nil {
		t.Errorf("peerings: %+v", l.Peerings)
	}
}

func TestSamples(t *testing.T) {
	for file, want := range map[string][3]int{ // nodes, peerings, stores
		"minimal.yaml": {2, 1, 0}, "backup.yaml": {2, 1, 1}, "external.yaml": {3, 2, 0}, "labels.yaml": {3, 3, 1}, "zeek-cluster.yaml": {5, 9, 1}, "stores.yaml": {2, 1, 3}, "ring.yaml": {4, 5, 0},
		"web-clients.yaml": {2, 1, 0}, "zeek-outside.yaml": {2, 1, 0}, "brokermesh/zeek.yaml": {4, 6, 1},
		"": {25, 24, 6}, // all of them together, as the kustomization has them
	} {
		l, problems, err := Files([]string{filepath.Join(samples, file)})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Error(p)
		}
		if got := [3]int{len(l.Nodes), len(l.Peerings), len(l.Stores)}; got != want {
			t.Errorf("%s holds %v, want %v", file, got, want)
		}
	}
}

func TestDefaultsAndTypes(t *testing.T) {
	l := mustRead(t, `
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: a, namespace: mesh, creationTimestamp: null}
spec: {webSocket: {}, tls: null}
status: {peers: "9/9"}
---
{"apiVersion": "brokermesh.dev/v1alpha1", "kind": "Peering", "metadata": {"name": "p"}, "spec": {"from": {"node": "a"}, "to": {"address": "[::1]:1"}}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: DataStore
metadata: {name: s}
spec: {master: {node: a, backend: SQLite, sqlite: {}}, clones: [{node: b, staleAfter: 1m30s}]}
`)
	n, p, s := l.Nodes[0], l.Peerings[0], l.Stores[0]
	if n.Spec.Listen.Port != 9999 || n.Spec.WebSocket.Port != 9997 || n.Spec.TLS.Mode != v1alpha1.TLSMesh || n.Spec.Forward != v1alpha1.ForwardMesh {
		t.Errorf("node %+v", n.Spec)
	}
	if n.Status.Peers != "" || n.Kind != "BrokerNode" {
		t.Errorf("node's status %+v, kind %q", n.Status, n.Kind)
	}
	if p.Spec.RetryInterval.Duration != 10*time.Second || s.Spec.Clones[0].StaleAfter.Duration != 90*time.Second {
		t.Errorf("durations %v, %v", p.Spec.RetryInterval, s.Spec.Clones[0].StaleAfter)
	}
	if l.Namespace != "mesh" || n.Namespace != "mesh" || p.Namespace != "mesh" || s.Namespace != "mesh" {
		t.Errorf("namespaces %q %q %q %q: all are to be in the one that is named", l.Namespace, n.Namespace, p.Namespace, s.Namespace)
	}
}

func TestPosition(t *testing.T) {
	l, _, err := Files([]string{"testdata/list.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, field string
		line        int
	}{
		{"a", "", 8},
		{"a", "metadata.name", 11},
		{"a", "metadata.labels[app.kubernetes.io/part-of]", 12},
		{"a", "metadata.labels.app.kubernetes.io/part-of", 12},
		{"a", "spec.subscriptions[0]", 15},
		{"a", "spec.subscriptions[9]", 14}, // the nearest parent
		{"a", "spec.listen.port", 13},      // filled in by a default
		{"b", "spec.subscriptions[0]", 15}, // written where the merge takes it from
		{"b", "spec.forward", 23},
	} {
		file, line := l.Position("brokernode", c.name, c.field)
		if filepath.ToSlash(file) != "testdata/list.yaml" || line != c.line {
			t.Errorf("%s of %s is at %s:%d, want line %d", c.field, c.name, file, line, c.line)
		}
	}
	if file, line := l.Position("Peering", "a", ""); file != "" || line != 0 {
		t.Errorf("an object that isn't there is at %s:%d", file, line)
	}
}

func mustRead(t *testing.T, manifest string) Loaded {
	t.Helper()
	l, problems, err := Read([]string{Stdin}, strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	return l
}
