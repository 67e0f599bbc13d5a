// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func (e *endpoint) owner() *endpoint { return e }

// operation reads an operation of the endpoint.
func (e *endpoint) operation(op string, a *arguments) (operation, error) {
	switch op {
	case "peer":
		address, retry := a.address(), a.retry()
		return e.peer(address, retry), nil
	case "peer_nosync":
		address, retry := a.address(), a.retry()
		return e.peerNoSync(address, retry), nil
	case "unpeer":
		address := a.address()
		return nothing(func(ctx context.Context) error { return e.Unpeer(ctx, address) }), nil
	case "await_peer":
		return e.awaitPeer(a.string("ID")), nil
	case "await_any":
		return e.awaitAny, nil
	case "forward":
		topics, err := argumentsOf("forward", a.vector("topics")).strings()
		if a.err != nil {
			err = a.err
		}
		return nothing(func(context.Context) error { e.askFor(topics); return nil }), err
	case "flush":
		return nothing(e.Flush), nil
	case "sync":
		return nothing(e.sync), nil
	case "shutdown":
		return e.awaitShutdown, nil
	}
	return nil, unknownOperation(op)
}

// nothing is an operation without an answer.
func nothing(f func(context.Context) error) operation {
	return func(ctx context.Context) (answer, error) { return answer{}, f(ctx) }
}

// address is HOST:PORT of two arguments.
func (a *arguments) address() string {
	host := a.string("address")
	return net.JoinHostPort(host, strconv.Itoa(a.port("port")))
}

// retry is an interval in whole seconds; without an argument there is none.
func (a *arguments) retry() time.Duration {
	if !a.more() {
		return 0
	}
	return max(0, a.timespan("retry").Truncate(time.Second))
}

func (e *endpoint) peer(address string, retry time.Duration) operation {
	return func(ctx context.Context) (answer, error) {
		id, err := e.Peer(ctx, address, broker.PeerOptions{Retry: retry})
		return answer{value: formatID(id)}, err
	}
}

func (e *endpoint) peerNoSync(address string, retry time.Duration) operation {
	return nothing(func(context.Context) error {
		if retry > 0 {
			return e.PeerAsync(address, broker.PeerOptions{Retry: retry})
		}
		// Its outcome shows in the statuses.
		if !e.background(func() { _, _ = e.Peer(e.ctx, address, broker.PeerOptions{}) }) {
			return errClosed
		}
		return nil
	})
}

// reachLooks is how often it is looked whether an endpoint is in reach that is no peer: nobody says so when it comes.
const reachLooks = 50 * time.Millisecond

// awaitPeer waits for a way to an endpoint.
func (e *endpoint) awaitPeer(text string) operation {
	return nothing(func(ctx context.Context) error {
		id, err := data.ParseEndpointID(text)
		if err != nil {
			<-ctx.Done() // nobody has such an ID, and nobody ever will
			return ctx.Err()
		}
		return e.until(ctx, func() bool { return e.reaches(id) })
	})
}

// until waits for a condition that depends on the peers, or on the mesh behind them.
func (e *endpoint) until(ctx context.Context, holds func() bool) error {
	t := time.NewTicker(reachLooks)
	defer t.Stop()
	for {
		changed := e.Changed()
		if holds() {
			return nil
		}
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reaches tells whether there is a way to an endpoint: it is a peer, a node of the mesh, or attached to one.
func (e *endpoint) reaches(id data.EndpointID) bool {
	for _, p := range e.Peers() {
		if p.ID == id && p.State == broker.Peered {
			return true
		}
	}
	view := e.MeshView()
	if view == nil || id == e.ID() {
		return false
	}
	if view.Reaches(id) {
		return true
	}
	node, ok := view.Exit(id)
	return ok && node != e.ID() && view.Reaches(node)
}

func (e *endpoint) awaitAny(ctx context.Context) (answer, error) {
	var id data.EndpointID
	err := e.until(ctx, func() bool {
		for _, p := range e.standing() {
			id = p.ID
		}
		return !id.IsZero()
	})
	return answer{value: formatID(id)}, err
}

// sync waits until all direct peers know what is subscribed to: their answers to a ping come after they have read it.
func (e *endpoint) sync(ctx context.Context) error {
	sub, err := e.SubscribeSync(ctx, nil, broker.QueueLimit{})
	if err == nil {
		sub.Close()
	}
	return err
}

func (e *endpoint) awaitShutdown(context.Context) (answer, error) {
	e.beginShutdown()
	<-e.down
	return answer{}, e.downErr
}

// standing are the peers whose peering stands.
func (e *endpoint) standing() []broker.PeerInfo {
	return slices.DeleteFunc(e.Peers(), func(p broker.PeerInfo) bool { return p.State != broker.Peered })
}

// Query answers what is known at once.
func Query(h Handle, op string, args []byte) (data.Value, error) {
	o, err := find[interface {
		object
		query(op string, a *arguments) (data.Value, error)
	}](h)
	if err != nil {
		return data.Value{}, err
	}
	a, err := parseArguments(op, args)
	if err != nil {
		return data.Value{}, err
	}
	return o.query(op, a)
}

func (e *endpoint) query(op string, a *arguments) (data.Value, error) {
	if err := a.end(); err != nil {
		return data.Value{}, err
	}
	var b data.Builder
	switch op {
	case "peers":
		for _, p := range e.standing() {
			b.Append(peerValue(&p))
		}
		return b.Vector(), nil
	case "listening":
		for _, at := range e.Listeners() {
			if tcp, ok := at.(*net.TCPAddr); ok {
				b.Count(uint64(tcp.Port))
			}
		}
		return b.Vector(), nil
	case "stats":
		return e.stats(), nil
	}
	return data.Value{}, unknownOperation(op)
}

// The flags and the status that the reference has for peers of another process.
const (
	remotePeer = 2
	peerStands = 3
)

func peerValue(p *broker.PeerInfo) data.Value {
	host, port := addressValues(p.Address)
	return data.Vector(formatID(p.ID), host, port, data.Count(remotePeer), data.Count(peerStands), data.String(p.Class.String()), data.String(p.Security))
}

func (e *endpoint) stats() data.Value {
	s := e.Stats()
	dropped := uint64(0)
	for _, n := range s.Dropped {
		dropped += n
	}
	return countTable(map[string]uint64{
		"bytes_in": s.BytesIn, "bytes_out": s.BytesOut, "received": s.Received, "dropped": dropped,
		"memory_used": uint64(max(0, s.MemoryUsed)), "memory_limit": uint64(s.MemoryLimit),
		"peers": uint64(s.Peers), "subscribers": uint64(s.Subscribers), "queued": s.Data.Still().Messages, "written": s.Data.Written.Messages,
		"dials_failed": s.DialsFailed, "handshakes_failed": s.HandshakesFailed, "peerings_lost": s.PeeringsLost,
	})
}

func countTable(all map[string]uint64) data.Value {
	entries := make([]data.Entry, 0, len(all))
	for name, n := range all {
		entries = append(entries, data.Entry{Key: data.String(name), Value: data.Count(n)})
	}
	return data.Table(entries...)
}
