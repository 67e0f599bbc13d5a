// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// ErrClosed is the answer to a document for a node that is on its way out.
var ErrClosed = fmt.Errorf("%w: it is closing", statusapi.ErrUnavailable)

// Options are what a node is given by the place where it runs, and not by its
// config.
type Options struct {
	// TLSDir holds ca.crt, tls.crt and tls.key; a config with TLS needs it.
	TLSDir string
	// DataDir is where persistent stores and the endpoint ID live; a config
	// with a persistent store needs it.
	DataDir string
	// BackupDir has a folder for each volume that masters write backups to, by
	// its name; a config with backups needs it.
	BackupDir string
	// ListenHost is the host to listen on; empty means all interfaces.
	ListenHost string
	// EphemeralPorts takes free ports instead of the config's.
	EphemeralPorts bool
	// Version is what the status says of this program.
	Version string
	// Logger gets the log, from the config's level up; nil discards it.
	Logger *slog.Logger

	now func() time.Time // of backups; nil means the real one
}

func (o Options) clock() func() time.Time {
	if o.now == nil {
		return time.Now
	}
	return o.now
}

// Node is one node: at most one endpoint, its stores and its gateway.
type Node struct {
	o        Options
	instance string
	level    *slog.LevelVar
	log      *slog.Logger
	certs    certificates
	born     time.Time

	// turn holds a token while nobody applies a document or closes the node.
	// Whoever takes it owns run and accepted until it puts it back.
	turn chan struct{}

	// poke asks the watcher to look at the engine again.
	poke    chan struct{}
	watcher sync.WaitGroup
	stop    context.CancelFunc

	// observing puts observations into the order in which they were made; it
	// is held while the engine is asked.
	observing sync.Mutex
	seen      seen // owned by who observes

	mu struct {
		sync.Mutex
		engine    *engine // nil before the first accepted config
		config    nodeconfig.Config
		problem   string // why the newest document was refused
		restart   string // what of it waits for a new process
		draining  bool
		closed    bool
		listeners []statusapi.Listener
		published statusapi.Status
		print     string        // of published, without traffic figures
		changed   chan struct{} // closed at the next generation
	}
}

// New makes a node that does nothing yet. It must be closed.
func New(o Options) *Node {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		o:        o,
		instance: rand.Text(),
		level:    new(slog.LevelVar),
		turn:     make(chan struct{}, 1),
		poke:     make(chan struct{}, 1),
		certs:    certificates{dir: o.TLSDir},
		seen:     make(seen),
		born:     time.Now(),
	}
	n.log = slog.New(leveled{n.level, o.Logger.Handler()})
	n.mu.changed = make(chan struct{})
	n.turn <- struct{}{}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.observe()
	n.watcher.Go(func() { n.watch(ctx) })
	return n
}

// Apply makes the node what the document says. An error means that the
// document was refused as a whole and that nothing has changed, except that
// the status names the reason. Ports and TLS of a running node stay as they
// are; see [statusapi.Status.RestartNeeded]. Applying the same document again
// does nothing.
func (n *Node) Apply(ctx context.Context, c nodeconfig.Config) error {
	select {
	case <-n.turn:
		defer func() { n.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n.mu.Lock()
	e, closed := n.mu.engine, n.mu.closed
	running := n.mu.config
	n.mu.Unlock()
	if closed {
		return ErrClosed
	}
	// Once begun it is brought to its end, even if nobody waits for it.
	e, effective, restart, err := n.take(context.WithoutCancel(ctx), e, running, c)
	if err != nil {
		n.log.Warn("config refused", "revision", c.Revision, "error", err)
	} else {
		n.log.Info("config applied", "revision", c.Revision, "hash", effective.Hash(), "restart needed", restart)
	}
	n.mu.Lock()
	n.mu.engine = e
	if err != nil {
		n.mu.problem = err.Error()
	} else {
		n.mu.config, n.mu.restart, n.mu.problem = effective, restart, ""
	}
	n.mu.Unlock()
	n.wake() // the watcher may look at another endpoint from now on
	n.observe()
	return err
}

// take checks the document and turns the engine to it. It is called in turn,
// and answers the engine that runs afterwards, also with an error.
func (n *Node) take(ctx context.Context, e *engine, running, c nodeconfig.Config) (*engine, nodeconfig.Config, string, error) {
	if err := c.Validate(); err != nil {
		return e, c, "", err
	}
	c = c.WithDefaults()
	if e == nil {
		e, err := n.start(ctx, c, nil)
		return e, c, "", err
	}
	if err := sameIdentity(running, c); err != nil {
		return e, c, "", err
	}
	effective, restart := keepFixed(running, c)
	if running.Forward != effective.Forward || isDoor(running) != isDoor(effective) {
		e, err := n.rebuild(ctx, e, effective)
		return e, effective, restart, err
	}
	return e, effective, restart, e.turnTo(ctx, effective)
}

// rebuild replaces the engine by one on the same ports. An endpoint tells its
// peers at the handshake what it is to them, so a change of that means new
// connections. If the new engine can't be made, the old config is tried once
// more.
func (n *Node) rebuild(ctx context.Context, old *engine, c nodeconfig.Config) (*engine, error) {
	if err := old.close(ctx); err != nil {
		n.log.Warn("close the endpoint", "error", err)
	}
	e, err := n.start(ctx, c, old.ports())
	if err == nil {
		return e, nil
	}
	e, again := n.start(ctx, old.config, old.ports())
	if again != nil {
		return nil, errors.Join(err, again)
	}
	return e, err
}

// sameIdentity refuses a document that is meant for another node.
func sameIdentity(running, c nodeconfig.Config) error {
	if running.Namespace != c.Namespace || running.Node != c.Node || running.Pod != c.Pod {
		return fmt.Errorf("the document is for %s/%s (pod %s), this is %s/%s (pod %s)",
			c.Namespace, c.Node, c.Pod, running.Namespace, running.Node, running.Pod)
	}
	return nil
}

// keepFixed is the document with what only a new process can change left as it
// is, and what that was.
func keepFixed(running, c nodeconfig.Config) (effective nodeconfig.Config, restart string) {
	var names []string
	keep := func(name string, differs bool) {
		if differs {
			names = append(names, name)
		}
	}
	keep("listenPort", running.ListenPort != c.ListenPort)
	keep("webSocketPort", running.WebSocketPort != c.WebSocketPort)
	keep("tls", running.TLS != c.TLS)
	keep("queues", running.Queues.WithDefaults() != c.Queues.WithDefaults())
	if running.WebSocketPort == 0 || c.WebSocketPort == 0 {
		c.WebSocket = running.WebSocket // about a port that comes or goes with the new process
	}
	if running.TLS != c.TLS {
		c.Peers = keepDialing(running, c)
	}
	c.ListenPort, c.WebSocketPort, c.TLS, c.Queues = running.ListenPort, running.WebSocketPort, running.TLS, running.Queues
	return c, joinWords(names)
}

// keepDialing is c's peers when TLS changes with a new process only: those
// that follow it are dialed as before for as long, new ones as c says.
func keepDialing(running, c nodeconfig.Config) []nodeconfig.Peer {
	before := make(map[string]string, len(running.Peers))
	for _, p := range running.Peers {
		before[p.Name+" "+p.Pod] = running.Dials(p)
	}
	peers := slices.Clone(c.Peers)
	for i, p := range peers {
		if p.TLS == "" {
			peers[i].TLS = cmp.Or(before[p.Name+" "+p.Pod], c.Dials(p))
		}
	}
	return peers
}

// Announce adds a port to the status that something else than the engine
// listens on: control and http.
func (n *Node) Announce(name string, address net.Addr) {
	n.mu.Lock()
	n.mu.listeners = append(n.mu.listeners, statusapi.Listener{Name: name, Address: address.String()})
	n.mu.Unlock()
	n.observe()
}

// Close drains the node: the status says so, clients and stores are let go,
// and every peer gets the closing handshake. It returns when all is down, with
// what could not be done in time. Closing twice is fine.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	n.mu.draining = true
	n.mu.Unlock()
	n.observe()
	select {
	case <-n.turn:
		defer func() { n.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n.mu.Lock()
	e := n.mu.engine
	n.mu.engine, n.mu.closed = nil, true
	n.mu.Unlock()
	var err error
	if e != nil {
		err = e.close(ctx)
	}
	n.stop()
	n.watcher.Wait()
	n.observe()
	return err
}

// wake asks the watcher to look again; it never blocks.
func (n *Node) wake() {
	select {
	case n.poke <- struct{}{}:
	default:
	}
}

// watchEvery is how often the watcher looks without a sign of change: for
// renewed certificates, and for messages dropped since.
const watchEvery = 10 * time.Second

// watch keeps the published status up to date.
func (n *Node) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		changed := n.engineChanged() // asked for before looking
		n.observe()
		select {
		case <-changed:
		case <-n.poke:
		case <-ticker.C:
			n.recognizeAgain()
		case <-ctx.Done():
			return
		}
	}
}

// recognizeAgain looks once more at peers of which it wasn't certain where
// they come from.
func (n *Node) recognizeAgain() {
	n.mu.Lock()
	e := n.mu.engine
	n.mu.Unlock()
	if e != nil {
		e.lookAgain()
	}
}

// engineChanged is closed at the next change of the endpoint; nil while there
// is none.
func (n *Node) engineChanged() <-chan struct{} {
	n.mu.Lock()
	e := n.mu.engine
	n.mu.Unlock()
	if e == nil {
		return nil
	}
	return e.endpoint.Changed()
}
