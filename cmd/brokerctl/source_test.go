// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/review"
)

// TestReadObjects reads the mesh of one namespace, and nothing of another.
func TestReadObjects(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	meta := func(name, namespace string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: namespace}
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&v1alpha1.BrokerNode{ObjectMeta: meta("a", "zeek"), Status: v1alpha1.BrokerNodeStatus{Peers: "0/1"}},
		&v1alpha1.BrokerNode{ObjectMeta: meta("b", "other")},
		&v1alpha1.Peering{ObjectMeta: meta("p", "zeek"), Spec: v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Node: "a"}, To: v1alpha1.PeeringTo{Node: "b"}}},
		&v1alpha1.DataStore{ObjectMeta: meta("s", "zeek"), Spec: v1alpha1.DataStoreSpec{Master: v1alpha1.MasterSpec{Node: "a"}}},
	).Build()
	m, err := readObjects(t.Context(), api, "zeek")
	if err != nil {
		t.Fatal(err)
	}
	if o := m.Objects; len(o.Nodes) != 1 || o.Nodes[0].Status.Peers != "0/1" || len(o.Peerings) != 1 || len(o.Stores) != 1 || m.Namespace != "zeek" || !m.Live() {
		t.Errorf("%+v", m)
	}
	found := review.Findings(m)
	if len(found) == 0 || found[0].String() != `error NodeMissing: peering/p: spec.to.node: no BrokerNode "b" in this namespace (did you mean "a"?)` {
		t.Errorf("got %v", found)
	}
}

func TestSourceFlags(t *testing.T) {
	good := filepath.Join("..", "..", "config", "samples", "minimal.yaml")
	empty := t.TempDir()
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"files":     {[]string{"-f", good}, 0, "0 errors"},
		"none":      {nil, 2, "-f FILE, --data-dir DIR or --cluster is missing"},
		"two":       {[]string{"-f", good, "-n", "zeek"}, 2, "allowed: one of them"},
		"folder":    {[]string{"--data-dir", empty}, 1, "is not the data folder of a brokerctl up"},
		"severity":  {[]string{"-f", good, "--severity", "fatal"}, 2, `--severity: "fatal": allowed: error, warning, info`},
		"format":    {[]string{"-f", good, "-o", "xml"}, 2, "allowed: text, json"},
		"no file":   {[]string{"-f", filepath.Join(empty, "none.yaml")}, 2, "none.yaml"},
		"no config": {[]string{"--kubeconfig", filepath.Join(empty, "none")}, 2, "read the kubeconfig"},
	} {
		var out, notes bytes.Buffer
		code := run(t.Context(), append([]string{"lint"}, test.args...), os.Stdin, &out, &notes)
		if said := out.String() + notes.String(); code != test.code || !strings.Contains(said, test.says) {
			t.Errorf("%s: exit code %d, %q", name, code, said)
		}
	}
}

func TestGraphAndPlanFlags(t *testing.T) {
	good := filepath.Join("..", "..", "config", "samples", "minimal.yaml")
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"svg":         {[]string{"graph", "-f", good}, 0, "<svg xmlns="},
		"dot":         {[]string{"graph", "-f", good, "-o", "dot"}, 0, "digraph mesh {"},
		"mermaid":     {[]string{"graph", "-f", good, "-o", "mermaid"}, 0, "flowchart TB"},
		"png":         {[]string{"graph", "-f", good, "-o", "png"}, 2, `-o: "png": allowed: svg, dot, mermaid`},
		"same":        {[]string{"plan", "-f", good, "--against", good, "--exit-code"}, 0, "nothing to do"},
		"no files":    {[]string{"plan", "--against", good}, 2, "-f FILE is missing"},
		"against":     {[]string{"plan", "-f", good}, 2, "allowed: exactly one of them"},
		"against two": {[]string{"plan", "-f", good, "--against", good, "--data-dir", "x"}, 2, "allowed: exactly one of them"},
	} {
		var out, notes bytes.Buffer
		code := run(t.Context(), test.args, os.Stdin, &out, &notes)
		if said := out.String() + notes.String(); code != test.code || !strings.Contains(said, test.says) {
			t.Errorf("%s: exit code %d, %q", name, code, said)
		}
	}
}
