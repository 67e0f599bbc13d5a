// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// TestNetworkPolicyGolden compares policies as they would be applied with the files in testdata; -rewrite writes them anew.
func TestNetworkPolicyGolden(t *testing.T) {
	webSocket := func(n *v1alpha1.BrokerNode) {
		n.Spec.Listen, n.Spec.WebSocket = &v1alpha1.ListenSpec{Port: 4000}, &v1alpha1.WebSocketSpec{}
	}
	for name, c := range map[string]struct {
		node    *v1alpha1.BrokerNode
		callers topology.Callers
		manager string
	}{
		"network-nobody":  {node(), topology.Callers{}, "brokermesh-system"},
		"network-nodes":   {node(webSocket), topology.Callers{Nodes: []string{"proxy", "worker-2"}}, "brokermesh-system"},
		"network-outside": {node(), topology.Callers{Nodes: []string{"proxy"}, Anybody: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := Document(NetworkPolicy(c.node, c.callers, c.manager))
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
