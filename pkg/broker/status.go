// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"iter"
	"net"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// StatusEvent is what happened to a peering, or an error.
type StatusEvent struct {
	// Error tells that Code names an error and not a status.
	Error bool
	// Code is the name of a status ("peer_added", see code.Status) or an error ("peer_unavailable", see code.Code).
	Code string
	// ID, Address and Retry tell which peer, as far as that is known. Address and Retry are those of PeerOptions if this side dialed,
	// Retry in whole seconds; else the remote address and zero.
	ID      data.EndpointID
	Address string
	Retry   time.Duration
	// Message is the reference's text.
	Message string
}

// String is the event as the reference prints it, for instance peer_added(UUID, 127.0.0.1:9999, "handshake successful").
func (s StatusEvent) String() string {
	out := s.Code + "("
	if !s.ID.IsZero() {
		out += s.ID.String() + ", "
	}
	if s.Address != "" {
		out += s.Address + ", "
	}
	return out + strconv.Quote(s.Message) + ")"
}

// StatusSubscriber receives the events of the endpoint's peerings.
type StatusSubscriber struct{ sub *Subscriber }

// SubscribeStatus subscribes to error events and, unless errorsOnly, to status events. Events are not repeated: a later subscriber sees
// nothing of the past.
func (e *Endpoint) SubscribeStatus(errorsOnly bool) (*StatusSubscriber, error) {
	topics := []string{topic.Errors}
	if !errorsOnly {
		topics = append(topics, topic.Statuses)
	}
	sub, err := e.Subscribe(topics, QueueLimit{})
	if err != nil {
		return nil, err
	}
	return &StatusSubscriber{sub}, nil
}

// Get waits for the next event. After Close, or when the endpoint has been closed, it answers what is still queued and then ErrClosed.
func (s *StatusSubscriber) Get(ctx context.Context) (StatusEvent, error) {
	for {
		m, err := s.sub.Get(ctx)
		if err != nil {
			return StatusEvent{}, err
		}
		if ev, err := ParseStatus(m.Value); err == nil {
			return ev, nil
		}
	}
}

// Close ends the subscription.
func (s *StatusSubscriber) Close() { s.sub.Close() }

// Poll takes the next event if there is one.
func (s *StatusSubscriber) Poll() (StatusEvent, bool) {
	for m, ok := s.sub.Poll(); ok; m, ok = s.sub.Poll() {
		if ev, err := ParseStatus(m.Value); err == nil {
			return ev, true
		}
	}
	return StatusEvent{}, false
}

// Available is the number of queued events.
func (s *StatusSubscriber) Available() int { return s.sub.Available() }

// Dropped is how many events were discarded because the queue was full.
func (s *StatusSubscriber) Dropped() uint64 { return s.sub.Dropped() }

// All yields events until the context ends, or the subscriber is closed and has nothing queued any more.
func (s *StatusSubscriber) All(ctx context.Context) iter.Seq[StatusEvent] {
	return func(yield func(StatusEvent) bool) {
		for m := range s.sub.All(ctx) {
			if ev, err := ParseStatus(m.Value); err == nil && !yield(ev) {
				return
			}
		}
	}
}

// Handle calls f for each event as Subscriber.Handle does for messages.
func (s *StatusSubscriber) Handle(ctx context.Context, f func(ctx context.Context, ev StatusEvent)) error {
	return s.sub.Handle(ctx, func(ctx context.Context, m Message) {
		if ev, err := ParseStatus(m.Value); err == nil {
			f(ctx, ev)
		}
	})
}

// raise raises a status event about a peer.
func (e *Endpoint) raise(s code.Status, p *peer, text string) {
	ev := StatusEvent{Code: s.String(), ID: p.Peer, Message: text}
	if s != code.EndpointDiscovered && s != code.EndpointUnreachable {
		e.mu.Lock()
		ev.Address, ev.Retry = p.address, p.retry
		e.mu.Unlock()
	}
	e.PublishLocal(topic.Statuses, ev.Value())
}

// raiseError raises an error event about an endpoint or an address.
func (e *Endpoint) raiseError(c code.Code, about StatusEvent, text string) {
	about.Error, about.Code, about.Message = true, c.String(), text
	e.PublishLocal(topic.Errors, about.Value())
}

// Value is the event as subscribers of the topics "<$>/local/data/statuses" and "<$>/local/data/errors" receive it.
func (s StatusEvent) Value() data.Value {
	context, text := endpointInfo(s.ID, s.Address, s.Retry), data.String(s.Message)
	if s.Error {
		return data.Vector(data.String("error"), data.Enum(s.Code), data.Vector(context, text))
	}
	return data.Vector(data.String("status"), data.Enum(s.Code), context, text)
}

// endpointInfo is the context of an event. An empty address stands for none.
func endpointInfo(id data.EndpointID, address string, retry time.Duration) data.Value {
	info := [4]data.Value{}
	if !id.IsZero() {
		info[0] = data.String(id.String())
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16)
		info[1], info[2] = data.String(host), data.Port(uint16(n), data.ProtocolTCP)
		info[3] = data.Count(uint64(retry / time.Second))
	}
	return data.Vector(info[:]...)
}

// ParseStatus reads the value of a status or error event.
func ParseStatus(v data.Value) (StatusEvent, error) {
	kind, _ := v.Index(0)
	name, _ := kind.AsString()
	c, _ := v.Index(1)
	ev := StatusEvent{Error: name == "error"}
	var ok bool
	if ev.Code, ok = c.AsEnum(); !ok || name != "error" && name != "status" {
		return ev, fmt.Errorf("%s is no status event", v)
	}
	context, _ := v.Index(2)
	message, _ := v.Index(3)
	if ev.Error {
		parts := context
		context, _ = parts.Index(0)
		if message, ok = parts.Index(1); !ok {
			message, context = context, data.None()
		}
	}
	ev.Message, _ = message.AsString()
	ev.readContext(context)
	return ev, nil
}

func (s *StatusEvent) readContext(info data.Value) {
	id, _ := info.Index(0)
	if text, ok := id.AsString(); ok {
		s.ID, _ = data.ParseEndpointID(text)
	}
	host, _ := info.Index(1)
	port, _ := info.Index(2)
	retry, _ := info.Index(3)
	if h, ok := host.AsString(); ok {
		n, _, _ := port.AsPort()
		s.Address = net.JoinHostPort(h, strconv.Itoa(int(n)))
		seconds, _ := retry.AsCount()
		s.Retry = time.Duration(seconds) * time.Second
	}
}
