// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// traceRoom is how many events a Tracer keeps.
const traceRoom = 1024

// TraceEvent is what became of one message at this endpoint.
type TraceEvent struct {
	Time  time.Time
	Topic string
	// Command tells store commands from data.
	Command bool
	// From is the peer that sent the message, the own ID if it was published here.
	From data.EndpointID
	// Origin, Entering, Number and Hops are of the stamp; Entering is zero if there was none.
	Origin, Entering data.EndpointID
	Number           uint64
	Hops             int
	// To are the peers that it was passed on to; a full queue may still have dropped it.
	To []data.EndpointID
	// Local is the number of subscribers and stores here that it was delivered to.
	Local int
	// Lost tells that it went nowhere, and Cause why.
	Lost  bool
	Cause DropCause
}

// Tracer records what happens at an endpoint to messages of some topics. It keeps the newest 1024 events.
type Tracer struct {
	t      *tracers
	prefix []byte
	mu     struct {
		sync.Mutex
		events []TraceEvent
		missed uint64
	}
}

// Trace begins to record what happens here to messages whose topics begin with a prefix. The tracer must be closed.
func (e *Endpoint) Trace(prefix string) (*Tracer, error) {
	if err := checkPrefixes([]string{prefix}); err != nil {
		return nil, err
	}
	t := &Tracer{t: &e.tracers, prefix: []byte(prefix)}
	e.tracers.edit(func(all []*Tracer) []*Tracer { return append(all, t) })
	return t, nil
}

// Take answers the events since the last call, oldest first, and how many are missing before them because there was no room.
func (t *Tracer) Take() (events []TraceEvent, missed uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	events, missed = t.mu.events, t.mu.missed
	t.mu.events, t.mu.missed = nil, 0
	return events, missed
}

// Close ends the recording.
func (t *Tracer) Close() {
	t.t.edit(func(all []*Tracer) []*Tracer {
		var rest []*Tracer
		for _, other := range all {
			if other != t {
				rest = append(rest, other)
			}
		}
		return rest
	})
}

func (t *Tracer) record(ev TraceEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.events) == traceRoom {
		t.mu.events = append(t.mu.events[:0], t.mu.events[1:]...)
		t.mu.missed++
	}
	t.mu.events = append(t.mu.events, ev)
}

// tracers are those of an endpoint. While there are none, each message pays for one look at the pointer.
type tracers struct {
	all atomic.Pointer[[]*Tracer]
	mu  sync.Mutex // of changes
}

func (t *tracers) on() bool { return t.all.Load() != nil }

func (t *tracers) edit(f func([]*Tracer) []*Tracer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var now []*Tracer
	if all := t.all.Load(); all != nil {
		now = append(now, *all...)
	}
	if now = f(now); len(now) == 0 {
		t.all.Store(nil)
		return
	}
	t.all.Store(&now)
}

// record gives an event to the tracers that want its topic. The event is made only if somebody does.
func (t *tracers) record(name []byte, make func() TraceEvent) {
	all := t.all.Load()
	if all == nil {
		return
	}
	for _, tr := range *all {
		if bytes.HasPrefix(name, tr.prefix) {
			ev := make()
			ev.Time, ev.Topic = time.Now(), string(name)
			tr.record(ev)
		}
	}
}

func (en *entry) event(from data.EndpointID) TraceEvent {
	ev := TraceEvent{From: from, Command: en.typ == wire.TypeCommand, Origin: en.stamp.Origin, Number: en.stamp.Number, Hops: en.hops}
	if en.stamp.Number != 0 {
		ev.Entering = en.stamp.Entering
	}
	if ev.Origin.IsZero() {
		ev.Origin = from
	}
	return ev
}

// lost records a message that a peer sent in vain.
func (t *tracers) lost(from data.EndpointID, en *entry, name []byte, cause DropCause) {
	t.record(name, func() TraceEvent {
		ev := en.event(from)
		ev.Lost, ev.Cause = true, cause
		return ev
	})
}

// passed records a message of a peer that was delivered and is passed on.
func (t *tracers) passed(p *peer, en *entry) {
	t.record([]byte(en.route.topic), func() TraceEvent {
		ev := en.event(p.Peer)
		ev.To = peerIDs(en.route.peers, en.route.stamped)
		ev.Local = len(en.route.subs)
		if ev.Command {
			ev.Local = len(en.route.stores)
		}
		return ev
	})
}

// published records a message of this endpoint that goes into the mesh.
func (t *tracers) published(self data.EndpointID, f *peering.Frame, to []*peer) {
	env, err := wire.ParseEnvelope(f.Head)
	if err != nil {
		return
	}
	t.record(env.Topic, func() TraceEvent {
		return TraceEvent{
			From: self, Command: env.Type == wire.TypeStampedCommand, Origin: self, Entering: self, Number: f.Number,
			To: peerIDs(to),
		}
	})
}

func peerIDs(lists ...[]*peer) (ids []data.EndpointID) {
	for _, peers := range lists {
		for _, p := range peers {
			ids = append(ids, p.Peer)
		}
	}
	return ids
}
