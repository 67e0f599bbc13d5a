// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// joinFromOutside has an endpoint outside the cluster, which is not of this project, join with the certificate that the operator made
// for it, and leave.
func joinFromOutside(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	apply(ctx, t, `
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: sensor}
spec: {external: {}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: sensor-manager}
spec: {from: {node: sensor}, to: {node: manager}}
`)
	notSeen := wantCondition(cfg, "sensor", &v1alpha1.BrokerNode{}, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNotSeen)
	eventually(ctx, t, "nobody has seen it", patience, notSeen)
	dir := secretFiles(ctx, t, cfg, "sensor-tls")
	_, port, err := net.SplitHostPort(forward(ctx, t, "manager-0", 9999))
	if err != nil {
		t.Fatal(err)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("this needs python3 (3.9 or newer) in PATH: the endpoint outside is a Python program")
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	cmd := exec.CommandContext(ctx, python, root+"/test/interop/testdata/peer.py", "--tls", "cert", "--cert", file("tls.crt"), "--key", file("tls.key"), "--ca", file("ca.crt"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(in, `{"do":"connect","port":%s}`+"\n", port)
	eventually(ctx, t, "its peer has seen it", patience,
		wantCondition(cfg, "sensor", &v1alpha1.BrokerNode{}, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSeenByPeers))
	eventually(ctx, t, "the peering stands", patience, linksOf(cfg, "sensor-manager", "1/1"))
	t.Logf("\n%s", mustKubectl(ctx, t, "get", "brokernode/sensor", "peering/sensor-manager"))
	in.Close() // it leaves
	if err := cmd.Wait(); err != nil {
		t.Errorf("peer.py: %v\n%s", err, out.String())
	}
	eventually(ctx, t, "its peer has lost it", patience, notSeen)
	mustKubectl(ctx, t, "delete", "brokernode/sensor", "peering/sensor-manager")
	return ctx
}

// secretFiles writes a Secret's certificate into a folder.
func secretFiles(ctx context.Context, t *testing.T, cfg *envconf.Config, name string) string {
	t.Helper()
	var secret corev1.Secret
	if err := cfg.Client().Resources(namespace).Get(ctx, name, namespace, &secret); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, key := range []string{"ca.crt", "tls.crt", "tls.key"} {
		if len(secret.Data[key]) == 0 {
			t.Fatalf("secret %s has no %s", name, key)
		}
		if err := os.WriteFile(filepath.Join(dir, key), secret.Data[key], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
