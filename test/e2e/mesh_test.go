// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

const sample = root + "/config/samples/zeek-cluster.yaml"

func TestZeekCluster(t *testing.T) {
	testenv.Test(t,
		features.New("apply").
			Assess("the sample becomes a healthy mesh", applySample).
			Assess("bad input is refused with the field's path", refuseBadInput).Feature(),
		features.New("use").
			Assess("a message published at a worker arrives at the logger", publishAtWorker).
			Assess("a value put at the master is read at a clone", putAtMaster).Feature(),
		features.New("change").
			Assess("a peering is removed and added without a restart", changePeering).
			Assess("an object at fault gets a condition and stops nothing else", unknownNode).Feature(),
		features.New("move").
			Assess("a master moves under a writer and loses nothing", moveMaster).
			Assess("a clone takes over when the master's pod stays away", loseMaster).Feature(),
		features.New("hurt").
			Assess("a killed pod comes back with its data", killPod).
			Assess("a stopped machine turns its nodes Unknown", stopMachine).Feature(),
		features.New("delete").
			Assess("what stays is what the README says", deleteAll).Feature(),
	)
}

func applySample(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	mustKubectl(ctx, t, "apply", "-f", sample)
	eventually(ctx, t, "the sample is ready", patience, allReady(cfg))
	t.Logf("\n%s", mustKubectl(ctx, t, "get", "brokernodes,peerings,datastores"))
	pods := podsByNode(ctx, t, cfg)
	if got := slices.Sorted(maps.Keys(pods)); !slices.Equal(got, []string{"logger-1", "manager", "proxy-1", "worker-1", "worker-2"}) {
		t.Errorf("pods of %v", got)
	}
	for name, pod := range pods {
		if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
			t.Errorf("pod of %s mounts Kubernetes credentials", name)
		}
	}
	return ctx
}

func refuseBadInput(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
	out, err := applied(ctx, `{"apiVersion":"brokermesh.dev/v1alpha1","kind":"Peering","metadata":{"name":"nowhere"},"spec":{"from":{"node":"manager"},"to":{"node":"Manager"}}}`)
	if err == nil || !strings.Contains(out, "spec.to.node") {
		t.Errorf("a peering with a node that can't be: %v\n%s", err, out)
	}
	return ctx
}

func publishAtWorker(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	dir := clientTLS(ctx, t, cfg)
	worker, logger := forward(ctx, t, "worker-1-0", 9999), forward(ctx, t, "logger-1-0", 9999)
	sub := brokerctl(ctx, t, "sub", "zeek/e2e/", "--peer", logger, "--tls-dir", dir, "--count", "1", "--text")
	stdout, err := sub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	sub.Stderr = os.Stderr
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		lines.Scan()
		got <- lines.Text()
	}()
	// The subscription travels from the client to the logger and from there to the worker, so the first messages may be too early.
	eventually(ctx, t, "the message arrives", patience, func(ctx context.Context) error {
		mustBrokerctl(ctx, t, "pub", "zeek/e2e/hello", "hello from worker-1", "--text", "--peer", worker, "--tls-dir", dir)
		select {
		case line := <-got:
			if !strings.Contains(line, "zeek/e2e/hello") || !strings.Contains(line, "hello from worker-1") {
				t.Fatalf("received %q", line)
			}
			return nil
		default:
			return fmt.Errorf("nothing received yet")
		}
	})
	if err := sub.Wait(); err != nil {
		t.Errorf("sub: %v", err)
	}
	return ctx
}

func putAtMaster(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	dir := clientTLS(ctx, t, cfg)
	manager := forward(ctx, t, "manager-0", 9999)
	mustBrokerctl(ctx, t, "store", "put", "zeek/known/hosts", "e2e", "seen", "--text", "--peer", manager, "--tls-dir", dir)
	for _, clone := range []string{"worker-1-0", "worker-2-0", "proxy-1-0"} {
		addr := forward(ctx, t, clone, 9991)
		eventually(ctx, t, clone+" holds the entry", patience, func(ctx context.Context) error {
			value, err := metric(ctx, addr, `broker_store_entries{name="zeek/known/hosts"}`)
			if err == nil && value != "1" {
				err = fmt.Errorf("%s entries", value)
			}
			return err
		})
	}
	if got := mustBrokerctl(ctx, t, "store", "get", "zeek/known/hosts", "e2e", "--text", "--peer", manager, "--tls-dir", dir); got != "seen" {
		t.Errorf("the master has %q", got)
	}
	return ctx
}

func changePeering(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	before := podsByNode(ctx, t, cfg)
	worker := &v1alpha1.BrokerNode{}
	wantPeers := func(want string) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := cfg.Client().Resources(namespace).Get(ctx, "worker-1", namespace, worker); err != nil {
				return err
			}
			if worker.Status.Peers != want {
				return fmt.Errorf("worker-1 has %s peers, want %s", worker.Status.Peers, want)
			}
			return nil
		}
	}
	eventually(ctx, t, "three peers before", patience, wantPeers("3/3"))
	mustKubectl(ctx, t, "delete", "peering", "worker-1-proxy-1")
	eventually(ctx, t, "two peers after the removal", patience, wantPeers("2/2"))
	mustKubectl(ctx, t, "apply", "-f", sample)
	eventually(ctx, t, "three peers again", patience, wantPeers("3/3"))
	eventually(ctx, t, "the mesh is ready again", patience, allReady(cfg))
	for name, pod := range podsByNode(ctx, t, cfg) {
		if pod.UID != before[name].UID || restarts(pod) != restarts(before[name]) {
			t.Errorf("the pod of %s was replaced or restarted", name)
		}
	}
	return ctx
}

func restarts(pod corev1.Pod) (n int32) {
	for _, c := range pod.Status.ContainerStatuses {
		n += c.RestartCount
	}
	return n
}

func unknownNode(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	peering := &v1alpha1.Peering{
		ObjectMeta: metav1.ObjectMeta{Name: "to-nobody", Namespace: namespace},
		Spec:       v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Node: "worker-1"}, To: v1alpha1.PeeringTo{Node: "manger"}},
	}
	if err := cfg.Client().Resources(namespace).Create(ctx, peering); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the peering is refused with a reason", patience,
		wantCondition(cfg, "to-nobody", &v1alpha1.Peering{}, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeMissing))
	if err := wantCondition(cfg, "worker-1", &v1alpha1.BrokerNode{}, v1alpha1.ConditionReady, metav1.ConditionTrue, "")(ctx); err != nil {
		t.Error(err)
	}
	mustKubectl(ctx, t, "delete", "peering", "to-nobody")
	return ctx
}

// killPod kills the pod of a persistent master while somebody writes to it through another node.
func killPod(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	before := podsByNode(ctx, t, cfg)["manager"]
	dir := clientTLS(ctx, t, cfg)
	w := startWriter(ctx, t, "zeek/known/hosts", forward(ctx, t, "worker-1-0", 9999), dir)
	eventually(ctx, t, "entries before the kill", patience, w.wrote(10))
	mustKubectl(ctx, t, "delete", "pod", "manager-0", "--grace-period=0", "--force")
	eventually(ctx, t, "a new pod of manager", patience, func(ctx context.Context) error {
		if pod := podsByNode(ctx, t, cfg)["manager"]; pod.UID == before.UID || pod.UID == "" {
			return fmt.Errorf("manager-0 is still the old one or missing")
		}
		return nil
	})
	eventually(ctx, t, "the mesh is ready again", patience, allReady(cfg))
	eventually(ctx, t, "entries after the kill", patience, w.wrote(w.count()+5))
	acknowledged := w.stop()
	manager := forward(ctx, t, "manager-0", 9999)
	if got := mustBrokerctl(ctx, t, "store", "get", "zeek/known/hosts", "e2e", "--text", "--peer", manager, "--tls-dir", dir); got != "seen" {
		t.Errorf("after the restart the store has %q", got)
	}
	keys := strings.Fields(mustBrokerctl(ctx, t, "store", "keys", "zeek/known/hosts", "--text", "--peer", manager, "--tls-dir", dir))
	for _, key := range acknowledged {
		if !slices.Contains(keys, key) {
			t.Errorf("%s was acknowledged and is gone", key)
		}
	}
	t.Logf("%d of %d entries were acknowledged, the store has %d", len(acknowledged), w.tried, len(keys))
	return ctx
}

func deleteAll(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	mustKubectl(ctx, t, "delete", "-f", sample, "--timeout=120s")
	if out, err := kubectl(ctx, "delete", "-k", root+"/config/default", "--timeout=180s"); err != nil {
		t.Fatalf("kubectl delete -k config/default: %v\n%s", err, out)
	}
	eventually(ctx, t, "only the volumes and the CA stay", patience, func(ctx context.Context) error {
		left := mustKubectl(ctx, t, "get", "pods,statefulsets,services,configmaps,secrets,serviceaccounts,persistentvolumeclaims,leases", "-o", "name")
		var got []string
		for name := range strings.Lines(left) {
			name = strings.TrimSpace(name)
			if name != "" && name != "configmap/kube-root-ca.crt" && name != "serviceaccount/default" {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		want := []string{"persistentvolumeclaim/data-manager-0", "secret/brokermesh-ca", "secret/brokermesh-client"}
		if !slices.Equal(got, want) {
			return fmt.Errorf("left are %v, want %v", got, want)
		}
		return nil
	})
	var ns corev1.Namespace
	eventually(ctx, t, "the manager's namespace is gone", patience, func(ctx context.Context) error {
		if err := cfg.Client().Resources().Get(ctx, system, "", &ns); !apierrors.IsNotFound(err) {
			return fmt.Errorf("namespace %s: %v", system, err)
		}
		return nil
	})
	if out, err := kubectl(ctx, "delete", "namespace", namespace, "--timeout=180s"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return ctx
}
