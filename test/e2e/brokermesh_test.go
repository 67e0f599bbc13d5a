// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// tenNodes is a mesh of ten pods with a store.
const tenNodes = `
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerMesh
metadata: {name: zeek}
spec:
  defaults: {resources: {requests: {cpu: 20m, memory: 32Mi}}}
  manager: {storage: {size: 64Mi}}
  loggers: {}
  proxies: {replicas: 3}
  workers: {replicas: 5}
---
apiVersion: brokermesh.dev/v1alpha1
kind: DataStore
metadata: {name: hosts}
spec:
  master: {node: manager, backend: SQLite}
  clones: [{node: logger}, {node: worker}]
`

// certificateLife is that of nodes in these tests: minutes, so that they are renewed while the tests run.
const certificateLife = "6m"

// tenPods is what was known of the mesh when it was ready. What lasts longer than one assessment belongs to whole, the test of all of them.
var tenPods struct {
	whole *testing.T
	pods  map[string]types.UID
	leaf  string // of the workers
	flow  *flow  // from manager to logger
}

// TestBrokerMesh: a mesh of ten pods from one object, changed in every way under traffic.
func TestBrokerMesh(t *testing.T) {
	inNamespace(t, "brokermesh-e2e-ten")
	tenPods.whole = t
	testenv.Test(t,
		features.New("make").
			Assess("ten pods come from one object", makeTen).Feature(),
		features.New("rotate").
			Assess("the authority is replaced under traffic", beginRotation).Feature(),
		features.New("select").
			Assess("workers come and go by a number, other nodes by a label", scaleAndSelect).
			Assess("an endpoint outside joins with the certificate that was made for it, and leaves", joinFromOutside).
			Assess("an object that is somebody else's is left alone until it is handed over", adopt).Feature(),
		features.New("rotated").
			Assess("the authority is another, no connection was lost and no pod restarted", endRotation).Feature(),
		features.New("upgrade").
			Assess("another manager restarts nothing", upgrade).Feature(),
		features.New("roll").
			Assess("workers are replaced without a message lost elsewhere", rollWorkers).
			Assess("all are replaced in order, without an acknowledged entry lost", rollAll).Feature(),
		features.New("renew").
			Assess("certificates were renewed", renewed).Feature(),
		features.New("delete").
			Assess("deletion ends in any order", deleteInAnyOrder).Feature(),
	)
}

func makeTen(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	args := strings.TrimSpace(mustManager(ctx, t, "get", "-o", "jsonpath={.spec.template.spec.containers[0].args}"))
	tenPods.whole.Cleanup(func() {
		patchManager(context.WithoutCancel(ctx), tenPods.whole, `[{"op":"replace","path":"/spec/template/spec/containers/0/args","value":`+args+`}]`)
	})
	patchManager(ctx, t, fmt.Sprintf(`[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--certificate-lifetime=%s"}]`, certificateLife))
	apply(ctx, t, tenNodes)
	mustKubectl(ctx, t, "wait", "--for=condition=Ready", "brokermesh/zeek", "--timeout="+patience.String())
	mustKubectl(ctx, t, "wait", "--for=condition=Ready", "datastore/hosts", "--timeout="+patience.String())
	t.Logf("\n%s", mustKubectl(ctx, t, "get", "brokermeshes,brokernodes,peerings,datastores"))
	tenPods.pods = podUIDs(ctx, t, cfg)
	if len(tenPods.pods) != 10 {
		t.Errorf("pods: %v", tenPods.pods)
	}
	tenPods.leaf = mustKubectl(ctx, t, "get", "secret", "worker-tls", "-o", `jsonpath={.data.tls\.crt}`)
	dir := clientTLS(ctx, tenPods.whole, cfg)
	tenPods.flow = startFlow(ctx, tenPods.whole, forward(ctx, tenPods.whole, "manager-0", 9999), forward(ctx, tenPods.whole, "logger-0", 9999), dir)
	return ctx
}

// mustManager runs a kubectl command about the manager's Deployment.
func mustManager(ctx context.Context, t *testing.T, command string, args ...string) string {
	t.Helper()
	args = append([]string{"-n", system, command, "deployment/brokermesh-manager"}, args...)
	out, err := kubectl(ctx, args...)
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return out
}

// patchManager changes the manager's Deployment and waits until the new one is there.
func patchManager(ctx context.Context, t *testing.T, patch string) {
	t.Helper()
	mustManager(ctx, t, "patch", "--type=json", "-p", patch)
	if out, err := kubectl(ctx, "-n", system, "rollout", "status", "deployment/brokermesh-manager", "--timeout=180s"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// podUIDs are the pods of the mesh, by name.
func podUIDs(ctx context.Context, t *testing.T, cfg *envconf.Config) map[string]types.UID {
	t.Helper()
	var pods corev1.PodList
	if err := cfg.Client().Resources(namespace).List(ctx, &pods); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]types.UID)
	for _, p := range pods.Items {
		if p.Labels[v1alpha1.NodeLabel] != "" {
			if n := restarts(p); n > 0 {
				t.Errorf("the container of %s was started anew %d times", p.Name, n)
			}
			out[p.Name] = p.UID
		}
	}
	return out
}

// samePods wants the mesh's own pods to be those that it began with.
func samePods(ctx context.Context, t *testing.T, cfg *envconf.Config) {
	t.Helper()
	now := podUIDs(ctx, t, cfg)
	for name, uid := range tenPods.pods {
		if now[name] != uid {
			t.Errorf("pod %s was replaced", name)
		}
	}
}

func beginRotation(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
	mustKubectl(ctx, t, "annotate", "secret", "brokermesh-ca", "brokermesh.dev/rotate-ca=e2e")
	return ctx
}

func scaleAndSelect(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	mustKubectl(ctx, t, "scale", "brokermesh/zeek", "--replicas=6")
	eventually(ctx, t, "a sixth worker, with all its links", patience, linksOf(cfg, "worker-proxy", "18/18"))
	mustKubectl(ctx, t, "scale", "brokermesh/zeek", "--replicas=5")
	eventually(ctx, t, "five workers again", patience, linksOf(cfg, "worker-proxy", "15/15"))

	apply(ctx, t, `{"apiVersion":"brokermesh.dev/v1alpha1","kind":"Peering","metadata":{"name":"taps"},"spec":{
		"from":{"selector":{"matchLabels":{"tap":"yes"}}},"to":{"selector":{"matchLabels":{"brokermesh.dev/role":"proxy"}},"count":2}}}`)
	for i := range 2 {
		apply(ctx, t, fmt.Sprintf(`{"apiVersion":"brokermesh.dev/v1alpha1","kind":"BrokerNode","metadata":{"name":"tap-%d","labels":{"tap":"yes"}}}`, i))
		eventually(ctx, t, "a tap is peered with two proxies", patience, linksOf(cfg, "taps", fmt.Sprintf("%d/%d", 2*i+2, 2*i+2)))
	}
	mustKubectl(ctx, t, "label", "brokernode", "tap-0", "tap-")
	eventually(ctx, t, "a tap has left", patience, linksOf(cfg, "taps", "2/2"))
	mustKubectl(ctx, t, "delete", "brokernode", "tap-0", "tap-1")
	eventually(ctx, t, "no taps", patience, linksOf(cfg, "taps", "0/0"))
	samePods(ctx, t, cfg)
	return ctx
}

// linksOf is a check for eventually: the peering has those links, and all is well.
func linksOf(cfg *envconf.Config, name, links string) func(context.Context) error {
	return func(ctx context.Context) error {
		var p v1alpha1.Peering
		if err := wantCondition(cfg, name, &p, v1alpha1.ConditionReady, metav1.ConditionTrue, "")(ctx); err != nil {
			return err
		}
		if p.Status.Links != links {
			return fmt.Errorf("Peering %s has links %s, want %s", name, p.Status.Links, links)
		}
		return nil
	}
}

func adopt(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	mustKubectl(ctx, t, "create", "configmap", "late-config", "--from-literal=mine=x")
	apply(ctx, t, `{"apiVersion":"brokermesh.dev/v1alpha1","kind":"BrokerNode","metadata":{"name":"late"}}`)
	eventually(ctx, t, "a conflict", patience,
		wantCondition(cfg, "late", &v1alpha1.BrokerNode{}, v1alpha1.ConditionConfigured, metav1.ConditionFalse, v1alpha1.ReasonConflict))
	if data := mustKubectl(ctx, t, "get", "configmap", "late-config", "-o", "jsonpath={.data}"); data != `{"mine":"x"}` {
		t.Errorf("the ConfigMap was touched: %s", data)
	}
	mustKubectl(ctx, t, "annotate", "configmap", "late-config", "brokermesh.dev/adopt=true")
	eventually(ctx, t, "the node runs", patience,
		wantCondition(cfg, "late", &v1alpha1.BrokerNode{}, v1alpha1.ConditionConfigured, metav1.ConditionTrue, v1alpha1.ReasonApplied))
	mustKubectl(ctx, t, "delete", "brokernode", "late")
	eventually(ctx, t, "what was handed over goes with the node", patience, func(ctx context.Context) error {
		if out, err := kubectl(ctx, "-n", namespace, "get", "configmap", "late-config"); err == nil {
			return fmt.Errorf("it is there: %s", out)
		}
		return nil
	})
	return ctx
}

func endRotation(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	eventually(ctx, t, "the rotation is over", 3*patience, func(ctx context.Context) error {
		annotations := mustKubectl(ctx, t, "get", "secret", "brokermesh-ca", "-o", "jsonpath={.metadata.annotations}")
		if !strings.Contains(annotations, `"brokermesh.dev/rotated-ca":"e2e"`) || strings.Contains(annotations, "brokermesh.dev/ca-rotation") {
			return fmt.Errorf("annotations %s", annotations)
		}
		return nil
	})
	samePods(ctx, t, cfg)
	tenPods.flow.settle(ctx, t)
	// Somebody who comes now has a certificate of the new authority, and trusts no other.
	dir := clientTLS(ctx, t, cfg)
	mustBrokerctl(ctx, t, "store", "put", "hosts", "rotated", "x", "--text", "--peer", forward(ctx, t, "worker-0", 9999), "--tls-dir", dir)
	return ctx
}

func upgrade(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	patchManager(ctx, t, `[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--verbose"}]`)
	mustKubectl(ctx, t, "annotate", "brokermesh/zeek", "note=after the upgrade")
	apply(ctx, t, `{"apiVersion":"brokermesh.dev/v1alpha1","kind":"BrokerNode","metadata":{"name":"after"}}`)
	eventually(ctx, t, "the new manager works", patience,
		wantCondition(cfg, "after", &v1alpha1.BrokerNode{}, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonListening))
	eventually(ctx, t, "the mesh is ready", patience, allReady(cfg))
	samePods(ctx, t, cfg)
	mustKubectl(ctx, t, "delete", "brokernode", "after")
	return ctx
}

func rollWorkers(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	before := podUIDs(ctx, t, cfg)
	tenPods.flow.settle(ctx, t)
	mustKubectl(ctx, t, "patch", "brokermesh/zeek", "--type=merge", "-p", `{"spec":{"workers":{"resources":{"requests":{"cpu":"21m"}}}}}`)
	eventually(ctx, t, "all workers are new", 2*patience, replaced(cfg, t, before, "worker-"))
	eventually(ctx, t, "the mesh is ready again", patience, allReady(cfg))
	for name, uid := range podUIDs(ctx, t, cfg) {
		if !strings.HasPrefix(name, "worker-") && uid != before[name] {
			t.Errorf("pod %s was replaced, which the change doesn't concern", name)
		}
	}
	tenPods.flow.stop(ctx, t)
	return ctx
}

// replaced is a check for eventually: every pod with this prefix is another than before.
func replaced(cfg *envconf.Config, t *testing.T, before map[string]types.UID, prefix string) func(context.Context) error {
	return func(ctx context.Context) error {
		now := podUIDs(ctx, t, cfg)
		for name, uid := range before {
			if strings.HasPrefix(name, prefix) && (now[name] == uid || now[name] == "") {
				return fmt.Errorf("pod %s is still the old one or missing", name)
			}
		}
		return nil
	}
}

func rollAll(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	before := podUIDs(ctx, t, cfg)
	dir := clientTLS(ctx, t, cfg)
	// The writer's own way in is rolled too: each entry is put at the pod that answers.
	w := startWriter(ctx, t, "hosts", forwardAgain(ctx, t, "logger-0", 9999), dir)
	eventually(ctx, t, "entries before the roll", patience, w.wrote(5))
	mustKubectl(ctx, t, "patch", "brokermesh/zeek", "--type=merge", "-p",
		`{"spec":{"defaults":{"resources":{"requests":{"cpu":"22m"}}},"workers":{"resources":null}}}`)
	eventually(ctx, t, "all pods are new", 4*patience, replaced(cfg, t, before, ""))
	eventually(ctx, t, "the mesh is ready again", patience, allReady(cfg))
	eventually(ctx, t, "entries after the roll", patience, w.wrote(w.count()+5))
	acknowledged := w.stop()
	order := byAge(ctx, t, cfg)
	t.Logf("replaced in the order %v", podNames(order))
	if !inTurn(order, "worker-", "proxy-") || !inTurn(order, "proxy-", "manager-") {
		t.Error("want workers before proxies before the manager")
	}
	keys := strings.Fields(mustBrokerctl(ctx, t, "store", "keys", "hosts", "--text", "--peer", forward(ctx, t, "manager-0", 9999), "--tls-dir", dir))
	for _, key := range acknowledged {
		if !slices.Contains(keys, key) {
			t.Errorf("%s was acknowledged and is gone", key)
		}
	}
	t.Logf("%d of %d entries were acknowledged, the store has %d", len(acknowledged), w.tried, len(keys))
	return ctx
}

// byAge are the pods in the order in which they were made.
func byAge(ctx context.Context, t *testing.T, cfg *envconf.Config) []corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	if err := cfg.Client().Resources(namespace).List(ctx, &pods); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return pods.Items
}

func renewed(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
	eventually(ctx, t, "the workers' certificate is another", 2*patience, func(ctx context.Context) error {
		if mustKubectl(ctx, t, "get", "secret", "worker-tls", "-o", `jsonpath={.data.tls\.crt}`) == tenPods.leaf {
			return fmt.Errorf("it is the first")
		}
		return nil
	})
	return ctx
}

// deleteInAnyOrder deletes objects of a mesh in a random order, without waiting for any.
func deleteInAnyOrder(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	order := []string{"brokermesh/zeek", "datastore/hosts", "peering/taps", "peering/worker-manager", "brokernode/manager", "brokernode/logger", "secret/brokermesh-ca", "pod/worker-0"}
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	t.Logf("deleting %v", order)
	for _, o := range order {
		mustKubectl(ctx, t, "delete", o, "--wait=false", "--ignore-not-found")
	}
	eventually(ctx, t, "nothing is left that runs", patience, func(ctx context.Context) error {
		left := mustKubectl(ctx, t, "get", "brokermeshes,brokernodes,peerings,datastores,pods,statefulsets,services,poddisruptionbudgets", "-o", "name")
		if left = strings.TrimSpace(left); left != "" {
			return fmt.Errorf("left are %s", left)
		}
		return nil
	})
	return ctx
}
