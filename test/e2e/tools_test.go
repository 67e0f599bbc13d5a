// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/e2e-framework/pkg/envconf"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// patience is how long a condition may take on a busy machine; no test asserts that it takes less.
const patience = 4 * time.Minute

func kubectlPath() string { return cmp.Or(os.Getenv("KUBECTL"), "kubectl") }

func kubectl(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, kubectlPath(), args...).CombinedOutput()
	return string(out), err
}

// mustKubectl runs kubectl in the namespace of the tests.
func mustKubectl(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(ctx, append([]string{"-n", namespace}, args...)...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// applied has kubectl apply a manifest.
func applied(ctx context.Context, manifest string) (string, error) {
	cmd := exec.CommandContext(ctx, kubectlPath(), "-n", namespace, "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func apply(ctx context.Context, t *testing.T, manifest string) {
	t.Helper()
	if out, err := applied(ctx, manifest); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

// eventually waits until check gives no error; the last one is the reason if it never does.
func eventually(ctx context.Context, t *testing.T, what string, timeout time.Duration, check func(context.Context) error) {
	t.Helper()
	last := fmt.Errorf("never tried")
	err := wait.For(func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	}, wait.WithContext(ctx), wait.WithTimeout(timeout), wait.WithInterval(500*time.Millisecond), wait.WithImmediate())
	if err != nil {
		out, _ := kubectl(context.WithoutCancel(ctx), "-n", namespace, "get", "brokernodes,peerings,datastores,pods", "-o", "wide")
		t.Fatalf("%s: %v: %v\n%s", what, err, last, out)
	}
}

// conditionsOf gives the conditions of an object of the mesh.
func conditionsOf(obj k8s.Object) []metav1.Condition {
	switch o := obj.(type) {
	case *v1alpha1.BrokerNode:
		return o.Status.Conditions
	case *v1alpha1.Peering:
		return o.Status.Conditions
	case *v1alpha1.DataStore:
		return o.Status.Conditions
	case *v1alpha1.BrokerMesh:
		return o.Status.Conditions
	default:
		return nil
	}
}

// wantCondition is a check for eventually: the object's condition has that status and, unless it is empty, that reason.
func wantCondition(cfg *envconf.Config, name string, obj k8s.Object, condition string, status metav1.ConditionStatus, reason v1alpha1.Reason) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := cfg.Client().Resources(namespace).Get(ctx, name, namespace, obj); err != nil {
			return err
		}
		c := apimeta.FindStatusCondition(conditionsOf(obj), condition)
		if c == nil {
			return fmt.Errorf("%T %s has no condition %s", obj, name, condition)
		}
		if c.Status != status || reason != "" && c.Reason != string(reason) {
			return fmt.Errorf("%T %s: %s is %s, %s: %s", obj, name, condition, c.Status, c.Reason, c.Message)
		}
		return nil
	}
}

// allReady is a check for eventually: every object of the mesh is Ready.
func allReady(cfg *envconf.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		r := cfg.Client().Resources(namespace)
		var nodes v1alpha1.BrokerNodeList
		var peerings v1alpha1.PeeringList
		var stores v1alpha1.DataStoreList
		for _, list := range []k8s.ObjectList{&nodes, &peerings, &stores} {
			if err := r.List(ctx, list); err != nil {
				return err
			}
		}
		if len(nodes.Items) == 0 || len(peerings.Items) == 0 || len(stores.Items) == 0 {
			return fmt.Errorf("%d nodes, %d peerings, %d stores", len(nodes.Items), len(peerings.Items), len(stores.Items))
		}
		var objects []k8s.Object
		for i := range nodes.Items {
			objects = append(objects, &nodes.Items[i])
		}
		for i := range peerings.Items {
			objects = append(objects, &peerings.Items[i])
		}
		for i := range stores.Items {
			objects = append(objects, &stores.Items[i])
		}
		for _, obj := range objects {
			if err := readyNow(obj); err != nil {
				return err
			}
		}
		return nil
	}
}

func readyNow(obj k8s.Object) error {
	c := apimeta.FindStatusCondition(conditionsOf(obj), v1alpha1.ConditionReady)
	if c == nil {
		return fmt.Errorf("%T %s has no condition Ready yet", obj, obj.GetName())
	}
	if c.Status != metav1.ConditionTrue || c.ObservedGeneration != obj.GetGeneration() {
		return fmt.Errorf("%T %s: Ready is %s, %s: %s (generation %d of %d)", obj, obj.GetName(), c.Status, c.Reason, c.Message, c.ObservedGeneration, obj.GetGeneration())
	}
	return nil
}

// podsByNode lists the pods of the mesh by the name of their BrokerNode.
func podsByNode(ctx context.Context, t *testing.T, cfg *envconf.Config) map[string]corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	if err := cfg.Client().Resources(namespace).List(ctx, &pods); err != nil {
		t.Fatal(err)
	}
	out := map[string]corev1.Pod{}
	for _, p := range pods.Items {
		if node := p.Labels["brokermesh.dev/node"]; node != "" {
			out[node] = p
		}
	}
	return out
}

// forward opens a port of a pod on loopback until the test ends.
func forward(ctx context.Context, t *testing.T, pod string, port int) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, kubectlPath(), "-n", namespace, "port-forward", "pod/"+pod, fmt.Sprintf(":%d", port))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "Forwarding from 127.0.0.1:"); ok {
			local, _, _ := strings.Cut(rest, " ")
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return "127.0.0.1:" + local
		}
	}
	t.Fatalf("port-forward to %s:%d gave no address: %s", pod, port, stderr.String())
	return ""
}

// clientTLS writes the certificate that the mesh keeps for people's tools into a folder, as brokerctl wants it.
func clientTLS(ctx context.Context, t *testing.T, cfg *envconf.Config) string {
	t.Helper()
	return secretFiles(ctx, t, cfg, "brokermesh-client")
}

// brokerctl prepares a command of the program that `make build` made.
func brokerctl(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := filepath.Abs(root + "/bin/brokerctl")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v; run `make build` first", err)
	}
	return exec.CommandContext(ctx, program, args...)
}

func mustBrokerctl(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := brokerctl(ctx, t, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("brokerctl %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// writer puts one entry after the other into a store and notes which ones were acknowledged.
type writer struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	tried  int

	mu           sync.Mutex
	acknowledged []string
}

func startWriter(ctx context.Context, t *testing.T, store, peer, dir string) *writer {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	w := &writer{cancel: cancel}
	w.done.Go(func() {
		for ; ctx.Err() == nil; w.tried++ {
			key := fmt.Sprintf("e2e-%d", w.tried)
			if brokerctl(ctx, t, "store", "put", store, key, "x", "--text", "--peer", peer, "--tls-dir", dir, "--timeout", "5s").Run() == nil {
				w.mu.Lock()
				w.acknowledged = append(w.acknowledged, key)
				w.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acknowledged)
}

// wrote is a check for eventually: so many entries were acknowledged.
func (w *writer) wrote(n int) func(context.Context) error {
	return func(context.Context) error {
		if got := w.count(); got < n {
			return fmt.Errorf("%d entries are acknowledged, want %d", got, n)
		}
		return nil
	}
}

// stop ends the writer and answers the keys of what was acknowledged.
func (w *writer) stop() []string {
	w.cancel()
	w.done.Wait()
	return w.acknowledged
}

// metric reads one line of a node's metrics; the name includes the labels.
func metric(ctx context.Context, addr, name string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("no metric %s", name)
}
