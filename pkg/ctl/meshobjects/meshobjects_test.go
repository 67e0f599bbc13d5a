// SPDX-License-Identifier: Apache-2.0

package meshobjects

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const manifest = `apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: a, namespace: zeek}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: p}
spec: {from: {node: a}, to: {address: "x:1"}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: DataStore
metadata: {name: s}
spec: {master: {node: a}}
`

func TestDataDir(t *testing.T) {
	files, err := FromFiles([]string{"-"}, strings.NewReader(manifest))
	if err != nil || len(files.Problems) != 0 || files.Live() || !files.Options().RequireStorage {
		t.Fatalf("%+v, %v", files, err)
	}
	dir, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	verdict := evidence.Verdict{
		Nodes:    map[string]v1alpha1.BrokerNodeStatus{"a": {Peers: "0/1"}},
		Peerings: map[string]v1alpha1.PeeringStatus{"p": {Conditions: []metav1.Condition{{Type: "Ready", Reason: "Refused"}}}},
		Stores:   map[string]v1alpha1.DataStoreStatus{"s": {ClonesSynced: "0/0"}},
	}
	files.Plain = true
	if err := Write(dir, files, verdict, now); err != nil {
		t.Fatal(err)
	}
	if files.Objects.Nodes[0].Status.Peers != "" {
		t.Error("writing has changed the objects")
	}
	m, err := FromDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Namespace != "zeek" || !m.Plain || !m.At.Equal(now) || m.Origin != Laptop || !m.Live() || m.Options().RequireStorage || !m.Options().NoLeases {
		t.Errorf("%+v", m)
	}
	o := m.Objects
	if o.Nodes[0].Status.Peers != "0/1" || o.Peerings[0].Status.Conditions[0].Reason != "Refused" || o.Stores[0].Status.ClonesSynced != "0/0" {
		t.Errorf("%+v", o)
	}
	if file, line := m.Position("Peering", "p", ""); file != "" || line != 0 {
		t.Errorf("a place %s:%d", file, line)
	}
	if _, err := FromDataDir(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not the data folder") {
		t.Errorf("no such file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := FromDataDir(dir); err == nil || !strings.Contains(err.Error(), "read how the mesh is") {
		t.Errorf("half a file: %v", err)
	}
}

func TestPlace(t *testing.T) {
	findings := []topology.Finding{
		{Kind: "DataStore", Name: "s", Severity: topology.Warning}, {Kind: "Peering", Name: "p", Field: "spec.to.address"}, {Kind: "BrokerNode", Name: "a", Severity: topology.Info},
	}
	m, err := FromFiles([]string{"-"}, strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		m    Mesh
		want string
	}{"files": {m, "a p s"}, "no files": {Mesh{}, "p s a"}} {
		var got []string
		for _, p := range test.m.Place(findings) {
			got = append(got, p.Name)
			if name == "files" && p.Name == "p" && p.Line != 8 {
				t.Errorf("p is at %s:%d", p.File, p.Line)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: got %v, want %s", name, got, test.want)
		}
	}
}

func TestFromFilesRefuses(t *testing.T) {
	if _, err := FromFiles([]string{"/nowhere/at/all.yaml"}, nil); ctl.Code(err) != ctl.ExitBadInput {
		t.Errorf("got %v", err)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 errors", 1: "1 error", 2: "2 errors"} {
		if got := Count(n, "error"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
