// SPDX-License-Identifier: Apache-2.0

package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/node"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Options say how the mesh runs.
type Options struct {
	// Namespace of the mesh; empty means "default".
	Namespace string
	// DataDir holds what must outlive the process, and the certificates that
	// clients use, in the folder client. Empty means a fresh temporary folder,
	// which stays.
	DataDir string
	// Plain turns TLS off for every node.
	Plain bool
	// Version is what the nodes say of themselves.
	Version string
	// Logger gets the log of all nodes; nil discards it.
	Logger *slog.Logger
}

// Mesh is a topology that runs in this process. It must be closed.
type Mesh struct {
	o        Options
	manifest topology.Objects
	started  time.Time

	nodes     map[string]*node.Node // by pod; fixed after Start
	addresses map[string]string     // by pod; fixed after Start
	places    map[string]Place      // by DataStore; of Start, then of judgeAlways

	stop     context.CancelFunc
	watchers sync.WaitGroup
	news     chan struct{} // one slot: there are observations to judge

	mu struct {
		sync.Mutex
		objects  topology.Objects // the manifest's, with the masters where they are
		plan     topology.Result  // of the objects, with addresses
		observed map[string]evidence.Observation
		verdict  evidence.Verdict
		changed  chan struct{}
	}
}

// Start runs the objects of one mesh. What the topology finds at fault is left
// out and shows up in the verdict, as in a cluster; who wants to refuse it
// compiles first. After an error nothing runs.
func Start(ctx context.Context, objects topology.Objects, o Options) (_ *Mesh, err error) {
	m := &Mesh{o: o, manifest: objects, started: time.Now(), nodes: make(map[string]*node.Node), news: make(chan struct{}, 1)}
	m.mu.observed = make(map[string]evidence.Observation)
	m.mu.changed = make(chan struct{})
	m.o.Namespace = cmp.Or(o.Namespace, "default")
	if m.o.Logger == nil {
		m.o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := m.prepare(); err != nil {
		return nil, err
	}
	if err := m.openPlaces(); err != nil {
		return nil, err
	}
	m.mu.objects = m.placed()
	watching, stop := context.WithCancel(context.Background())
	m.stop = stop
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	for pod, n := range m.nodes {
		m.observe(pod, n.Status())
	}
	m.judge()
	for pod, n := range m.nodes {
		m.watchers.Go(func() { m.watch(watching, pod, n) })
	}
	m.watchers.Go(func() { m.judgeAlways(watching) })
	return m, nil
}

// prepare makes the data folder and everything in it.
func (m *Mesh) prepare() error {
	var err error
	if m.o.DataDir == "" {
		m.o.DataDir, err = os.MkdirTemp("", "brokermesh-")
	} else {
		m.o.DataDir, err = filepath.Abs(m.o.DataDir)
	}
	if err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	return writeCertificates(m.o.DataDir, m.o.Namespace, m.manifest.Nodes)
}

// run opens the ports first, each node's own choice, and then tells everybody
// the addresses of the others.
func (m *Mesh) run(ctx context.Context) error {
	m.addresses = make(map[string]string)
	if err := m.turn(ctx); err != nil {
		return err
	}
	for pod, n := range m.nodes {
		m.addresses[pod] = listener(n.Status(), "broker")
	}
	return m.turn(ctx)
}

// turn makes the nodes what the objects say, with the masters where they are.
func (m *Mesh) turn(ctx context.Context) error {
	objects := m.placed()
	plan := topology.Compile(objects, topology.Options{
		Namespace: m.o.Namespace, Addresses: m.addresses, Plain: m.o.Plain, NoLeases: true, NoPods: true,
	})
	m.mu.Lock()
	m.mu.objects, m.mu.plan = objects, plan
	m.mu.Unlock()
	return m.apply(ctx, plan)
}

// apply hands every pod its config; a pod that isn't there yet is made.
func (m *Mesh) apply(ctx context.Context, plan topology.Result) error {
	for _, p := range plan.Nodes {
		if p.Fault != nil {
			continue
		}
		for _, pod := range p.Pods {
			n := m.nodes[pod.Pod]
			if n == nil {
				n = m.newNode(pod.Config)
				m.nodes[pod.Pod] = n
			}
			if err := n.Apply(ctx, pod.Config); err != nil {
				return fmt.Errorf("node %s: %w", p.Node, err)
			}
		}
	}
	return nil
}

func (m *Mesh) newNode(c nodeconfig.Config) *node.Node {
	return node.New(node.Options{
		TLSDir:         CertificateDir(m.o.DataDir, c.Node),
		DataDir:        filepath.Join(m.o.DataDir, "nodes", c.Pod),
		BackupDir:      filepath.Join(m.o.DataDir, "backup"),
		ListenHost:     "127.0.0.1",
		EphemeralPorts: true,
		Version:        m.o.Version,
		Logger:         m.o.Logger,
	})
}

// listener is the address of a port that a status names.
func listener(s statusapi.Status, name string) string {
	for _, l := range s.Listeners {
		if l.Name == name {
			return l.Address
		}
	}
	return ""
}

// DataDir is the folder that the mesh keeps its data in.
func (m *Mesh) DataDir() string { return m.o.DataDir }

// Objects are what the mesh was started with, with masters where they have
// moved to since.
func (m *Mesh) Objects() topology.Objects {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.objects
}

// Plan is what the objects compiled to.
func (m *Mesh) Plan() topology.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.plan
}

// Addresses are HOST:PORT of the native ports by pod.
func (m *Mesh) Addresses() map[string]string { return m.listeners("broker") }

// WebSockets are HOST:PORT of the WebSocket ports by pod, of those that have
// one.
func (m *Mesh) WebSockets() map[string]string { return m.listeners("websocket") }

func (m *Mesh) listeners(name string) map[string]string {
	found := make(map[string]string, len(m.nodes))
	for pod, n := range m.nodes {
		if address := listener(n.Status(), name); address != "" {
			found[pod] = address
		}
	}
	return found
}

// Statuses is how every node says it is now, by pod.
func (m *Mesh) Statuses() map[string]statusapi.Status {
	out := make(map[string]statusapi.Status, len(m.nodes))
	for pod, n := range m.nodes {
		out[pod] = n.Status()
	}
	return out
}

// Close drains all nodes at once and returns when they are down. Closing twice
// is fine.
func (m *Mesh) Close(ctx context.Context) error {
	m.stop()
	m.watchers.Wait()
	pods := slices.Sorted(maps.Keys(m.nodes))
	failures := make([]error, len(pods))
	var closing sync.WaitGroup
	for i, pod := range pods {
		closing.Go(func() {
			if err := m.nodes[pod].Close(ctx); err != nil {
				failures[i] = fmt.Errorf("node %s: %w", pod, err)
			}
		})
	}
	closing.Wait()
	return errors.Join(failures...)
}
