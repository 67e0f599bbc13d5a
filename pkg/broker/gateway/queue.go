// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// maxQueued is how many bytes may wait for a client, and maxLag how long more
// messages than Options.Queue.
const (
	maxQueued = broker.DefaultQueueBytes
	maxLag    = time.Second
)

// keptItems is the largest room that an empty queue keeps.
const keptItems = 4096

// itemOverhead is what an item counts beside its message, in bytes.
const itemOverhead = 64

// item is a message on its way to a client: JSON already if it is shared with
// other sessions.
type item struct {
	text  []byte
	topic string
	value data.Value
}

func (i *item) size() int { return itemOverhead + len(i.text) + len(i.topic) + i.value.BinarySize() }

// appendText appends the message as the client gets it.
func (i *item) appendText(dst []byte) []byte {
	if i.text != nil {
		return append(dst, i.text...)
	}
	return jsonwire.AppendMessage(dst, i.topic, i.value)
}

// queue holds what waits for one client. Adding never blocks.
type queue struct {
	limit int           // messages that may wait for long
	ready chan struct{} // one slot: there is something

	mu struct {
		sync.Mutex
		items []item
		head  int
		bytes int
		since time.Time // since when more than limit wait; zero: they don't
	}
}

func newQueue(limit int) *queue { return &queue{limit: limit, ready: make(chan struct{}, 1)} }

// push adds a message. False means that the client is too slow for it.
func (q *queue) push(i item) bool {
	size := i.size()
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := len(q.mu.items) - q.mu.head
	if waiting > 0 && q.mu.bytes+size > maxQueued || waiting >= q.limit && q.lateLocked() {
		return false
	}
	if q.mu.head > 0 && len(q.mu.items) == cap(q.mu.items) && q.mu.head >= waiting {
		n := copy(q.mu.items, q.mu.items[q.mu.head:])
		clear(q.mu.items[n:])
		q.mu.items, q.mu.head = q.mu.items[:n], 0
	}
	q.mu.items = append(q.mu.items, i)
	q.mu.bytes += size
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// lateLocked tells whether the queue has been over its limit for too long.
func (q *queue) lateLocked() bool {
	now := time.Now()
	if q.mu.since.IsZero() {
		q.mu.since = now
	}
	return now.Sub(q.mu.since) > maxLag
}

// pop takes the oldest message if there is one.
func (q *queue) pop() (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.head == len(q.mu.items) {
		return item{}, false
	}
	i := q.mu.items[q.mu.head]
	q.mu.items[q.mu.head] = item{}
	q.mu.head++
	q.mu.bytes -= i.size()
	waiting := len(q.mu.items) - q.mu.head
	if waiting == 0 {
		q.mu.items, q.mu.head = q.mu.items[:0], 0
		if cap(q.mu.items) > keptItems {
			q.mu.items = nil
		}
	}
	if waiting < q.limit {
		q.mu.since = time.Time{}
	}
	return i, true
}
