// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	manifests "github.com/brokermesh/brokermesh/pkg/load"
	"github.com/brokermesh/brokermesh/pkg/local"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// laptop runs a sample as brokerctl up does.
func laptop(t *testing.T, file string) *local.Mesh {
	t.Helper()
	loaded, problems, err := manifests.Files([]string{file})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	objects := topology.Objects{Nodes: loaded.Nodes, Peerings: loaded.Peerings, Stores: loaded.Stores}
	m, err := local.Start(within(t), objects, local.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("close the mesh: %v", err)
		}
	})
	return m
}

// judged waits for a verdict on zeek and its peering: the status of Ready, the reason of each, and how many of zeek's peers see it.
func judged(t *testing.T, m *local.Mesh, status metav1.ConditionStatus, node, peering v1alpha1.Reason, peers string) evidence.Verdict {
	t.Helper()
	is := func(list []metav1.Condition, reason v1alpha1.Reason) bool {
		return slices.ContainsFunc(list, func(c metav1.Condition) bool {
			return c.Type == v1alpha1.ConditionReady && c.Status == status && c.Reason == string(reason)
		})
	}
	deadline := time.After(patience)
	for {
		changed, v := m.Changed(), m.Verdict()
		z := v.Nodes["field-zeek"]
		if is(z.Conditions, node) && is(v.Peerings["field-zeek-intake"].Conditions, peering) && z.Peers == peers {
			return v
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("zeek never became %s: %+v, %+v", node, z, v.Peerings["field-zeek-intake"])
		}
	}
}

// TestExternalEndpoint: an endpoint of another implementation joins a mesh with the certificate that the mesh made for it, and leaves;
// the conditions follow. One with people's certificate is nobody that the mesh waits for.
func TestExternalEndpoint(t *testing.T) {
	m := laptop(t, "../../config/samples/external.yaml")
	hub := m.Addresses()["intake-0"]
	judged(t, m, metav1.ConditionFalse, v1alpha1.ReasonNotSeen, v1alpha1.ReasonConnecting, "0/1")

	stranger := start(t, tlsArgs(local.ClientDir(m.DataDir()))...)
	stranger.connect(hub, nil)
	stranger.wait("peered")
	judged(t, m, metav1.ConditionFalse, v1alpha1.ReasonNotSeen, v1alpha1.ReasonConnecting, "0/1")

	zeek := start(t, tlsArgs(local.CertificateDir(m.DataDir(), "field-zeek"))...)
	zeek.connect(hub, nil)
	zeek.wait("peered")
	v := judged(t, m, metav1.ConditionTrue, v1alpha1.ReasonSeenByPeers, v1alpha1.ReasonOneSided, "1/1")
	if got := v.Nodes["field-zeek"].EndpointID; got != zeek.id.String() {
		t.Errorf("zeek is %s, the mesh says %s", zeek.id, got)
	}
	if n := v.Nodes["intake"].UndeclaredPeers; n != 0 {
		t.Errorf("%d undeclared peers", n)
	}
	for _, p := range m.Statuses()["intake-0"].Peers {
		if p.Peering == "field-zeek-intake" && p.DropPolicy != "DropOldest" {
			t.Errorf("the queue towards zeek: %+v", p)
		}
	}
	zeek.do(command{"do": "drop"})
	judged(t, m, metav1.ConditionFalse, v1alpha1.ReasonNotSeen, v1alpha1.ReasonConnecting, "0/1")
}
