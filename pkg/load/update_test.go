// SPDX-License-Identifier: Apache-2.0

package load

import (
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// TestCheckUpdates: what can't change is found, what may change isn't, and neither is what was wrong all along.
func TestCheckUpdates(t *testing.T) {
	l := mustRead(t, `
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: a}
spec: {storage: {size: 2Gi, class: fast}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: DataStore
metadata: {name: s}
spec: {storeName: x, master: {node: a, backend: SQLite}}
`)
	for name, test := range map[string]struct {
		node  func(*v1alpha1.BrokerNode)
		store func(*v1alpha1.DataStore)
		want  string // fields
	}{
		"nothing":       {},
		"grows":         {node: func(n *v1alpha1.BrokerNode) { n.Spec.Storage.Size.Add(n.Spec.Storage.Size) }},
		"shrinks":       {node: func(n *v1alpha1.BrokerNode) { n.Spec.Storage.Size.Set(1) }, want: "spec.storage.size"},
		"removed":       {node: func(n *v1alpha1.BrokerNode) { n.Spec.Storage = nil }, want: "spec.storage"},
		"other class":   {node: func(n *v1alpha1.BrokerNode) { n.Spec.Storage.Class = new("slow") }, want: "spec.storage.class"},
		"log level":     {node: func(n *v1alpha1.BrokerNode) { n.Spec.LogLevel = v1alpha1.LogDebug }},
		"store name":    {store: func(s *v1alpha1.DataStore) { s.Spec.StoreName = "y" }, want: "spec.storeName"},
		"backend":       {store: func(s *v1alpha1.DataStore) { s.Spec.Master.Backend, s.Spec.Master.SQLite = v1alpha1.BackendPebble, nil }, want: "spec.master.backend"},
		"master unseen": {store: func(s *v1alpha1.DataStore) { s.Spec.Master.Node = "b" }, want: "spec.master.node"},
		"wrong anyway": {store: func(s *v1alpha1.DataStore) {
			s.Spec.Clones = []v1alpha1.CloneSpec{{Node: "a"}} // holds the master
		}},
	} {
		n, s := l.Nodes[0].DeepCopy(), l.Stores[0].DeepCopy()
		if test.node != nil {
			test.node(n)
		}
		if test.store != nil {
			test.store(s)
		}
		problems, err := CheckUpdates([]Update{{"BrokerNode", "a", &l.Nodes[0], n}, {"DataStore", "s", &l.Stores[0], s}})
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for _, p := range problems {
			fields = append(fields, p.Field)
		}
		if got := strings.Join(fields, " "); got != test.want {
			t.Errorf("%s: got %v, want %s", name, problems, test.want)
		}
	}
	// A master that was seen may move.
	was := l.Stores[0].DeepCopy()
	was.Status.Master = &v1alpha1.MasterStatus{Node: "a", Epoch: 1, SpecNode: "a"}
	now := was.DeepCopy()
	now.Spec.Master.Node = "b"
	if problems, err := CheckUpdates([]Update{{"DataStore", "s", was, now}}); err != nil || len(problems) > 0 {
		t.Errorf("a move: %v, %v", problems, err)
	}
}
