// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/load"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

func sample(t *testing.T, name string) topology.Objects {
	t.Helper()
	loaded, problems, err := load.Files([]string{filepath.Join("..", "..", "config", "samples", name)})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return topology.Objects{Nodes: loaded.Nodes, Peerings: loaded.Peerings, Stores: loaded.Stores}
}

func start(t *testing.T, objects topology.Objects, o Options) *Mesh {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := Start(ctx, objects, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, m) })
	return m
}

func stop(t *testing.T, m *Mesh) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// awaitVerdict waits for a verdict.
func awaitVerdict(t *testing.T, m *Mesh, what string, wanted func(evidence.Verdict) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		changed := m.Changed()
		v := m.Verdict()
		if wanted(v) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s: it never came to that: %+v", what, v)
		}
	}
}

func isReady(list []metav1.Condition) bool {
	return slices.ContainsFunc(list, func(c metav1.Condition) bool {
		return c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionTrue
	})
}

func allReady(v evidence.Verdict) bool {
	for _, s := range v.Nodes {
		if !isReady(s.Conditions) {
			return false
		}
	}
	for _, s := range v.Peerings {
		if !isReady(s.Conditions) {
			return false
		}
	}
	for _, s := range v.Stores {
		if !isReady(s.Conditions) {
			return false
		}
	}
	return len(v.Nodes) > 0
}

func TestSamples(t *testing.T) {
	for name, want := range map[string]struct{ nodes, peerings, stores, webSockets int }{
		"minimal.yaml":      {2, 1, 0, 0},
		"ring.yaml":         {4, 5, 0, 0},
		"stores.yaml":       {2, 1, 3, 1},
		"web-clients.yaml":  {2, 1, 0, 1},
		"zeek-cluster.yaml": {5, 9, 1, 1},
		"zeek-outside.yaml": {2, 1, 0, 0},
	} {
		for _, plain := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " TLS", true: " plain"}[plain], func(t *testing.T) {
				m := start(t, sample(t, name), Options{Plain: plain})
				awaitVerdict(t, m, "ready", allReady)
				v := m.Verdict()
				if len(v.Nodes) != want.nodes || len(v.Peerings) != want.peerings || len(v.Stores) != want.stores {
					t.Errorf("%d nodes, %d peerings, %d stores", len(v.Nodes), len(v.Peerings), len(v.Stores))
				}
				if len(m.Addresses()) != want.nodes || len(m.WebSockets()) != want.webSockets {
					t.Errorf("addresses %v, WebSockets %v", m.Addresses(), m.WebSockets())
				}
			})
		}
	}
}

// client is an endpoint that is peered with one pod by the certificate that
// the mesh leaves for tools.
func client(t *testing.T, m *Mesh, pod string) *broker.Endpoint {
	t.Helper()
	security, err := peering.LoadTLS(ClientDir(m.DataDir()))
	if err != nil {
		t.Fatal(err)
	}
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone, TLS: security})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := e.Peer(ctx, m.Addresses()[pod], broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPersistentStoresOutliveTheMesh(t *testing.T) {
	dir, objects := t.TempDir(), sample(t, "stores.yaml")
	ids := func(m *Mesh) map[string]string {
		found := map[string]string{}
		for pod, s := range m.Statuses() {
			found[pod] = s.EndpointID
		}
		return found
	}
	key, value := data.String("k"), data.Count(42)
	withClone := func(m *Mesh, name string, do func(context.Context, *store.Clone)) {
		t.Helper()
		clone, err := store.NewClone(client(t, m, "vault-0"), name, store.CloneOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer clone.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		do(ctx, clone)
	}
	names := map[string]bool{} // persistent ones
	for _, s := range objects.Stores {
		name := s.Spec.StoreName
		if name == "" {
			name = s.Name
		}
		names[name] = s.Spec.Master.Backend != v1alpha1.BackendMemory
	}

	m := start(t, objects, Options{DataDir: dir})
	awaitVerdict(t, m, "ready", allReady)
	before := ids(m)
	for name := range names {
		withClone(m, name, func(ctx context.Context, c *store.Clone) {
			if err := c.Put(ctx, key, value, 0); err != nil {
				t.Fatal(err)
			}
			if err := c.AwaitIdle(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}
	stop(t, m)

	m = start(t, objects, Options{DataDir: dir})
	awaitVerdict(t, m, "ready again", allReady)
	for name, persistent := range names {
		withClone(m, name, func(ctx context.Context, c *store.Clone) {
			found, err := c.Exists(ctx, key)
			if err != nil || found != persistent {
				t.Errorf("store %s (persistent %t): there is the entry: %t, %v", name, persistent, found, err)
			}
		})
	}
	after := ids(m)
	if before["vault-0"] != after["vault-0"] {
		t.Error("the node with persistent stores has another endpoint ID")
	}
	if before["reader-0"] == after["reader-0"] {
		t.Error("the node without has kept its endpoint ID")
	}
}

// TestFaultsAreShown runs what `up` would refuse: the mesh goes on without it,
// and the verdict names the reason.
func TestFaultsAreShown(t *testing.T) {
	objects := sample(t, "minimal.yaml")
	bad := objects.Peerings[0].DeepCopy()
	bad.Name = "nowhere"
	bad.Spec.To.Node = "nobody"
	objects.Peerings = append(objects.Peerings, *bad)
	m := start(t, objects, Options{})
	awaitVerdict(t, m, "the rest ready", func(v evidence.Verdict) bool {
		return isReady(v.Peerings[objects.Peerings[0].Name].Conditions)
	})
	for _, c := range m.Verdict().Peerings["nowhere"].Conditions {
		if c.Type == v1alpha1.ConditionReady && (c.Status != metav1.ConditionFalse || c.Reason != string(v1alpha1.ReasonNodeMissing)) {
			t.Errorf("condition %+v", c)
		}
	}
}

func TestForeignEndpointMissing(t *testing.T) {
	objects := sample(t, "minimal.yaml")
	objects.Peerings[0].Spec.To = v1alpha1.PeeringTo{Address: "127.0.0.1:1"}
	m := start(t, objects, Options{})
	awaitVerdict(t, m, "refused", func(v evidence.Verdict) bool {
		return slices.ContainsFunc(v.Peerings[objects.Peerings[0].Name].Conditions, func(c metav1.Condition) bool {
			return c.Status == metav1.ConditionFalse && c.Reason == string(v1alpha1.ReasonRefused)
		})
	})
}

func TestCertificates(t *testing.T) {
	m := start(t, sample(t, "minimal.yaml"), Options{})
	for _, dir := range append([]string{ClientDir(m.DataDir())}, CertificateDir(m.DataDir(), "alice")) {
		for _, name := range []string{"ca.crt", "tls.crt", "tls.key"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s/%s: %v, %v", dir, name, info, err)
			}
		}
	}
	if pods := slices.Sorted(maps.Keys(m.Addresses())); !slices.Equal(pods, []string{"alice-0", "bob-0"}) {
		t.Errorf("pods %v", pods)
	}
}

func TestStartFailsWhole(t *testing.T) {
	dir := t.TempDir()
	objects := sample(t, "stores.yaml")
	start(t, objects, Options{DataDir: dir})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if m, err := Start(ctx, objects, Options{DataDir: dir}); err == nil {
		stop(t, m)
		t.Fatal("two meshes in one data folder")
	}
}
