// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// flow is a stream of numbers that enters the mesh at one pod and leaves it at another. Its goroutines own the endpoints; the mutex
// owns the rest.
type flow struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu             sync.Mutex
	sent, received uint64
	fault          error // the first
}

// startFlow peers with two pods and begins once a number has come through.
func startFlow(ctx context.Context, t *testing.T, in, out, tlsDir string) *flow {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	f := &flow{cancel: cancel}
	source, sink := client(ctx, t, in, tlsDir), client(ctx, t, out, tlsDir)
	sub, err := sink.SubscribeSync(ctx, []string{"zeek/e2e/flow"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan struct{})
	var once sync.Once
	f.done.Go(func() {
		for {
			m, err := sub.Get(ctx)
			if err != nil {
				return
			}
			if m.Topic == "zeek/e2e/flow/probe" {
				once.Do(func() { close(first) })
				continue
			}
			n, _ := m.Value.AsCount()
			f.mu.Lock()
			if n != f.received && f.fault == nil {
				f.fault = fmt.Errorf("number %d came, want %d", n, f.received)
			}
			f.received = n + 1
			f.mu.Unlock()
		}
	})
	eventually(ctx, t, "the way is there", patience, func(context.Context) error {
		if err := source.Publish("zeek/e2e/flow/probe", data.None()); err != nil {
			return err
		}
		select {
		case <-first:
			return nil
		default:
			return fmt.Errorf("nothing came through")
		}
	})
	f.done.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			f.mu.Lock()
			n := f.sent
			f.sent++
			f.mu.Unlock()
			if err := source.Publish("zeek/e2e/flow", data.Count(n)); err != nil {
				f.mu.Lock()
				f.fault = fmt.Errorf("publish %d: %w", n, err)
				f.mu.Unlock()
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(cancel)
	return f
}

// client is an endpoint of the test's own, peered with one pod.
func client(ctx context.Context, t *testing.T, address, tlsDir string) *broker.Endpoint {
	t.Helper()
	security, err := peering.LoadTLS(tlsDir)
	if err != nil {
		t.Fatal(err)
	}
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone, TLS: security})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = e.Close(closing)
	})
	if _, err := e.Peer(ctx, address, broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	return e
}

// settle wants everything that was sent until now to have come, each number once and in order.
func (f *flow) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	f.mu.Lock()
	sent := f.sent
	f.mu.Unlock()
	eventually(ctx, t, "what was sent has come", patience, func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.fault != nil {
			t.Fatalf("after %d numbers: %v", f.received, f.fault)
		}
		if f.received < sent {
			return fmt.Errorf("%d of %d came", f.received, sent)
		}
		return nil
	})
	t.Logf("%d numbers have come through, none is missing", sent)
}

// stop ends the flow, after a last look.
func (f *flow) stop(ctx context.Context, t *testing.T) {
	t.Helper()
	f.settle(ctx, t)
	f.cancel()
	f.done.Wait()
}

// forwardAgain is a port on loopback that leads to a pod of that name, whichever it is at the moment, until the test ends.
func forwardAgain(ctx context.Context, t *testing.T, pod string, port int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, local, _ := strings.Cut(address, ":")
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, kubectlPath(), "-n", namespace, "port-forward", "pod/"+pod, fmt.Sprintf("%s:%d", local, port))
			cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
			_ = cmd.Run() // ends with its pod
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return address
}

// inNamespace runs a test in a namespace of its own, which is removed with all that is in it.
func inNamespace(t *testing.T, name string) {
	t.Helper()
	before := namespace
	namespace = name
	if out, err := kubectl(t.Context(), "create", "namespace", name); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		namespace = before
		if out, err := kubectl(context.Background(), "delete", "namespace", name, "--timeout=180s"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// inTurn tells whether every pod with the first prefix is at least as old as every one with the second; pods are by age.
func inTurn(pods []corev1.Pod, first, second string) bool {
	var last, next time.Time
	for _, p := range pods {
		switch made := p.CreationTimestamp.Time; {
		case strings.HasPrefix(p.Name, first):
			last = made
		case strings.HasPrefix(p.Name, second) && next.IsZero():
			next = made
		}
	}
	return !last.After(next)
}

func podNames(pods []corev1.Pod) []string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Name)
	}
	return names
}
