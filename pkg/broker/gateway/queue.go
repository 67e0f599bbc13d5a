// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// maxLag is how long more messages than the limit may wait for a client that would be let go for it.
const maxLag = time.Second

// keptItems is the largest room that an empty queue keeps.
const keptItems = 4096

// itemOverhead is what a message counts beside its value, in bytes.
const itemOverhead = 64

func sizeOf(m *broker.Message) int { return itemOverhead + len(m.Topic) + m.Value.BinarySize() }

// queue holds what waits for one client. Adding never blocks.
type queue struct {
	limit   broker.QueueLimit
	ready   chan struct{}   // one slot: there is something
	account *broker.Account // in the endpoint's memory; may be nil

	mu struct {
		sync.Mutex
		items   []broker.Message
		head    int
		bytes   int
		counted int       // of bytes, by the account
		dropped uint64    // by this queue
		since   time.Time // since when more than limit wait; zero: they don't
	}
}

func newQueue(limit broker.QueueLimit) *queue {
	return &queue{limit: limit, ready: make(chan struct{}, 1)}
}

// push adds a message, at the cost of others if that is the policy. False means that the client is too slow for it and must go.
func (q *queue) push(m broker.Message) bool {
	size := sizeOf(&m)
	q.account.Check()
	q.mu.Lock()
	defer q.mu.Unlock()
	switch q.limit.Overflow {
	case broker.OverflowDropNewest:
		if q.fullLocked(size) {
			q.mu.dropped++
			return true
		}
	case broker.OverflowDropOldest:
		for q.fullLocked(size) {
			q.popLocked()
			q.mu.dropped++
		}
	default:
		waiting := q.waitingLocked()
		if waiting > 0 && q.mu.bytes+size > q.limit.Bytes || waiting >= q.limit.Messages && q.lateLocked() {
			q.mu.dropped++
			return false
		}
	}
	q.addLocked(m, size)
	return true
}

func (q *queue) waitingLocked() int { return len(q.mu.items) - q.mu.head }

func (q *queue) fullLocked(size int) bool {
	waiting := q.waitingLocked()
	return waiting > 0 && (waiting >= q.limit.Messages || q.mu.bytes+size > q.limit.Bytes)
}

func (q *queue) addLocked(m broker.Message, size int) {
	if q.mu.head > 0 && len(q.mu.items) == cap(q.mu.items) && q.mu.head >= q.waitingLocked() {
		n := copy(q.mu.items, q.mu.items[q.mu.head:])
		clear(q.mu.items[n:])
		q.mu.items, q.mu.head = q.mu.items[:n], 0
	}
	q.mu.items = append(q.mu.items, m)
	q.mu.bytes += size
	q.mu.counted = q.account.Set(q.mu.counted, q.mu.bytes)
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// lateLocked tells whether the queue has been over its limit for too long.
func (q *queue) lateLocked() bool {
	now := time.Now()
	if q.mu.since.IsZero() {
		q.mu.since = now
	}
	return now.Sub(q.mu.since) > maxLag
}

// lost tells whether the client may stay although so many messages have not even come here.
func (q *queue) lost(n uint64) bool {
	return n == 0 || q.limit.Overflow != broker.OverflowDisconnect
}

// pop takes the oldest message if there is one.
func (q *queue) pop() (broker.Message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waitingLocked() == 0 {
		return broker.Message{}, false
	}
	return q.popLocked(), true
}

func (q *queue) popLocked() broker.Message {
	m := q.mu.items[q.mu.head]
	q.mu.items[q.mu.head] = broker.Message{}
	q.mu.head++
	q.mu.bytes -= sizeOf(&m)
	q.mu.counted = q.account.Set(q.mu.counted, q.mu.bytes)
	waiting := q.waitingLocked()
	if waiting == 0 {
		q.mu.items, q.mu.head = q.mu.items[:0], 0
		if cap(q.mu.items) > keptItems {
			q.mu.items = nil
		}
	}
	if waiting < q.limit.Messages {
		q.mu.since = time.Time{}
	}
	return m
}

// shed gives up about so many bytes because the endpoint's memory is used up. If the client doesn't stay it must go instead.
func (q *queue) shed(bytes int64) (given, stays bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit.Overflow == broker.OverflowDisconnect {
		waiting := q.waitingLocked()
		q.mu.dropped += uint64(waiting)
		q.clearLocked()
		return waiting > 0, waiting == 0
	}
	for bytes > 0 && q.waitingLocked() > 0 {
		had := q.mu.bytes
		if q.limit.Overflow == broker.OverflowDropNewest {
			q.popNewestLocked()
		} else {
			q.popLocked()
		}
		q.mu.dropped++
		bytes -= int64(had - q.mu.bytes)
		given = true
	}
	return given, true
}

func (q *queue) popNewestLocked() {
	last := len(q.mu.items) - 1
	q.mu.bytes -= sizeOf(&q.mu.items[last])
	q.mu.items[last] = broker.Message{}
	q.mu.items = q.mu.items[:last]
	q.mu.counted = q.account.Set(q.mu.counted, q.mu.bytes)
}

// clear throws away what waits for a client that is gone.
func (q *queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clearLocked()
	q.account.Leave()
}

func (q *queue) clearLocked() {
	q.mu.items, q.mu.head, q.mu.bytes = nil, 0, 0
	q.mu.counted = q.account.Set(q.mu.counted, 0)
}

// state is how many messages wait, and how many were dropped here.
func (q *queue) state() (waiting int, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waitingLocked(), q.mu.dropped
}
