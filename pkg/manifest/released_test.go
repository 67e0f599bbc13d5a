// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

var released = flag.Bool("released", false, "write testdata/released.txt anew: what the next release makes")

// TestReleasedTemplates: pods are replaced when their template changes. So an upgrade of the operator must make the same one, to the byte, of
// a node that was there before: testdata/released.txt has the hashes of what was released.
func TestReleasedTemplates(t *testing.T) {
	nodes := map[string]*v1alpha1.BrokerNode{
		"plain":      node(),
		"anonymous":  node(func(n *v1alpha1.BrokerNode) { n.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSAnonymous} }),
		"everything": node(everything),
		"storage":    node(withStorage("1Gi", nil)),
		"webSocket":  node(func(n *v1alpha1.BrokerNode) { n.Spec.WebSocket = &v1alpha1.WebSocketSpec{} }),
		"resources": node(func(n *v1alpha1.BrokerNode) {
			n.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{}}
		}),
	}
	var lines []string
	for name, n := range nodes {
		doc, err := Document(Build(input(n)).StatefulSet)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(doc["spec"].(map[string]any)["template"])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %x\n", name, sha256.Sum256(text)))
	}
	slices.Sort(lines)
	const file = "testdata/released.txt"
	if *released {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if !strings.Contains(string(want), line) {
			name, _, _ := strings.Cut(line, " ")
			t.Errorf("the pod template of the case %q is not the released one: an upgrade of the operator would replace every such pod. "+
				"Leave out what is at its default; if all pods really have to be replaced, tell people, and run this test with -released", name)
		}
	}
}
