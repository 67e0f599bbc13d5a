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
// what Options.PeerQueue says. Topics that are empty, too long or below "<$>" are refused.
func (e *Endpoint) Publish(name string, v data.Value) error {
	s := e.routes.Load()
	if s.closed {
		return ErrClosed
	}
	o, err := s.own(name)
	if err != nil {
		return err
	}
	return e.send(context.Background(), &unasked, o, v)
}

// send queues a value for all peers and local consumers of a route, in the way that the publisher asked for.
func (e *Endpoint) send(ctx context.Context, how *sending, o *ownRoute, v data.Value) error {
	e.counters.processed[wire.TypeData].Add(1)
	local := how.local(o)
	if len(o.peers)+len(local) == 0 {
		return nil
	}
	size, err := e.checkValue(o.topic, v)
	if err != nil {
		return err
	}
	if err := how.admit(ctx, e, o.peers, local, wire.FrameHeader+len(o.data)+size); err != nil {
		return err
	}
	var head, payload []byte
	if len(o.peers) > 0 && size > peering.ShareAbove {
		head, payload = sharedFrame(o.data, v, size)
	}
	for _, p := range o.peers {
		if err := p.sendValue(ctx, how, o.data, head, payload, v, size); err != nil {
			return err
		}
	}
	return how.deliver(ctx, e, local, o.topic, v)
}

// sharedFrame encodes a large value once for all queues.
func sharedFrame(header []byte, v data.Value, size int) (head, payload []byte) {
	head = append(appendUint32(make([]byte, 0, 4+len(header)), uint32(len(header)+size)), header...)
	return head, v.AppendBinary(make([]byte, 0, size))
}

// sendValue queues a value for one peer, from the shared payload if there is one.
func (p *peer) sendValue(ctx context.Context, how *sending, header, head, payload []byte, v data.Value, size int) error {
	for {
		var r peering.Result
		if payload != nil {
			r = p.Queue.AppendShared(peering.LaneData, head, payload, how.asked)
		} else {
			r = p.Queue.AppendValue(header, v, size, how.asked)
		}
		switch r {
		case peering.Queued:
			return nil
		case peering.Full:
			if again, err := how.full(ctx, p, wire.FrameHeader+len(header)+size); !again {
				return err
			}
		default:
			p.settle(r, false)
			return nil
		}
	}
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

// PublishTo sends a value to one endpoint: to the direct peer with that ID whatever it subscribes to, or to the own subscribers if the
// ID is the own one. Where there is no way, the error is code.NoPathToPeer.
func (e *Endpoint) PublishTo(id data.EndpointID, name string, v data.Value) error {
	s := e.routes.Load()
	if s.closed {
		return ErrClosed
	}
	if err := checkTopic(name); err != nil {
		return err
	}
	size, err := e.checkValue(name, v)
	if err != nil {
		return err
	}
	e.counters.processed[wire.TypeData].Add(1)
	if id == e.opt.ID {
		e.deliverLocal(name, v)
		return nil
	}
	p := s.peers[id]
	if p == nil {
		return fmt.Errorf("publish to %s: %w", id, code.NoPathToPeer)
	}
	header := s.header(wire.TypeData, id, []byte(name))
	var head, payload []byte
	if size > peering.ShareAbove {
		head, payload = sharedFrame(header, v, size)
	}
	return p.sendValue(context.Background(), &unasked, header, head, payload, v, size)
}

// PublishLocal delivers a value to the endpoint's own subscribers and to nobody else. Any topic is allowed.
func (e *Endpoint) PublishLocal(name string, v data.Value) { e.deliverLocal(name, v) }

// noWaiting is closed: a local message finds room or is dropped, whatever the subscriber's policy.
var noWaiting = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (e *Endpoint) deliverLocal(name string, v data.Value) {
	subs := e.routes.Load().local.AppendMatches(nil, []byte(name))
	if len(subs) == 0 {
		return
	}
	m := []Message{{Topic: name, Value: v, From: e.opt.ID}}
	for _, s := range subs {
		if n := s.push(m, noWaiting); n > 0 {
			e.counters.drop(DropSubscriber, uint64(n))
		}
	}
}
