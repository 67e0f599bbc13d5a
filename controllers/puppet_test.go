// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// puppets are the pods of a world. Each is a Pod object, and a real status server with the certificates that the operator made for its
// node. What it answers is scripted: it takes every config, and every connection that one end is told to make is made.
type puppets struct {
	world  *world
	mu     sync.Mutex
	byName map[string]*puppet
}

type puppet struct {
	all       *puppets
	pod, node string
	dir       string // of its certificates
	tls       *tls.Config
	// halt ends the process: its port refuses connections until serve is called again.
	halt func()

	// The mutex of puppets owns the rest.
	address  string
	config   nodeconfig.Config
	applied  []nodeconfig.Config
	instance string
	changed  chan struct{}           // closed at every change
	asked    int                     // questions answered so far
	refuse   string                  // words to refuse configs with
	deaf     bool                    // reports no peers
	epoch    uint64                  // of its stores; a master takes at least that of its config
	sequence uint64                  // of its clones
	foreign  bool                    // refuses to take over
	tweak    func(*statusapi.Status) // has the last word about what it answers
	versions []int                   // of configs that it reads; nil: those of now
	features []string                // that it knows, if versions is set
	clings   bool                    // removes no files
	restore  statusapi.Restore       // of its masters that are to begin with a backup
	backup   statusapi.Backup        // of its masters that are to make some
	grants   []grantTaken
	state    statusapi.Status
}

func (p *puppets) address(pod *corev1.Pod) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.byName[pod.Name]; q != nil {
		return q.address
	}
	return ""
}

// run starts the pod of a node: the Pod object, and the process behind it.
func (p *puppets) run(node string) *puppet { return p.runAt(node, "") }

// runAt starts a pod that was made from a revision of the StatefulSet's template.
func (p *puppets) runAt(node, revision string) *puppet { return p.runPod(node, 0, revision) }

// runPod starts the i-th pod of a node.
func (p *puppets) runPod(node string, i int, revision string) *puppet {
	w := p.world
	w.t.Helper()
	var secret corev1.Secret
	w.appears(manifest.SecretName(node), &secret)
	dir := w.t.TempDir()
	mounted := mount(w.t, dir, &secret)
	tlsConfig, err := statusapi.ServerTLS(dir, w.namespace)
	if err != nil {
		w.t.Fatal(err)
	}
	q := &puppet{
		all: p, pod: manifest.PodName(node, i), node: node, tls: tlsConfig, address: "127.0.0.1:0",
		instance: manifest.PodName(node, i) + "-first", changed: make(chan struct{}),
		dir: dir, state: mounted,
	}
	q.serve()
	w.t.Cleanup(func() { q.halt() })
	p.mu.Lock()
	p.byName[q.pod] = q
	p.mu.Unlock()
	q.makePod(w, revision, true)
	return q
}

// mount writes the files of a Secret as a kubelet does, no reader sees half of one, and gives what a node says of them.
func mount(t *testing.T, dir string, secret *corev1.Secret) (s statusapi.Status) {
	t.Helper()
	for name, content := range secret.Data {
		if err := os.WriteFile(filepath.Join(dir, "new"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.TrustHash = meshtls.Hash(secret.Data[manifest.CAKey])
	s.LeafSerial = pki.Leaf{Cert: secret.Data[manifest.CertKey]}.Serial()
	return s
}

// remount gives the puppet the certificates of now.
func (q *puppet) remount() {
	var secret corev1.Secret
	q.all.world.mustGet(manifest.SecretName(q.node), &secret)
	now := mount(q.all.world.t, q.dir, &secret)
	q.script(func(q *puppet) { q.state.TrustHash, q.state.LeafSerial = now.TrustHash, now.LeafSerial })
}

// serve opens the control port.
func (q *puppet) serve() {
	q.all.world.t.Helper()
	listener, err := net.Listen("tcp", q.address)
	if err != nil {
		q.all.world.t.Fatal(err)
	}
	q.all.mu.Lock()
	q.address = listener.Addr().String() // the pollers read it
	q.all.mu.Unlock()
	server := statusapi.NewServer(statusapi.Handler(q), q.tls, nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(listener, "", "") // says only that it was closed
	}()
	q.halt = sync.OnceFunc(func() {
		_ = server.Close()
		<-ended
	})
}

func (q *puppet) makePod(w *world, revision string, ready bool) {
	w.t.Helper()
	labels := manifest.Labels(q.node)
	labels[appsv1.StatefulSetRevisionLabel] = revision
	w.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: q.pod, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: manifest.ContainerName, Image: "x"}}},
	})
	setPodReady(w.t, w, q.pod, ready)
}

func setPodReady(t *testing.T, w *world, name string, ready bool) {
	t.Helper()
	var pod corev1.Pod
	w.mustGet(name, &pod)
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "127.0.0.1"
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
	if err := w.client.Status().Update(t.Context(), &pod, client.FieldOwner("kubelet")); err != nil {
		t.Fatal(err)
	}
}

// Wait is part of statusapi.Source.
func (q *puppet) Wait(ctx context.Context, instance string, generation uint64) statusapi.Status {
	for {
		q.all.mu.Lock()
		status, changed := q.status(), q.changed
		q.all.mu.Unlock()
		if status.Instance != instance || status.Generation != generation {
			q.count()
			return status
		}
		select {
		case <-changed:
		case <-ctx.Done():
			q.count()
			return status
		}
	}
}

func (q *puppet) count() {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	q.asked++
}

func (q *puppet) answers() int {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	return q.asked
}

// Apply is part of statusapi.Source.
func (q *puppet) Apply(_ context.Context, doc []byte) error {
	config, err := nodeconfig.Parse(doc)
	if err != nil {
		return err
	}
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	defer q.all.touch()
	if q.refuse != "" {
		q.state.ConfigError = q.refuse
		return errors.New(q.refuse)
	}
	q.config, q.state.ConfigError = config, ""
	q.applied = append(q.applied, config)
	return nil
}

// touch makes everybody answer anew. The mutex is held.
func (p *puppets) touch() {
	for _, q := range p.byName {
		q.state.Generation++
		close(q.changed)
		q.changed = make(chan struct{})
	}
}

// script changes how a puppet behaves.
func (q *puppet) script(change func(q *puppet)) {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	change(q)
	q.all.touch()
}

// configs are those that the puppet took, oldest first.
func (q *puppet) configs() []nodeconfig.Config {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	return slices.Clone(q.applied)
}

func (q *puppet) id() string { return "id of " + q.pod }

// status is what the puppet answers now. The mutex is held.
func (q *puppet) status() statusapi.Status {
	s := q.state
	s.Instance, s.Namespace, s.Node, s.Pod = q.instance, q.all.world.namespace, q.node, q.pod
	s.EndpointID, s.Version, s.ConfigVersions = q.id(), "v0.0.0-test", []int{nodeconfig.Version}
	s.Features = nodeconfig.KnownFeatures()
	if q.versions != nil {
		s.ConfigVersions, s.Features = q.versions, q.features
	}
	s.Listeners = []statusapi.Listener{{Name: "broker", Address: "[::]:9999"}, {Name: "websocket", Address: "[::]:9997"}}
	if q.config.Version == 0 {
		return s
	}
	s.ConfigHash, s.ConfigRevision = q.config.Hash(), q.config.Revision
	if !q.deaf {
		s.Peers = q.peers()
	}
	for _, store := range q.config.Stores {
		s.Stores = append(s.Stores, q.store(store))
	}
	if q.tweak != nil {
		q.tweak(&s)
	}
	return s
}

// store is what the puppet says of a store. The mutex is held.
func (q *puppet) store(c nodeconfig.Store) statusapi.Store {
	t := statusapi.Store{
		Object: c.Object, Name: c.StoreName, Role: c.Role, Backend: c.Backend, State: statusapi.StoreServing, Epoch: q.epoch,
	}
	if q.epoch > 0 {
		t.History = "a history"
	}
	switch {
	case c.Remove && q.clings:
		t.State = statusapi.StoreFailed
	case c.Remove:
		t.State = statusapi.StoreRemoved
	case c.Role == nodeconfig.RoleClone:
		t.State, t.Sequence = statusapi.StoreSynced, q.sequence
	case c.Epoch > q.epoch && q.foreign:
		t.State, t.Refused = statusapi.StoreTakingOver, "foreign clones"
	default:
		q.epoch = max(q.epoch, c.Epoch) // it keeps what it has taken over, whatever it is told afterwards
		t.Epoch, t.Leased = q.epoch, c.LeaseSeconds > 0
	}
	if c.BackupSchedule != "" {
		backup := q.backup
		t.Backup = &backup
	}
	if request := c.RestoreRequest(); request != "" {
		restore := q.restore
		restore.Request = request
		t.Restore = &restore
	}
	return t
}

// grantTaken is a lease, and when it came.
type grantTaken struct {
	statusapi.Grant
	at time.Time
}

// LeaseToken is part of statusapi.Source.
func (q *puppet) LeaseToken() statusapi.LeaseToken { return statusapi.LeaseToken{Token: q.pod} }

// Grant is part of statusapi.Source.
func (q *puppet) Grant(g statusapi.Grant) error {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	for _, c := range q.config.Stores {
		if t := q.store(c); t.Name == g.Store && t.Role == statusapi.RoleMaster && t.Epoch == g.Epoch && t.Leased && g.Token == q.pod {
			q.grants = append(q.grants, grantTaken{g, time.Now()})
			return nil
		}
	}
	return fmt.Errorf("no master for %+v", g)
}

// granted are the leases that the puppet took, oldest first.
func (q *puppet) granted() []grantTaken {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	return slices.Clone(q.grants)
}

// peers are the connections that this end makes and those that others make to it.
func (q *puppet) peers() []statusapi.Peer {
	var out []statusapi.Peer
	for _, p := range q.config.Peers {
		if other := q.all.byName[p.Pod]; other != nil {
			out = append(out, statusapi.Peer{
				Peering: p.Name, Address: p.Address, Dialed: true, EndpointID: other.id(),
				URI: meshtls.NodeURI(q.all.world.namespace, other.node), State: statusapi.PeerPeered,
			})
		}
	}
	for _, other := range q.all.byName {
		for _, p := range other.config.Peers {
			if p.Pod == q.pod {
				out = append(out, statusapi.Peer{
					Address: "10.0.0.1:50000", EndpointID: other.id(),
					URI: meshtls.NodeURI(q.all.world.namespace, other.node), State: statusapi.PeerPeered,
				})
			}
		}
	}
	return out
}

func (p *puppets) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.byName)
}
