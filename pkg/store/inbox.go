// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
)

// itemBytes is what an item costs besides its values, about.
const itemBytes = 256

// item is what waits for the goroutine of a frontend: a command from the bus, a read, a write or a batch.
type item struct {
	kind requestKind
	// ok is a place for the outcome of a write until it may be told.
	ok      bool
	bytes   int
	payload []byte   // of a command
	req     *request // of a read
	write   Write
	batch   *Batch
	pending *Pending // of a write or a batch
	err     error    // of a write, until it may be told
}

// inbox is where requests and commands wait for the goroutine of a frontend.
type inbox struct {
	limit int
	// ready holds a token while there may be something to take, space one while there may be room again.
	ready, space chan struct{}
	// closed is closed when nothing more is taken in.
	closed chan struct{}

	mu struct {
		sync.Mutex
		items []item
		bytes int
		// kept is how many bytes were taken out and still wait.
		kept    int
		dropped uint64
		closed  bool
		// pendings are made in advance, many at a time.
		pendings []Pending
	}
}

// pendingsAtOnce is how many Pendings are made in advance. One that somebody holds on to keeps the others.
const pendingsAtOnce = 32

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, ready: make(chan struct{}, 1), space: make(chan struct{}, 1), closed: make(chan struct{})}
}

// command takes in a copy of a command from the bus, unless the inbox is full.
func (b *inbox) command(payload []byte) {
	b.mu.Lock()
	if b.mu.closed || b.mu.bytes+b.mu.kept >= b.limit {
		b.mu.dropped++
		b.mu.Unlock()
		return
	}
	b.add(item{kind: commandRequest, payload: bytes.Clone(payload), bytes: len(payload)})
	b.mu.Unlock()
}

// add appends an item with the lock held.
func (b *inbox) add(it item) {
	b.mu.items = append(b.mu.items, it)
	b.mu.bytes += it.bytes
	if len(b.mu.items) == 1 {
		signal(b.ready)
	}
}

// write takes in an item of a caller, and waits while the inbox is full. Writes and batches get a Pending.
func (b *inbox) write(ctx context.Context, it item) (*Pending, error) {
	for {
		p, done, err := b.tryWrite(&it)
		if done {
			return p, err
		}
		select {
		case <-b.space:
		case <-b.closed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *inbox) tryWrite(it *item) (p *Pending, done bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.mu.closed:
		return nil, true, code.ShuttingDown
	case b.mu.bytes+b.mu.kept >= b.limit:
		return nil, false, nil
	}
	if it.req == nil {
		if len(b.mu.pendings) == 0 {
			b.mu.pendings = make([]Pending, pendingsAtOnce)
		}
		it.pending = &b.mu.pendings[0]
		b.mu.pendings = b.mu.pendings[1:]
	}
	b.add(*it)
	if b.mu.bytes+b.mu.kept < b.limit && len(b.space) == 0 {
		signal(b.space) // there may be others who wait
	}
	return it.pending, true, nil
}

// empty tells whether nothing waits.
func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mu.items) == 0
}

// take empties the inbox into a slice whose content is no longer needed, and answers how many commands were dropped so far.
func (b *inbox) take(reuse []item) (items []item, dropped uint64) {
	clear(reuse)
	b.mu.Lock()
	items, b.mu.items = b.mu.items, reuse[:0]
	b.mu.bytes = 0
	dropped = b.mu.dropped
	b.mu.Unlock()
	signal(b.space)
	return items, dropped
}

// keep counts bytes that were taken out as still waiting, beside those before; 0 ends that.
func (b *inbox) keep(bytes int) {
	b.mu.Lock()
	b.mu.kept += bytes
	if bytes == 0 {
		b.mu.kept = 0
	}
	b.mu.Unlock()
	if bytes == 0 {
		signal(b.space)
	}
}

// close refuses everything from now on. What is inside can still be taken.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.mu.closed {
		b.mu.closed = true
		close(b.closed)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
