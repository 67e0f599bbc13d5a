// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
)

// item is a request of a caller or a command from the bus.
type item struct {
	req     *request
	payload []byte
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
		items   []item
		bytes   int
		dropped uint64
		closed  bool
	}
}

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, ready: make(chan struct{}, 1), space: make(chan struct{}, 1), closed: make(chan struct{})}
}

// command takes in a copy of a command from the bus, unless the inbox is full.
func (b *inbox) command(payload []byte) {
	b.mu.Lock()
	if b.mu.closed || b.mu.bytes >= b.limit {
		b.mu.dropped++
		b.mu.Unlock()
		return
	}
	b.mu.items = append(b.mu.items, item{payload: bytes.Clone(payload)})
	b.mu.bytes += len(payload)
	b.mu.Unlock()
	signal(b.ready)
}

// request takes in a caller's request and waits while the inbox is full.
func (b *inbox) request(ctx context.Context, req *request) error {
	for {
		if done, err := b.tryRequest(req); done {
			return err
		}
		select {
		case <-b.space:
		case <-b.closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *inbox) tryRequest(req *request) (done bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.mu.closed:
		return true, code.ShuttingDown
	case b.mu.bytes >= b.limit:
		return false, nil
	}
	b.mu.items = append(b.mu.items, item{req: req})
	b.mu.bytes += req.size()
	signal(b.ready)
	if b.mu.bytes < b.limit {
		signal(b.space) // there may be others who wait
	}
	return true, nil
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
