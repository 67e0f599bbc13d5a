// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

type endpointID = data.EndpointID

// Errors to branch on.
var (
	// ErrClosed: the endpoint or the subscriber has been closed.
	ErrClosed = errors.New("closed")
	// ErrTopic: programs can't publish to this topic.
	ErrTopic = errors.New("bad topic")
	// ErrValue: the value can't be sent.
	ErrValue = errors.New("bad value")
	// ErrFull: a publisher that neither waits nor drops found a queue full; nobody got the message.
	ErrFull = errors.New("queue is full")
	// ErrWouldBlock: publishing from a callback would have had to wait; nobody got the message.
	ErrWouldBlock = errors.New("waiting is not possible in a callback")
	// ErrNotFlushed: an endpoint was closed before everything queued for its peers had been written.
	ErrNotFlushed = errors.New("messages were not delivered")
)

// Endpoint is one node or leaf of a mesh. Its methods may be called from any goroutine.
type Endpoint struct {
	opt      Options
	log      *slog.Logger
	registry *peering.Registry
	dialer   peering.Dialer
	routes   atomic.Pointer[snapshot]
	counters counters
	news     news
	started  time.Time
	line     line  // own messages on their way into the mesh
	roots    roots // what was received from where
	tracers  tracers
	credits  credits
	memory   *peering.Memory

	stop    context.Context // ends dialing, handshakes and waiting readers
	cancel  context.CancelFunc
	running sync.WaitGroup // every goroutine of the endpoint
	closed  chan struct{}  // closed when Close has finished

	// mu is never held during I/O or calls to users; queues of peers are locked inside it.
	mu struct {
		sync.Mutex
		closing   bool
		closeErr  error
		listeners []net.Listener
		conns     map[*peer]struct{}   // in operation, registered or about to be
		peers     map[endpointID]*peer // registered
		targets   map[string]*target   // dialed addresses
		subs      map[*Subscriber]struct{}
		stores    map[*attachment]struct{}
		wanted    []string // SetWants
		mailbox   *mailbox // commands between stores of this endpoint
		mesh      *mesh.Database
		past      carried   // of connections that have ended
		timers    int       // RequestTimes that hold
		renewed   time.Time // when the own advertisement was last sent
		recognize recognizer
	}
}

// New makes an endpoint. It does nothing until it listens or peers, and must be closed.
func New(o Options) (*Endpoint, error) {
	o, err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("broker options: %w", err)
	}
	if o.TLS != nil {
		if err := o.TLS.Start(o.Logger); err != nil {
			return nil, fmt.Errorf("broker options: %w", err)
		}
	}
	e := &Endpoint{opt: o, log: o.Logger, registry: peering.NewRegistry(), started: time.Now(), closed: make(chan struct{})}
	e.stop, e.cancel = context.WithCancel(context.Background())
	e.registry.Clash = e.clash
	e.memory = e.newMemory()
	e.mu.conns = make(map[*peer]struct{})
	e.mu.peers = make(map[endpointID]*peer)
	e.mu.targets = make(map[string]*target)
	e.mu.subs = make(map[*Subscriber]struct{})
	e.mu.stores = make(map[*attachment]struct{})
	e.news.init()
	e.line.raise(e.numbersFrom())
	if o.features()&wire.FeatureMesh != 0 {
		e.mu.mesh = mesh.NewDatabase(o.ID, e.numbersFrom())
	}
	e.credits.init(e)
	e.change(func() {})
	if !o.PlainProtocol {
		e.running.Go(e.sweep)
	}
	return e, nil
}

// ID names the endpoint.
func (e *Endpoint) ID() data.EndpointID { return e.opt.ID }

// change applies a change of peers, subscriptions or stores, publishes a new snapshot of the routes and tells the peers whose filter
// is affected. f runs with the mutex held.
func (e *Endpoint) change(f func()) {
	e.mu.Lock()
	f()
	e.publishLocked()
	e.mu.Unlock()
}

func (e *Endpoint) publishLocked() {
	own := slices.Clone(e.mu.wanted)
	var remote []topic.Entry[*peer]
	var local []topic.Entry[*Subscriber]
	var stores []topic.Entry[*attachment]
	for _, p := range e.mu.peers {
		for _, prefix := range p.filter {
			remote = append(remote, topic.Entry[*peer]{Prefix: prefix, Dest: p})
		}
	}
	for s := range e.mu.subs {
		own = append(own, s.filter...)
		for _, prefix := range s.filter {
			local = append(local, topic.Entry[*Subscriber]{Prefix: prefix, Dest: s})
		}
		if s.flow != nil {
			local = append(local, topic.Entry[*Subscriber]{Prefix: s.flow.topic, Dest: s})
		}
	}
	if in := e.credits.inbox; in != nil {
		local = append(local, topic.Entry[*Subscriber]{Prefix: creditTopic, Dest: in})
	}
	for a := range e.mu.stores {
		own = append(own, a.topic)
		stores = append(stores, topic.Entry[*attachment]{Prefix: a.topic, Dest: a})
	}
	// Neighbours hear of a change before they can get messages that follow from it.
	view := e.advertiseLocked(topic.NewFilter(own...).Public())
	w := gatherWants(e.opt.Forward, own, e.mu.peers, view)
	s := &snapshot{
		view: view, stampedTTL: e.opt.ttl(true),
		self: e.opt.ID, mode: e.opt.Forward, ttl: e.opt.ttl(false), closed: e.mu.closing, peers: maps.Clone(e.mu.peers), greeting: w.greeting(), mailbox: e.mu.mailbox,
		remote: topic.NewTable(remote), local: topic.NewTable(local), stores: topic.NewTable(stores),
	}
	e.routes.Store(s)
	for _, p := range e.mu.peers {
		if asked := w.of(p); !asked.Equal(p.asked) {
			p.asked = asked
			p.Queue.Update(p.updateFrame(asked))
		}
	}
}

// SetWants replaces the prefixes that the endpoint asks its peers for without a consumer of its own.
func (e *Endpoint) SetWants(prefixes []string) {
	e.change(func() { e.mu.wanted = slices.Clone(prefixes) })
}

// Subscribe makes a subscriber of all topics that begin with one of the prefixes. When it returns, messages that come later are seen.
// A zero limit means that of Options.SubscriberQueue.
func (e *Endpoint) Subscribe(prefixes []string, limit QueueLimit) (*Subscriber, error) {
	return e.subscribe(prefixes, limit, false, false)
}

func (e *Endpoint) subscribe(prefixes []string, limit QueueLimit, hub, internal bool) (*Subscriber, error) {
	s, err := e.makeSubscriber(prefixes, limit, hub, internal)
	if err != nil {
		return nil, err
	}
	if err := e.enter(s); err != nil {
		return nil, err
	}
	return s, nil
}

// makeSubscriber makes a subscriber that nobody knows yet.
func (e *Endpoint) makeSubscriber(prefixes []string, limit QueueLimit, hub, internal bool) (*Subscriber, error) {
	if limit == (QueueLimit{}) {
		limit = e.opt.SubscriberQueue
	}
	if err := checkPrefixes(prefixes); err != nil {
		return nil, err
	}
	s := newSubscriber(e, prefixes, limit.forSubscriber())
	s.hub, s.internal = hub, internal
	if limit.FlowControl {
		if err := s.control(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// enter begins to deliver to a subscriber.
func (e *Endpoint) enter(s *Subscriber) error {
	s.account = e.memory.Join(s.shed)
	open := false
	e.change(func() {
		if open = !e.mu.closing; open {
			e.mu.subs[s] = struct{}{}
			if s.flow != nil {
				e.credits.register(s)
			}
		}
	})
	if !open {
		s.account.Leave()
		return ErrClosed
	}
	return nil
}

// SubscribeSync is Subscribe, and also waits until every direct peer has answered a ping that was sent after the subscription: what
// they publish from then on arrives. Peers that end meanwhile are not waited for. If the context ends first, there is no subscription.
// With flow control it first waits until the origins in the mesh know of it, for a second at most, so that they are held from their
// first message on.
func (e *Endpoint) SubscribeSync(ctx context.Context, prefixes []string, limit QueueLimit) (*Subscriber, error) {
	s, err := e.makeSubscriber(prefixes, limit, false, false)
	if err == nil {
		err = e.enterControlled(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	if err := e.syncPeers(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return s, nil
}

// syncPeers waits until every registered peer has answered a ping.
func (e *Endpoint) syncPeers(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err // peers may be quick
	}
	type waiting struct {
		p    *peer
		pong <-chan struct{}
		end  func()
	}
	var all []waiting
	for _, p := range e.routes.Load().peers {
		pong, end := p.ping()
		all = append(all, waiting{p, pong, end})
	}
	var err error
	for _, w := range all {
		select {
		case <-w.pong:
		case <-w.p.gone:
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.end()
	}
	return err
}

// Flush waits until everything that was queued for the peers has been given to their sockets, or their connections have ended.
func (e *Endpoint) Flush(ctx context.Context) error {
	for _, p := range e.routes.Load().peers {
		select {
		case <-p.Queue.Flushed():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// checkTopic tells whether programs may publish to a topic.
func checkTopic(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrTopic)
	case len(name) > maxTopic:
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTopic, len(name), maxTopic)
	case topic.IsReserved(name):
		return fmt.Errorf("%w: %q is reserved", ErrTopic, strings.ToValidUTF8(name, "?"))
	}
	return nil
}

// news tells waiting goroutines that something changed.
type news struct {
	mu struct {
		sync.Mutex
		next chan struct{}
	}
}

func (n *news) init() { n.mu.next = make(chan struct{}) }

func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.next
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.mu.next)
	n.mu.next = make(chan struct{})
}

// Changed answers a channel that is closed at the next change of a peer's state, or when a queue begins to drop messages. Ask for the
// channel first and look at Peers afterwards, so that no change is missed.
func (e *Endpoint) Changed() <-chan struct{} { return e.news.wait() }
