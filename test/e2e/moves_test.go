// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// moving is a store whose master moves, by hand and by itself.
const moving = `{"apiVersion":"brokermesh.dev/v1alpha1","kind":"DataStore","metadata":{"name":"moving"},"spec":{
	"master":{"node":"proxy-1"},"clones":[{"node":"worker-1"},{"node":"worker-2"}],"failover":{"policy":"Automatic","after":"10s"}}}`

// moveMaster moves a master while somebody writes to it through a third node.
func moveMaster(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	apply(ctx, t, moving)
	eventually(ctx, t, "the store is there", patience, masterAt(cfg, "proxy-1", v1alpha1.ReasonServing))
	eventually(ctx, t, "the mesh is ready", patience, allReady(cfg))
	dir, worker := clientTLS(ctx, t, cfg), forward(ctx, t, "worker-2-0", 9999)
	w := startWriter(ctx, t, "moving", worker, dir)
	eventually(ctx, t, "entries before the move", patience, w.wrote(10))
	t.Log(mustBrokerctl(ctx, t, "store", "move", "moving", "--to", "worker-1", "--namespace", namespace, "--timeout", patience.String()))
	eventually(ctx, t, "entries after the move", patience, w.wrote(w.count()+10))
	acknowledged := w.stop()
	eventually(ctx, t, "the status names the new place", patience, masterAt(cfg, "worker-1", v1alpha1.ReasonServing))
	eventually(ctx, t, "the mesh is ready after the move", patience, allReady(cfg))
	wantKeys(ctx, t, worker, dir, acknowledged)
	return ctx
}

// loseMaster kills the master's pod and keeps it away: one of the clones takes over by itself.
func loseMaster(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	dir, worker := clientTLS(ctx, t, cfg), forward(ctx, t, "worker-2-0", 9999)
	before := strings.Fields(mustBrokerctl(ctx, t, "store", "keys", "moving", "--text", "--peer", worker, "--tls-dir", dir))
	var machines corev1.NodeList
	if err := cfg.Client().Resources().List(ctx, &machines); err != nil {
		t.Fatal(err)
	}
	for _, m := range machines.Items {
		mustKubectl(ctx, t, "cordon", m.Name)
		t.Cleanup(func() { mustKubectl(context.WithoutCancel(ctx), t, "uncordon", m.Name) })
	}
	mustKubectl(ctx, t, "delete", "pod", "worker-1-0", "--grace-period=0", "--force")
	var next string
	eventually(ctx, t, "a clone takes over", patience, func(ctx context.Context) error {
		var s v1alpha1.DataStore
		err := wantCondition(cfg, "moving", &s, v1alpha1.ConditionMasterAvailable, metav1.ConditionTrue, v1alpha1.ReasonFailedOver)(ctx)
		if err == nil {
			next = s.Status.Master.Node
		}
		return err
	})
	if next != "proxy-1" && next != "worker-2" {
		t.Errorf("the master is on %q, which had no clone", next)
	}
	mustBrokerctl(ctx, t, "store", "put", "moving", "afterwards", "x", "--text", "--peer", worker, "--tls-dir", dir)
	for _, m := range machines.Items {
		mustKubectl(ctx, t, "uncordon", m.Name)
	}
	eventually(ctx, t, "the mesh is ready again", patience, allReady(cfg))
	if err := masterAt(cfg, next, v1alpha1.ReasonFailedOver)(ctx); err != nil {
		t.Errorf("the master came back by itself: %v", err)
	}
	wantKeys(ctx, t, worker, dir, append(before, "afterwards"))
	mustKubectl(ctx, t, "delete", "datastore", "moving")
	return ctx
}

// masterAt is a check for eventually: the store's master serves on that node.
func masterAt(cfg *envconf.Config, node string, reason v1alpha1.Reason) func(context.Context) error {
	return func(ctx context.Context) error {
		var s v1alpha1.DataStore
		if err := wantCondition(cfg, "moving", &s, v1alpha1.ConditionMasterAvailable, metav1.ConditionTrue, reason)(ctx); err != nil {
			return err
		}
		if s.Status.Master == nil || s.Status.Master.Node != node {
			return fmt.Errorf("the master is at %+v, want %s", s.Status.Master, node)
		}
		return nil
	}
}

func wantKeys(ctx context.Context, t *testing.T, peer, dir string, want []string) {
	t.Helper()
	keys := strings.Fields(mustBrokerctl(ctx, t, "store", "keys", "moving", "--text", "--peer", peer, "--tls-dir", dir))
	for _, key := range want {
		if !slices.Contains(keys, key) {
			t.Errorf("%s was acknowledged and is gone", key)
		}
	}
	t.Logf("%d entries were acknowledged, the store has %d", len(want), len(keys))
}
