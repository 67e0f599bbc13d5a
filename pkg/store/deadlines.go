// SPDX-License-Identifier: Apache-2.0

package store

import (
	"container/heap"
	"iter"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// deadlines know which key expires next, without looking at the others.
type deadlines struct {
	byKey map[string]*deadline
	queue deadlineQueue
}

type deadline struct {
	key string
	at  backend.Deadline
	// index is the place in the queue.
	index int
}

func newDeadlines() *deadlines { return &deadlines{byKey: map[string]*deadline{}} }

// set gives a key a deadline in the place of any other; backend.Never takes it away.
func (d *deadlines) set(key data.Value, at backend.Deadline) {
	if at == backend.Never && len(d.byKey) == 0 {
		return
	}
	encoded := key.AppendBinary(nil)
	e, ok := d.byKey[string(encoded)]
	switch {
	case at == backend.Never && ok:
		heap.Remove(&d.queue, e.index)
		delete(d.byKey, e.key)
	case at == backend.Never:
	case ok:
		e.at = at
		heap.Fix(&d.queue, e.index)
	default:
		e = &deadline{key: string(encoded), at: at}
		d.byKey[e.key] = e
		heap.Push(&d.queue, e)
	}
}

// load takes the deadlines of a backend, in the place of all there are. For a million of them that takes a fraction of what set takes.
func (d *deadlines) load(expiring iter.Seq2[backend.Entry, error]) error {
	var block []deadline
	var queue deadlineQueue
	for e, err := range expiring {
		if err != nil {
			return err
		}
		if len(block) == cap(block) {
			block = make([]deadline, 0, deadlinesAtOnce)
		}
		block = append(block, deadline{key: string(e.Key.AppendBinary(nil)), at: e.Deadline, index: len(queue)})
		queue = append(queue, &block[len(block)-1])
	}
	d.queue, d.byKey = queue, make(map[string]*deadline, len(queue))
	for _, e := range queue {
		d.byKey[e.key] = e
	}
	heap.Init(&d.queue)
	return nil
}

// deadlinesAtOnce is how many deadlines are made together. One that is left keeps the others.
const deadlinesAtOnce = 64

// clear forgets all deadlines.
func (d *deadlines) clear() { *d = *newDeadlines() }

// due tells whether there is a key whose deadline is before now.
func (d *deadlines) due(now time.Time) bool { return len(d.queue) > 0 && d.queue[0].at.Passed(now) }

// pop takes out a key whose deadline is before now.
func (d *deadlines) pop(now time.Time) (key data.Value, ok bool) {
	if !d.due(now) {
		return data.Value{}, false
	}
	e := heap.Pop(&d.queue).(*deadline)
	delete(d.byKey, e.key)
	key, err := data.Decode([]byte(e.key))
	return key, err == nil
}

type deadlineQueue []*deadline

func (q deadlineQueue) Len() int           { return len(q) }
func (q deadlineQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q deadlineQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *deadlineQueue) Push(x any) {
	e := x.(*deadline)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *deadlineQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
