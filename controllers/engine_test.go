// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/node"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// engines are pods with the real engine in them. They listen on loopback and know no names of a cluster, so that they peer by address.
type engines struct {
	world *world
	mu    sync.Mutex
	at    map[string]string // control port by pod
	dirs  sync.Map          // of certificates, by node
	// servers end the control ports, by pod; nil where nobody wants to.
	servers map[string]func()
}

// cut ends the control port of a pod, and nothing else.
func (e *engines) cut(pod string) {
	e.mu.Lock()
	end := e.servers[pod]
	e.mu.Unlock()
	end()
}

func (e *engines) address(pod *corev1.Pod) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at[pod.Name]
}

// run starts the engine of a BrokerNode with the certificates that the operator made; the config is left to the manager to push.
func (e *engines) run(name string) *node.Node {
	w := e.world
	w.t.Helper()
	var secret corev1.Secret
	w.appears(manifest.SecretName(name), &secret)
	dir := w.t.TempDir()
	for key, content := range secret.Data {
		if err := os.WriteFile(filepath.Join(dir, key), content, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	e.dirs.Store(name, dir)
	config, err := statusapi.ServerTLS(dir, w.namespace)
	if err != nil {
		w.t.Fatal(err)
	}
	n := node.New(node.Options{TLSDir: dir, DataDir: w.t.TempDir(), ListenHost: "127.0.0.1", EphemeralPorts: true, Version: "test"})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	server := statusapi.NewServer(statusapi.Handler(node.Control{Node: n}), config, nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(listener, "", "") // says only that it was closed
	}()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(n.Close(ctx), server.Close()); err != nil {
			w.t.Errorf("close the engine of %s: %v", name, err)
		}
		<-ended
	})
	e.mu.Lock()
	e.at[manifest.PodName(name, 0)] = listener.Addr().String()
	if e.servers != nil {
		e.servers[manifest.PodName(name, 0)] = func() { _ = server.Close() }
	}
	e.mu.Unlock()
	w.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: manifest.PodName(name, 0), Labels: manifest.Labels(name)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: manifest.ContainerName, Image: "x"}}},
	})
	setPodReady(w.t, w, manifest.PodName(name, 0), true)
	return n
}

// TestEngines has real nodes take the operator's configs and certificates, and peer.
func TestEngines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := &engines{world: w, at: make(map[string]string)}
	w.options.Address = e.address
	w.start()
	webSocket := func(n *v1alpha1.BrokerNode) { n.Spec.WebSocket = &v1alpha1.WebSocketSpec{} }
	w.create(brokerNode("a"), brokerNode("b", webSocket), dataStore("s", "b"))
	a, b := e.run("a"), e.run("b")
	w.eventually("both are well", func() error {
		return errors.Join(w.nodeReady("a"), w.nodeReady("b"), w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
	})
	if got := w.node("a").Status; got.Version != "test" || got.Pods[0].EndpointID != a.Status().EndpointID {
		t.Errorf("status of a: %+v; its endpoint is %s", got, a.Status().EndpointID)
	}

	link := peering("a", "b")
	link.Spec.To = v1alpha1.PeeringTo{Address: brokerPort(t, b)}
	w.create(link)
	w.eventually("a reports b", func() error { return w.peeringIs("a-b", metav1.ConditionTrue, v1alpha1.ReasonOneSided) })
	if peers := b.Status().Peers; len(peers) != 1 || peers[0].URI != meshtls.NodeURI(w.namespace, "a") {
		t.Errorf("b reports %+v, want a by its certificate", peers)
	}
	w.remove(&v1alpha1.Peering{}, "a-b")
	w.eventually("b has been left", func() error {
		if peers := b.Status().Peers; len(peers) != 0 {
			return fmt.Errorf("b reports %+v", peers)
		}
		return nil
	})
}

func brokerPort(t *testing.T, n *node.Node) string {
	t.Helper()
	for _, l := range n.Status().Listeners {
		if l.Name == "broker" {
			return l.Address
		}
	}
	t.Fatalf("no native port among %+v", n.Status().Listeners)
	return ""
}

// remount gives a node the certificates of now, as a kubelet does: all files at once, with a new time.
func (e *engines) remount(name string) {
	w := e.world
	w.t.Helper()
	var secret corev1.Secret
	w.mustGet(manifest.SecretName(name), &secret)
	dir, _ := e.dirs.Load(name)
	mount(w.t, dir.(string), &secret)
}

// TestEnginesRotate replaces the authority of a mesh of real nodes. Their connection stands from before to after, and a new one is made
// with the certificates of each step.
func TestEnginesRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := &engines{world: w, at: make(map[string]string)}
	w.options.Address = e.address
	w.start()
	w.create(brokerNode("a"), brokerNode("b"), brokerNode("c"))
	a, b, _ := e.run("a"), e.run("b"), e.run("c")
	w.eventually("all are well", func() error { return errors.Join(w.nodeReady("a"), w.nodeReady("b"), w.nodeReady("c")) })
	join := func(from string) {
		link := peering(from, "b")
		link.Spec.To = v1alpha1.PeeringTo{Address: brokerPort(t, b)}
		w.create(link)
		w.eventually(from+" reports b", func() error { return w.peeringIs(from+"-b", metav1.ConditionTrue, v1alpha1.ReasonOneSided) })
	}
	join("a")
	since := a.Status().Peers[0].Since
	old := w.ring().Authority()
	var ca corev1.Secret
	w.change(CASecret, &ca, "user", func() { ca.Annotations = map[string]string{RotateAnnotation: "now"} })
	names := []string{"a", "b", "c"}
	for _, step := range []pki.Step{pki.Spreading, pki.Replacing, pki.Settled} {
		w.step(step, names...)
		e.remount("a")
		join("c") // one of the two ends has the files of the step before
		w.remove(&v1alpha1.Peering{}, "c-b")
		e.remount("b")
		e.remount("c")
	}
	if now := w.ring().Authority(); meshtls.Hash(now.CertPEM()) == meshtls.Hash(old.CertPEM()) {
		t.Error("the authority is the old one")
	}
	join("c")
	if peers := a.Status().Peers; len(peers) != 1 || !peers[0].Since.Equal(since) {
		t.Errorf("the connection that stood before: since %v, now %+v", since, peers)
	}
	w.eventually("all are well", func() error { return errors.Join(w.nodeReady("a"), w.nodeReady("b"), w.nodeReady("c")) })
}
