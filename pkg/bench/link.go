// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// ErrLeft: the other half has gone before the work was done.
var ErrLeft = errors.New("the other half left")

// Link says how a half and the others find each other: it dials, listens, or
// both.
type Link struct {
	// Peers are dialed, each until it answers.
	Peers []string
	// Listen is the HOST:PORT to listen on; Listening, if set, is told the
	// address when the port is open and every peer has answered.
	Listen    string
	Listening func(net.Addr)
	// TLS protects all connections; nil means plain TCP.
	TLS *peering.TLS
	// Mesh makes the half take part in this project's extensions: as a client of
	// a mesh, and a relay as a node of it. Without it the half is what C++ Broker
	// would be, and a node of a mesh passes nothing from one such half to
	// another.
	Mesh bool
	// BusyPoll is that of broker.Options.
	BusyPoll time.Duration
}

// memoryLimit lets a master queue what a hundred clones have yet to take. With
// the usual limit those that are behind get a new snapshot instead, and a run
// would measure that.
const memoryLimit = 2 << 30

// redial is the pause before a peer that doesn't answer yet is dialed again.
const redial = 100 * time.Millisecond

// endpoint makes the half's endpoint, which nobody can reach yet.
func (l *Link) endpoint(o broker.Options) (*broker.Endpoint, error) {
	if l.Listen == "" && len(l.Peers) == 0 {
		return nil, errors.New("nobody to talk to: neither an address to listen on nor one to dial")
	}
	o.TLS, o.PlainProtocol, o.BusyPoll = l.TLS, !l.Mesh, l.BusyPoll
	e, err := broker.New(o)
	if err != nil {
		return nil, fmt.Errorf("make an endpoint: %w", err)
	}
	return e, nil
}

// meet dials all peers, and then listens. What the endpoint wants should be
// said before: the handshake tells it.
func (l *Link) meet(ctx context.Context, e *broker.Endpoint) error {
	for _, address := range l.Peers {
		if _, err := e.Peer(ctx, address, broker.PeerOptions{Retry: redial}); err != nil {
			return fmt.Errorf("peer with %s: %w", address, err)
		}
	}
	if l.Listen == "" {
		return nil
	}
	address, err := e.Listen(l.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", l.Listen, err)
	}
	if l.Listening != nil {
		l.Listening(address)
	}
	return nil
}

// shut closes an endpoint with the goodbye of the protocol.
func shut(ctx context.Context, e *broker.Endpoint) error {
	return e.Close(context.WithoutCancel(ctx))
}

// with runs a half that forwards nothing, until it is done or the peers have
// left. do says what it wants before it calls meet.
func (l *Link) with(ctx context.Context, do func(ctx context.Context, e *broker.Endpoint, meet func() error) error) (err error) {
	e, err := l.endpoint(broker.Options{Forward: broker.ForwardNone, MemoryLimit: memoryLimit})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut(ctx, e)) }()
	ctx, stop, err := whilePeered(ctx, e)
	if err != nil {
		return err
	}
	defer stop()
	return do(ctx, e, func() error { return l.meet(ctx, e) })
}

// whilePeered answers a context that ends with ErrLeft as its cause when there
// have been peers and the last of them is gone. stop ends the watching.
func whilePeered(ctx context.Context, e *broker.Endpoint) (_ context.Context, stop func(), _ error) {
	events, err := e.SubscribeStatus(false)
	if err != nil {
		return nil, nil, fmt.Errorf("watch the peers: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		standing := 0
		for ev := range events.All(ctx) {
			switch ev.Code {
			case peerAdded:
				standing++
			case peerRemoved, peerLost:
				if standing--; standing == 0 {
					cancel(ErrLeft)
					return
				}
			}
		}
	}()
	return ctx, func() { cancel(nil); <-done; events.Close() }, nil
}

// awaitWants waits until every peer asks for a topic.
func awaitWants(ctx context.Context, e *broker.Endpoint, topic string) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !everybodyWants(e.Peers(), topic) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until the peer subscribes to %s: %w", topic, context.Cause(ctx))
		}
	}
	return nil
}

func everybodyWants(peers []broker.PeerInfo, topic string) bool {
	return len(peers) > 0 && !slices.ContainsFunc(peers, func(p broker.PeerInfo) bool {
		return !slices.ContainsFunc(p.Filter, func(prefix string) bool { return strings.HasPrefix(topic, prefix) })
	})
}

// cause is why the context ended, if it has, or else the error.
func cause(ctx context.Context, err error) error {
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	return err
}
