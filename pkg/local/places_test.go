// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// threeNodes is a, b and c in a row, with a store at a that b clones.
func threeNodes(backend v1alpha1.Backend) topology.Objects {
	var o topology.Objects
	for _, name := range []string{"a", "b", "c"} {
		o.Nodes = append(o.Nodes, v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for _, p := range [][2]string{{"a", "b"}, {"b", "c"}} {
		o.Peerings = append(o.Peerings, v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Name: p[0] + "-" + p[1]}, Spec: v1alpha1.PeeringSpec{
			From: v1alpha1.PeeringFrom{Node: p[0]}, To: v1alpha1.PeeringTo{Node: p[1]}}})
	}
	o.Stores = []v1alpha1.DataStore{{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: v1alpha1.DataStoreSpec{
		Master: v1alpha1.MasterSpec{Node: "a", Backend: backend}, Clones: []v1alpha1.CloneSpec{{Node: "b"}}}}}
	return o
}

// masterIs wants the store's master to be somewhere, and all to be well.
func masterIs(node string, epoch int64) func(evidence.Verdict) bool {
	return func(v evidence.Verdict) bool {
		m := v.Stores["s"].Master
		return m != nil && m.Node == node && m.Epoch == epoch && allReady(v)
	}
}

// writer puts numbers over one node until it is stopped, and answers how many were acknowledged.
func writer(t *testing.T, m *Mesh, pod string) (stop func() uint64) {
	t.Helper()
	r, err := store.NewRemote(client(t, m, pod), "s", store.RemoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan uint64, 1)
	go func() {
		defer r.Close()
		n := uint64(0)
		for ctx.Err() == nil {
			if err := r.Put(context.WithoutCancel(ctx), data.Count(n), data.Count(n), 0); err == nil {
				n++
			}
		}
		done <- n
	}()
	return func() uint64 { cancel(); return <-done }
}

// has checks that the store has all numbers below n.
func has(t *testing.T, m *Mesh, pod string, n uint64) {
	t.Helper()
	r, err := store.NewRemote(client(t, m, pod), "s", store.RemoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range n {
		if _, err := r.Get(t.Context(), data.Count(i)); err != nil {
			t.Fatalf("%d of %d: %v", i, n, err)
		}
	}
}

// TestMoveUnderWriter: the master moves while somebody writes; what was acknowledged is there. The mesh finds it there when it starts again,
// and goes by the manifest when that says something else.
func TestMoveUnderWriter(t *testing.T) {
	for _, backend := range []v1alpha1.Backend{v1alpha1.BackendSQLite, v1alpha1.BackendMemory} {
		t.Run(string(backend), func(t *testing.T) {
			dir := t.TempDir()
			m := start(t, threeNodes(backend), Options{DataDir: dir})
			awaitVerdict(t, m, "ready", masterIs("a", 1))
			end := writer(t, m, "c-0")
			if err := RequestMove(dir, "s", Move{Node: "b"}); err != nil {
				t.Fatal(err)
			}
			awaitVerdict(t, m, "moved", masterIs("b", 2))
			n := end()
			has(t, m, "c-0", n)
			if p, err := ReadPlaces(dir); err != nil || p["s"].Node != "b" || p["s"].Manifest != "a" || p["s"].Master.Node != "b" || !MoveTaken(dir, "s") {
				t.Errorf("%+v, %v", p, err)
			}
			stop(t, m)
			if backend == v1alpha1.BackendMemory {
				return
			}
			m = start(t, threeNodes(backend), Options{DataDir: dir})
			awaitVerdict(t, m, "where it was", masterIs("b", 2))
			has(t, m, "c-0", n)
			stop(t, m)
			o := threeNodes(backend)
			o.Stores[0].Spec.Master.Node = "c"
			m = start(t, o, Options{DataDir: dir})
			awaitVerdict(t, m, "where the manifest says", masterIs("c", 3))
			has(t, m, "a-0", n)
		})
	}
}

// TestMoveWithoutMaster: a clone becomes the master of an epoch without anybody being asked.
func TestMoveWithoutMaster(t *testing.T) {
	dir := t.TempDir()
	m := start(t, threeNodes(v1alpha1.BackendMemory), Options{DataDir: dir})
	awaitVerdict(t, m, "ready", masterIs("a", 1))
	if err := RequestMove(dir, "s", Move{Node: "b", WithoutMaster: true}); err != nil {
		t.Fatal(err)
	}
	awaitVerdict(t, m, "promoted", masterIs("b", 2))
}

// TestMovesThatMakeNoSense are dropped, and the mesh goes on.
func TestMovesThatMakeNoSense(t *testing.T) {
	dir := t.TempDir()
	m := start(t, threeNodes(v1alpha1.BackendMemory), Options{DataDir: dir})
	awaitVerdict(t, m, "ready", masterIs("a", 1))
	if err := RequestMove(dir, "../s", Move{Node: "b"}); err == nil {
		t.Error("a store of another folder")
	}
	if err := os.MkdirAll(filepath.Join(dir, movesDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"s": "{", "other": `{"node":"b"}`} {
		if err := os.WriteFile(filepath.Join(dir, movesDir, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := RequestMove(dir, "s", Move{Node: "x"}); err != nil {
		t.Fatal(err)
	}
	awaitVerdict(t, m, "refused", func(v evidence.Verdict) bool {
		for _, c := range v.Stores["s"].Conditions {
			if c.Type == v1alpha1.ConditionMasterAvailable && c.Reason == string(v1alpha1.ReasonMoveRefused) {
				return MoveTaken(dir, "s") && MoveTaken(dir, "other")
			}
		}
		return false
	})
	if got := m.Verdict().Stores["s"].Master; got == nil || *got != (v1alpha1.MasterStatus{Node: "a", Epoch: 1, SpecNode: "a"}) {
		t.Errorf("the master is at %+v", got)
	}
}
