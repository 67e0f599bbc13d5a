// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Publish sends a value to every peer that wants the topic, and to the endpoint's own Hubs. It never waits: a full queue of a peer does
// what Options.PeerQueue says. Topics that are empty, too long or below "<$>" are refused with ErrTopic. If anybody wants the topic,
// values that are too large (Options.MaxFrame) or nested too deeply are refused with ErrValue.
func (e *Endpoint) Publish(name string, v data.Value) error {
	return e.publish(context.Background(), &unasked, name, v)
}

// publish sends a value in the way that the publisher asked for.
func (e *Endpoint) publish(ctx context.Context, how *sending, name string, v data.Value) error {
	s := e.routes.Load()
	if s.closed {
		return ErrClosed
	}
	o, err := s.own(name)
	if err != nil {
		return err
	}
	return e.send(ctx, how, o, v)
}

// send queues a value for all peers and local consumers of a route, in the way that the publisher asked for.
func (e *Endpoint) send(ctx context.Context, how *sending, o *ownRoute, v data.Value) error {
	e.counters.processed[wire.TypeData].Add(1)
	local := how.local(o)
	if o.others()+len(local) == 0 {
		return nil
	}
	size, err := e.checkValue(o.topic, v)
	if err != nil {
		return err
	}
	f := ownFrame(v, size, o.peers, o.stamped)
	sure, err := how.admit(ctx, e, &o.route, local, wire.FrameHeader+len(o.data)+size)
	if err != nil {
		return err
	}
	if e.credits.asked.Load() != nil {
		paid, err := e.pay(ctx, how, o.topic, size)
		if err != nil {
			return err
		}
		defer paid.settle()
	}
	if len(o.stamped) > 0 {
		f.Head = o.stampedData
		if err := e.sendStamped(ctx, how, sure, o.stamped, &f); err != nil {
			return err
		}
	}
	f.Head = o.data
	for _, p := range o.peers {
		if err := p.send(ctx, how, sure, &f); err != nil {
			return err
		}
	}
	return how.deliver(ctx, e, local, o.topic, v)
}

// ownFrame is a frame of a value, still without head. A large value is encoded once for all queues that need it encoded.
func ownFrame(v data.Value, size int, peers, stamped []*peer) peering.Frame {
	f := peering.Frame{Value: v, Encoded: size}
	if size > peering.ShareAbove && (anyPeer(peers, false) || anyPeer(stamped, false)) {
		f.Payload, f.Shared = v.AppendBinary(make([]byte, 0, size)), true
	}
	return f
}

// send queues a data frame for one peer.
func (p *peer) send(ctx context.Context, how *sending, sure bool, f *peering.Frame) error {
	admission := how.admission(sure, 1)
	for {
		r := p.Queue.Put(peering.LaneData, f, admission)
		if r != peering.Full {
			how.settle(p, r, false)
			return nil
		}
		if err := p.room(ctx, f.Size()); err != nil {
			return err
		}
	}
}

// settle looks at what became of a frame that was queued for a peer.
func (h *sending) settle(p *peer, r peering.Result, command bool) {
	if r == peering.Dropped && h.asked {
		h.dropped.Add(1)
	}
	p.settle(r, command)
}

// checkValue answers the encoded size of a value that may be sent.
func (e *Endpoint) checkValue(name string, v data.Value) (int, error) {
	size := v.BinarySize()
	if frame := wire.HeaderSize + len(name) + size; frame > e.opt.MaxFrame {
		return 0, fmt.Errorf("%w: a frame of %d bytes, at most %d are allowed", ErrValue, frame, e.opt.MaxFrame)
	}
	if v.TooDeep() {
		return 0, fmt.Errorf("%w: nested deeper than %d", ErrValue, data.MaxDepth)
	}
	return size, nil
}

// PublishTo sends a value to one endpoint, whatever it subscribes to: to the own subscribers if the ID is the own one, to a direct peer,
// or over hops as far as nodes of the mesh know the way. An endpoint that is no node itself leaves it to one of its nodes to know. Where
// there is no way, the error is code.NoPathToPeer.
func (e *Endpoint) PublishTo(id data.EndpointID, name string, v data.Value) error {
	if err := checkTopic(name); err != nil {
		return err
	}
	return e.sendTo(context.Background(), &unasked, false, id, name, v)
}

// sendTo sends a value to one endpoint, in the way that is asked for.
func (e *Endpoint) sendTo(ctx context.Context, how *sending, sure bool, id data.EndpointID, name string, v data.Value) error {
	s := e.routes.Load()
	if s.closed {
		return ErrClosed
	}
	size, err := e.checkValue(name, v)
	if err != nil {
		return err
	}
	if id == e.opt.ID {
		e.counters.processed[wire.TypeData].Add(1)
		e.deliverLocal(name, v)
		return nil
	}
	p, stamped := s.wayTo(id)
	if p == nil || p.Peer == id && !p.mayGet([]byte(name)) {
		return fmt.Errorf("publish to %s: %w", id, code.NoPathToPeer)
	}
	e.counters.processed[wire.TypeData].Add(1)
	paid := e.payTo(id, name, size)
	defer paid.settle()
	f := ownFrame(v, size, []*peer{p}, nil)
	if stamped {
		f.Head = s.stampedHead(nil, wire.TypeStampedData, id, []byte(name))
		return e.sendStamped(ctx, how, sure, []*peer{p}, &f)
	}
	f.Head = s.header(nil, wire.TypeData, id, []byte(name))
	return p.send(ctx, how, sure, &f)
}

// PublishLocal delivers a value to the endpoint's own subscribers and to nobody else. Any topic is allowed.
func (e *Endpoint) PublishLocal(name string, v data.Value) { e.deliverLocal(name, v) }

// HasLocal tells whether PublishLocal to a topic would reach anybody now. It is cheap, so that nobody needs to make values in vain.
func (e *Endpoint) HasLocal(name string) bool {
	var rt route
	e.routes.Load().addLocal(&rt, []byte(name))
	return len(rt.subs) > 0
}

// noWaiting is closed: a local message finds room or is dropped, whatever the subscriber's policy.
var noWaiting = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (e *Endpoint) deliverLocal(name string, v data.Value) {
	var rt route
	e.routes.Load().addLocal(&rt, []byte(name))
	subs := rt.subs
	if len(subs) == 0 {
		return
	}
	m := []Message{{Topic: name, Value: v, From: e.opt.ID, Origin: e.opt.ID}}
	for _, s := range subs {
		if n := s.push(m, noWaiting); n > 0 {
			e.counters.drop(DropSubscriber, uint64(n))
		}
	}
}
