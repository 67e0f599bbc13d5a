// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// Message is what a subscriber receives. Messages that arrived together share memory: who keeps a small part of a large message for
// long keeps a Clone of it.
type Message struct {
	Topic string
	Value data.Value
	// From is the peer that sent the message here, not the one that published it; the own ID if it was published locally.
	From data.EndpointID
	// Origin published the message, as far as is known: over a mesh of nodes that is certain, else it is From.
	Origin data.EndpointID
	// Hops is the number of connections that the message has gone over: 0 if it was published here, 1 if a peer published it, -1 if
	// that is unknown. How often it was passed on before a foreign endpoint sent it to a node doesn't count.
	Hops int
	// Sent is when the message entered the mesh, by the clock of the node where it did. Zero, unless somebody asked for times.
	Sent time.Time
}

// messageOverhead is what a queued message counts beside its value, in bytes.
const messageOverhead = 64

func (m *Message) size() int { return messageOverhead + m.Value.BinarySize() }

// Subscriber receives the messages of some topics in a queue of its own. A subscriber that does not read loses messages as its limit
// says and affects nobody else. Its methods may be called from any goroutine.
type Subscriber struct {
	e     *Endpoint
	limit QueueLimit
	hub   bool // sees what the endpoint itself publishes
	// internal: it receives an internal topic; others never do.
	internal bool
	sink     func([]Message)        // if not nil, it takes what comes instead of the queue
	notice   atomic.Pointer[func()] // of Notify
	flow     *inflow                // nil without flow control
	ready    chan struct{}          // one slot: there are messages and somebody waits
	end      chan struct{}          // closed with the subscriber
	account  *Account               // in the endpoint's memory

	// Guarded by the endpoint's mutex: what was asked for, and the shortest filter that says the same.
	prefixes []string
	filter   topic.Filter

	mu struct {
		sync.Mutex
		ring    []Message
		head, n int
		bytes   int
		counted int // of bytes, by the account
		waiting int
		taken   uint64 // messages that have been queued
		dropped uint64
		closed  bool
		fresh   bool          // a first message came that Notify has not been told of
		room    chan struct{} // OverflowWait: closed when there is room
	}
}

func newSubscriber(e *Endpoint, prefixes []string, limit QueueLimit) *Subscriber {
	s := &Subscriber{e: e, limit: limit, ready: make(chan struct{}, 1), end: make(chan struct{})}
	s.wantLocked(prefixes)
	return s
}

// Get waits for the next message. After Close it answers what is still queued and then ErrClosed.
func (s *Subscriber) Get(ctx context.Context) (Message, error) {
	var one [1]Message
	_, err := s.GetBatch(ctx, one[:])
	return one[0], err
}

// GetBatch waits until there is a message and then takes as many as there are, at most len(dst). It answers how many.
func (s *Subscriber) GetBatch(ctx context.Context, dst []Message) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	for s.mu.n == 0 {
		if s.mu.closed {
			s.mu.Unlock()
			return 0, ErrClosed
		}
		s.mu.waiting++
		s.mu.Unlock()
		err := s.wait(ctx)
		s.mu.Lock()
		s.mu.waiting--
		if err != nil && s.mu.n == 0 {
			s.mu.Unlock()
			return 0, err
		}
	}
	n := s.takeLocked(dst)
	wake := s.mu.n > 0 && s.mu.waiting > 0
	s.mu.Unlock()
	if wake {
		s.signal()
	}
	return n, nil
}

func (s *Subscriber) wait(ctx context.Context) error {
	select {
	case <-s.ready:
	case <-s.end:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (s *Subscriber) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Poll takes the next message if there is one.
func (s *Subscriber) Poll() (Message, bool) {
	var one [1]Message
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := s.takeLocked(one[:]) == 1
	return one[0], ok
}

// Available is the number of queued messages.
func (s *Subscriber) Available() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.n
}

// Dropped is how many messages were discarded because the queue was full.
func (s *Subscriber) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.dropped
}

// Close ends the subscription; peers are told. Queued messages can still be read.
func (s *Subscriber) Close() {
	s.e.change(func() { delete(s.e.mu.subs, s) })
	s.release()
	s.finish()
}

// finish marks the end of the queue.
func (s *Subscriber) finish() {
	s.mu.Lock()
	first := !s.mu.closed
	if first {
		s.mu.closed = true
		close(s.end)
		s.account.Leave()
	}
	s.mu.Unlock()
	if first {
		s.notify()
	}
}

// popLocked moves messages to dst.
func (s *Subscriber) popLocked(dst []Message) int {
	n := min(len(dst), s.mu.n)
	for i := range n {
		m := &s.mu.ring[s.mu.head]
		s.mu.bytes -= m.size()
		dst[i], *m = *m, Message{}
		if s.mu.head++; s.mu.head == len(s.mu.ring) {
			s.mu.head = 0
		}
	}
	s.mu.n -= n
	s.mu.counted = s.account.Set(s.mu.counted, s.mu.bytes)
	if s.mu.room != nil && s.mu.n <= s.limit.Messages/2 && s.mu.bytes <= s.limit.Bytes/2 {
		close(s.mu.room)
		s.mu.room = nil
	}
	return n
}

// takeLocked moves messages to the consumer.
func (s *Subscriber) takeLocked(dst []Message) int {
	before := s.mu.bytes
	n := s.popLocked(dst)
	s.takenLocked(n, before-s.mu.bytes)
	return n
}

// push queues messages and answers how many were dropped. stop ends waiting under OverflowWait; what is left then is dropped.
func (s *Subscriber) push(msgs []Message, stop <-chan struct{}) (dropped int) {
	if s.sink != nil {
		s.sink(msgs)
		return 0
	}
	s.account.Check()
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return 0
	}
	for i := range msgs {
		size := msgs[i].size()
		if s.flow != nil && s.arrivedLocked(&msgs[i], size) {
			continue
		}
		if s.fullLocked(size) && !s.makeRoomLocked(size, stop, &dropped) {
			dropped++
			continue
		}
		s.addLocked(&msgs[i], size)
	}
	s.mu.counted = s.account.Set(s.mu.counted, s.mu.bytes)
	s.mu.dropped += uint64(dropped)
	wake := s.mu.waiting > 0 && s.mu.n > 0
	fresh := s.mu.fresh
	s.mu.fresh = false
	s.mu.Unlock()
	if wake {
		s.signal()
	}
	if fresh {
		s.notify()
	}
	return dropped
}

func (s *Subscriber) fullLocked(size int) bool {
	return s.mu.closed || s.mu.n > 0 && (s.mu.n >= s.limit.Messages || s.mu.bytes+size > s.limit.Bytes || s.limit.Overflow == OverflowWait && s.e.memory.Over())
}

// makeRoomLocked applies the policy of a full queue; false means that the new message is lost.
func (s *Subscriber) makeRoomLocked(size int, stop <-chan struct{}, dropped *int) bool {
	switch s.limit.Overflow {
	case OverflowDropNewest:
		return false
	case OverflowWait:
		for s.fullLocked(size) && !s.mu.closed {
			if s.mu.room == nil {
				s.mu.room = make(chan struct{})
			}
			room := s.mu.room
			s.mu.Unlock()
			s.signal()
			s.notify()
			select {
			case <-room:
			case <-s.end:
			case <-stop:
				s.mu.Lock()
				return !s.fullLocked(size)
			}
			s.mu.Lock()
		}
	default:
		var one [1]Message
		for s.fullLocked(size) && !s.mu.closed {
			s.popLocked(one[:])
			*dropped++
		}
	}
	return !s.mu.closed
}

func (s *Subscriber) addLocked(m *Message, size int) {
	if s.mu.n == len(s.mu.ring) {
		ring := make([]Message, max(16, 2*len(s.mu.ring)))
		k := copy(ring, s.mu.ring[s.mu.head:])
		copy(ring[k:], s.mu.ring[:s.mu.head])
		s.mu.ring, s.mu.head = ring, 0
	}
	at := s.mu.head + s.mu.n
	if at >= len(s.mu.ring) {
		at -= len(s.mu.ring)
	}
	s.mu.ring[at] = *m
	s.mu.fresh = s.mu.fresh || s.mu.n == 0
	s.mu.n++
	s.mu.taken++
	s.mu.bytes += size
}
