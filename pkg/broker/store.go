// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// attachment is a store that takes commands of a topic.
type attachment struct {
	topic  string
	handle func(payload []byte)
}

// AttachStore passes the commands of a topic to a store until detach is called; peers are told of the topic. handle is called from
// several goroutines, must not block, and may use the payload only during the call. A call that is under way when detach returns may
// still be running. It must not be called from handle.
func (e *Endpoint) AttachStore(name string, handle func(payload []byte)) (detach func(), err error) {
	if name == "" || len(name) > maxTopic {
		return nil, fmt.Errorf("attach store: %w: %d bytes", ErrTopic, len(name))
	}
	a := &attachment{name, handle}
	open := false
	e.change(func() {
		if open = !e.mu.closing; !open {
			return
		}
		e.mu.stores[a] = struct{}{}
		if e.mu.mailbox == nil {
			e.mu.mailbox = newMailbox(e)
			e.running.Go(e.mu.mailbox.run)
		}
	})
	if !open {
		return nil, ErrClosed
	}
	return sync.OnceFunc(func() { e.change(func() { delete(e.mu.stores, a) }) }), nil
}

// SendCommand sends a store command to the endpoint with an ID, to which it finds the way as PublishTo does, or to everybody who wants
// the topic if the ID is zero; stores of this endpoint are included, and get the command from another goroutine. It never waits: commands that don't fit into a queue are dropped and counted, and repeated by the channel of the store. The payload may be
// used again when SendCommand returns.
func (e *Endpoint) SendCommand(name string, receiver data.EndpointID, payload []byte) error {
	s, o, err := e.commandRoute(name, payload)
	if err != nil {
		return err
	}
	if len(o.stores) > 0 && (receiver.IsZero() || receiver == e.opt.ID) {
		s.mailbox.put(o.stores, payload)
	}
	switch {
	case receiver == e.opt.ID:
		return nil
	case receiver.IsZero():
		if o.route.others() > 0 {
			f := commandFrame(payload)
			e.sendCommand(&o.route, o.command, o.stampedCommand, &f)
		}
		return nil
	}
	f := commandFrame(payload)
	return e.sendCommandTo(s, name, receiver, &f)
}

// SendCommandEach is SendCommand to each of several endpoints. All of their queues share one copy of the payload. Which of them were not
// to be reached the error says; the others got it.
func (e *Endpoint) SendCommandEach(name string, receivers []data.EndpointID, payload []byte) error {
	s, o, err := e.commandRoute(name, payload)
	if err != nil {
		return err
	}
	f := commandFrame(payload)
	var lost []error
	for _, to := range receivers {
		if to != e.opt.ID {
			lost = append(lost, e.sendCommandTo(s, name, to, &f))
		} else if len(o.stores) > 0 {
			s.mailbox.put(o.stores, payload)
		}
	}
	return errors.Join(lost...)
}

// commandRoute is where the commands of a topic go, if a payload can be sent at all.
func (e *Endpoint) commandRoute(name string, payload []byte) (*snapshot, *ownRoute, error) {
	s := e.routes.Load()
	if s.closed {
		return nil, nil, ErrClosed
	}
	if len(payload) == 0 {
		return nil, nil, fmt.Errorf("%w: a command without payload", ErrValue)
	}
	if size := wire.HeaderSize + len(name) + len(payload); size > e.opt.MaxFrame {
		return nil, nil, fmt.Errorf("%w: a frame of %d bytes, at most %d are allowed", ErrValue, size, e.opt.MaxFrame)
	}
	o, err := s.own(name)
	if err == nil {
		e.counters.processed[wire.TypeCommand].Add(1)
	}
	return s, o, err
}

// commandFrame is a frame with a payload that the caller may use again.
func commandFrame(payload []byte) peering.Frame {
	if len(payload) > peering.ShareAbove {
		return peering.Frame{Payload: bytes.Clone(payload), Shared: true}
	}
	return peering.Frame{Payload: payload}
}

// sendCommandTo queues a command for the peer on the way to another endpoint.
func (e *Endpoint) sendCommandTo(s *snapshot, name string, receiver data.EndpointID, f *peering.Frame) error {
	p, stamped := s.wayTo(receiver)
	switch {
	case p == nil:
		return fmt.Errorf("send command to %s: %w", receiver, code.NoPathToPeer)
	case stamped:
		e.sendCommand(&route{stamped: []*peer{p}}, nil, s.stampedHead(nil, wire.TypeStampedCommand, receiver, []byte(name)), f)
	default:
		e.sendCommand(&route{peers: []*peer{p}}, s.header(nil, wire.TypeCommand, receiver, []byte(name)), nil, f)
	}
	return nil
}

// sendCommand queues a command of this endpoint, with the envelopes for peers without a stamp and with one.
func (e *Endpoint) sendCommand(to *route, plain, stamped []byte, f *peering.Frame) {
	if len(to.stamped) > 0 {
		f.Head = stamped
		e.number(mesh.LaneCommand, &unasked, to.stamped, f, peering.ByPolicy)
	}
	f.Head = plain
	for _, p := range to.peers {
		p.settle(p.Queue.Put(peering.LaneCommand, f, peering.ByPolicy), true)
	}
}

// mailbox carries commands between stores of one endpoint. They go through a goroutine of their own, so that a store may send while
// it holds its lock.
type mailbox struct {
	e     *Endpoint
	ready chan struct{}
	mu    struct {
		sync.Mutex
		letters []letter
		bytes   int
	}
}

type letter struct {
	to      []*attachment
	payload []byte
}

func newMailbox(e *Endpoint) *mailbox { return &mailbox{e: e, ready: make(chan struct{}, 1)} }

func (b *mailbox) put(to []*attachment, payload []byte) {
	b.mu.Lock()
	fits := b.mu.bytes == 0 || b.mu.bytes+len(payload) <= DefaultQueueBytes
	if fits {
		b.mu.letters = append(b.mu.letters, letter{to, bytes.Clone(payload)})
		b.mu.bytes += len(payload)
	}
	b.mu.Unlock()
	if !fits {
		b.e.counters.drop(DropCommandQueue, 1)
		return
	}
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *mailbox) run() {
	for {
		select {
		case <-b.ready:
		case <-b.e.stop.Done():
			return
		}
		b.mu.Lock()
		letters := b.mu.letters
		b.mu.letters, b.mu.bytes = nil, 0
		b.mu.Unlock()
		for _, l := range letters {
			for _, a := range l.to {
				a.handle(l.payload)
			}
		}
	}
}
