// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/inspect"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// engine is what a config has become: the endpoint and what hangs on it. Who
// holds the node's turn owns it; mu covers what the observer reads.
type engine struct {
	o        Options
	log      *slog.Logger
	level    *slog.LevelVar
	wake     func()
	endpoint *broker.Endpoint
	front    *front          // nil without a WebSocket port
	answers  *inspect.Server // to whoever looks into the mesh
	identity *identity       // nil while no persistent store is mastered
	config   nodeconfig.Config

	mesh      *peering.TLS // the mesh's certificates; nil until a config needs them
	anonymous *peering.TLS // never nil

	guests atomic.Pointer[guestbook] // who comes by itself; nil while the config names nobody

	at        map[string]string    // addresses to listen on instead of the config's, by name of the port
	listeners []statusapi.Listener // fixed after the start

	mu struct {
		sync.Mutex
		stores map[string]*runningStore // by store name
	}
}

// start opens the ports of an accepted config and brings it to life; at says
// where, if not where the config says. After an error nothing is left of it.
func (n *Node) start(ctx context.Context, c nodeconfig.Config, at map[string]string) (started *engine, err error) {
	e := &engine{o: n.o, log: n.log.With("node", c.Pod), level: n.level, wake: n.wake, at: at, anonymous: anonymous()}
	e.mu.stores = make(map[string]*runningStore)
	if err := e.claimIdentity(c); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close(context.WithoutCancel(ctx)))
			started = nil
		}
	}()
	if err := e.loadCertificates(c); err != nil {
		return nil, err
	}
	q := c.Queues.WithDefaults()
	e.endpoint, err = broker.New(broker.Options{
		ID:              e.identity.id(),
		Forward:         forwardMode(c.Forward),
		TLS:             e.tls(c.TLS),
		PeerQueue:       broker.QueueLimit{Messages: q.PeerMessages, Bytes: int(q.PeerBytes), Overflow: overflowOf(q.PeerOverflow)},
		SubscriberQueue: broker.QueueLimit{Messages: q.SubscriberMessages, Bytes: int(q.SubscriberBytes)},
		MemoryLimit:     int(q.MemoryLimitBytes),
		NoFlowControl:   q.FlowControl == nodeconfig.FlowControlIgnore,
		// Who comes in at a door without a name takes no part in the mesh behind it.
		ForeignGuests: isDoor(c),
		Logger:        e.log,
	})
	if err != nil {
		return nil, fmt.Errorf("make the endpoint: %w", err)
	}
	e.answers, err = inspect.Serve(e.endpoint, inspect.Info{Node: c.Node, Pod: c.Pod, Version: n.o.Version})
	if err != nil {
		return nil, err
	}
	if err := e.listen(c); err != nil {
		return nil, err
	}
	return e, e.turnTo(ctx, c)
}

// claimIdentity takes the endpoint ID of the data folder when the config
// masters a persistent store, and refuses a config that can't have one.
func (e *engine) claimIdentity(c nodeconfig.Config) error {
	if e.identity != nil || !mastersPersistent(c) {
		return nil
	}
	if e.o.DataDir == "" {
		return errors.New("a store is persistent, but this node was given no data folder")
	}
	var current data.EndpointID // zero at the start: the folder's ID counts
	if e.endpoint != nil {
		current = e.endpoint.ID()
	}
	id, err := claimIdentity(e.o.DataDir, current)
	if err != nil {
		return err
	}
	e.identity = id
	return nil
}

func (e *engine) listen(c nodeconfig.Config) error {
	address, err := e.endpoint.Listen(e.listenAddress(portBroker, c.ListenPort))
	if err != nil {
		return fmt.Errorf("listen for peers: %w", err)
	}
	e.listeners = append(e.listeners, statusapi.Listener{Name: portBroker, Address: address.String()})
	if c.WebSocketPort == 0 {
		return nil
	}
	e.front, err = openFront(e.endpoint, e.listenAddress(portWebSocket, c.WebSocketPort))
	if err != nil {
		return err
	}
	e.listeners = append(e.listeners, statusapi.Listener{Name: portWebSocket, Address: e.front.listener.Addr().String()})
	return nil
}

// Names of the ports.
const (
	portBroker    = "broker"
	portWebSocket = "websocket"
)

func (e *engine) listenAddress(name string, port int) string {
	if address, ok := e.at[name]; ok {
		return address
	}
	if e.o.EphemeralPorts {
		port = 0
	}
	return net.JoinHostPort(e.o.ListenHost, strconv.Itoa(port))
}

// ports are the addresses that the engine listens on.
func (e *engine) ports() map[string]string {
	at := make(map[string]string, len(e.listeners))
	for _, l := range e.listeners {
		at[l.Name] = l.Address
	}
	return at
}

// turnTo makes the running engine what the config says. Everything that can
// fail comes first, so that an error leaves the engine as it was.
func (e *engine) turnTo(ctx context.Context, c nodeconfig.Config) error {
	if err := e.claimIdentity(c); err != nil {
		return err
	}
	if err := e.loadCertificates(c); err != nil {
		return err
	}
	serve, err := e.front.prepare(e.gatewayOptions(c))
	if err != nil {
		return err
	}
	e.level.Set(levelOf(c.LogLevel))
	serve()
	e.endpoint.SetWants(c.Subscriptions)
	e.turnGuests(c)
	e.turnPeers(ctx, c)
	e.turnStores(c)
	e.warn(e.config, c)
	e.config = c
	return nil
}

// turnPeers ends the peerings that the config no longer has, that lead to
// another node now or are protected otherwise, then begins those that it newly
// has.
func (e *engine) turnPeers(ctx context.Context, c nodeconfig.Config) {
	want := make(map[string]nodeconfig.Peer, len(c.Peers))
	for _, p := range c.Peers {
		want[p.Address] = p
	}
	var closing sync.WaitGroup
	for _, p := range e.config.Peers {
		if now, ok := want[p.Address]; ok && e.securityOf(c, now) == e.securityOf(e.config, p) {
			continue
		}
		closing.Go(func() {
			if err := e.endpoint.Unpeer(ctx, p.Address); err != nil {
				e.log.Warn("unpeer", "peering", p.Name, "address", p.Address, "error", err)
			}
		})
	}
	closing.Wait()
	for address, p := range want {
		// An address that is dialed already gets the new options.
		if err := e.endpoint.PeerAsync(address, e.peerOptions(c, p)); err != nil {
			e.log.Error("peer", "peering", p.Name, "address", address, "error", err)
		}
	}
}

func (e *engine) peerOptions(c nodeconfig.Config, p nodeconfig.Peer) broker.PeerOptions {
	s := e.securityOf(c, p)
	var queue *broker.QueueLimit
	if (p.Queues != nodeconfig.PeerQueues{}) {
		queue = queueLimit(p.Queues.For(c.Queues.WithDefaults()))
	}
	return broker.PeerOptions{
		Queue:     queue,
		Name:      p.Name,
		Retry:     time.Duration(p.RetrySeconds * float64(time.Second)),
		ServerURI: s.uri,
		Security:  s.options(),
	}
}

func forwardMode(name string) broker.ForwardMode {
	switch name {
	case nodeconfig.ForwardNone:
		return broker.ForwardNone
	case nodeconfig.ForwardAll:
		return broker.ForwardAll
	default:
		return broker.ForwardMesh
	}
}

// close lets go of stores and peers. It is called once, and also for an engine
// that is only half built.
func (e *engine) close(ctx context.Context) error {
	err := e.front.close()
	e.closeStores()
	if e.answers != nil {
		e.answers.Close()
	}
	if e.endpoint != nil {
		err = errors.Join(err, e.endpoint.Close(ctx))
	}
	return errors.Join(err, e.identity.release())
}
