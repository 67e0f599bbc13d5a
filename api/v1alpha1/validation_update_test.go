// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// updateCases change an object that exists. A rule on an optional field must hold when the field comes and goes, too.
var updateCases = []struct {
	name, kind, before, after string
	want                      []string
}{
	{"storage grows", "BrokerNode", `{storage: {size: 1Gi}}`, `{storage: {size: 2Gi}}`, nil},
	{"storage is written differently", "BrokerNode", `{storage: {size: 1Gi}}`, `{storage: {size: 1073741824}}`, nil},
	{"storage is added", "BrokerNode", `{}`, `{storage: {size: 1Gi, class: fast}}`, nil},
	{"storage shrinks", "BrokerNode", `{storage: {size: 1Gi}}`, `{storage: {size: 1023Mi}}`,
		[]string{`spec.storage.size: 1023Mi is less than before (1Gi): a volume can grow, not shrink`}},
	{"storage is removed", "BrokerNode", `{storage: {size: 1Gi}}`, `{}`,
		[]string{`spec.storage: can't be removed once it is set: the volume stays with its node`}},
	{"class changes", "BrokerNode", `{storage: {size: 1Gi, class: slow}}`, `{storage: {size: 1Gi, class: fast}}`,
		[]string{`spec.storage.class: "fast" is not what it was ("slow"): the class of a volume can't change`}},
	{"class is set", "BrokerNode", `{storage: {size: 1Gi}}`, `{storage: {size: 1Gi, class: fast}}`,
		[]string{`spec.storage.class: "fast" is not what it was (unset): the class of a volume can't change`}},
	{"class is unset", "BrokerNode", `{storage: {size: 1Gi, class: slow}}`, `{storage: {size: 1Gi}}`,
		[]string{`spec.storage.class: unset is not what it was ("slow"): the class of a volume can't change`}},
	{"what rolls a pod changes", "BrokerNode", `{listen: {port: 1000}, tls: {mode: Mesh}}`,
		`{listen: {port: 2000}, tls: {mode: Disabled}, webSocket: {}, image: a, logLevel: Debug, forward: All}`, nil},

	{"an external address changes", "BrokerNode", `{external: {}}`, `{external: {address: "a:1", certificateSubject: CN=a}}`, nil},
	{"a node becomes external", "BrokerNode", `{}`, `{external: {}}`,
		[]string{`spec.external: can't be set or removed later: the node has pods or it has none; allowed: to delete the BrokerNode and to make it anew`}},
	{"a node isn't external any more", "BrokerNode", `{external: {}}`, `{}`,
		[]string{`spec.external: can't be set or removed later: the node has pods or it has none; allowed: to delete the BrokerNode and to make it anew`}},
	{"queues of a peering change", "Peering", `{from: {node: a}, to: {node: b}}`, `{from: {node: a}, to: {node: b}, queues: {peerMessages: 5}}`, nil},

	{"peering changes", "Peering", `{from: {node: a}, to: {node: b}}`, `{from: {node: c}, to: {address: "d:1"}, retryInterval: 1s}`, nil},
	{"peering becomes one with itself", "Peering", `{from: {node: a}, to: {node: b}}`, `{from: {node: a}, to: {node: a}}`, nil},

	{"clones change", "DataStore", `{master: {node: a}, clones: [{node: b}]}`, `{master: {node: a}, clones: [{node: c, staleAfter: 1s}]}`, nil},
	{"sqlite changes", "DataStore", `{master: {node: a, backend: SQLite}}`, `{master: {node: a, backend: SQLite, sqlite: {journalMode: WAL}}}`, nil},
	{"store name changes", "DataStore", `{storeName: x, master: {node: a}}`, `{storeName: z, master: {node: a}}`,
		[]string{`spec.storeName: "z" is not what it was ("x"): the name of a store can't change, its master would start empty`}},
	{"store name is set", "DataStore", `{master: {node: a}}`, `{storeName: z, master: {node: a}}`,
		[]string{`spec.storeName: "z" is not what it was ("NAME"): the name of a store can't change, its master would start empty`}},
	{"store name is unset", "DataStore", `{storeName: x, master: {node: a}}`, `{master: {node: a}}`,
		[]string{`spec.storeName: "NAME" is not what it was ("x"): the name of a store can't change, its master would start empty`}},
	{"store name is set to what it is", "DataStore", `{master: {node: a}}`, `{storeName: NAME, master: {node: a}}`, nil},
	{"master moves", "DataStore", `{master: {node: a}}`, `{master: {node: b}}`,
		[]string{`spec.master.node: "b" is not what it was ("a"): a master that was never seen to serve (status.master) can't move; allowed: to delete the DataStore and to make it anew`}},
	{"backend changes", "DataStore", `{master: {node: a, backend: SQLite}}`, `{master: {node: a, backend: Pebble}}`,
		[]string{`spec.master.backend: "Pebble" is not what it was ("SQLite"): the backend can't change, the master would start empty`}},
	{"backend is unset", "DataStore", `{master: {node: a, backend: SQLite}}`, `{master: {node: a}}`,
		[]string{`spec.master.backend: "Memory" is not what it was ("SQLite"): the backend can't change, the master would start empty`}},
	{"backend is set to what it is", "DataStore", `{master: {node: a}}`, `{master: {node: a, backend: Memory}}`, nil},
}

func TestUpdates(t *testing.T) {
	for i, c := range updateCases {
		t.Run(c.kind+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			named := func(s string) string { return strings.ReplaceAll(s, "NAME", fmt.Sprintf("update-%d", i)) }
			object := testCase{kind: c.kind, object: named("NAME")}
			object.spec = c.before
			u := object.unstructured(t)
			if err := api.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			object.spec = named(c.after)
			changed := object.unstructured(t)
			changed.SetResourceVersion(u.GetResourceVersion())
			err := api.Update(t.Context(), changed, client.DryRunAll)
			want := make([]string, len(c.want))
			for i, w := range c.want {
				want[i] = named(w)
			}
			diff(t, "API server", findings(t, err), want)
		})
	}
}

// A master moves once the operator has seen where it is; the new place's clone becomes one of the old place.
func TestMasterMoves(t *testing.T) {
	object := testCase{kind: "DataStore", object: "moves", spec: `{master: {node: a}, clones: [{node: b}]}`}
	var s v1alpha1.DataStore
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.unstructured(t).Object, &s); err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	s.Status.Master = &v1alpha1.MasterStatus{Node: "a", Epoch: 1, SpecNode: "a"}
	if err := api.Status().Update(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	s.Spec.Master.Node, s.Spec.Master.StrandForeignClones = "b", true
	diff(t, "API server", findings(t, api.Update(t.Context(), &s, client.DryRunAll)),
		[]string{`spec.clones: a clone on "b", which holds the master; allowed: other nodes`})
	s.Spec.Clones[0].Node = "a"
	if err := api.Update(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	if s.Status.Master == nil || s.Status.Master.Node != "a" {
		t.Errorf("status.master is %v after the change of the spec", s.Status.Master)
	}
}

// The status is written through its own door, and what a user writes into it is dropped.
func TestStatusIsASubresource(t *testing.T) {
	n := &v1alpha1.BrokerNode{}
	n.Namespace, n.Name = "default", "status"
	n.Status.Peers = "9/9"
	if err := api.Create(t.Context(), n, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if n.Status.Peers != "" {
		t.Errorf("a user's status %q is kept", n.Status.Peers)
	}
}
