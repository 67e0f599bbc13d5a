// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync/atomic"
)

// Pending is a write under way. It costs next to nothing unless somebody waits for it.
type Pending struct {
	state atomic.Uint32
	// ok and err are set before the state is pendingDone, and never again.
	ok  bool
	err error
	// waiter is closed when the write is done, if there is one.
	waiter atomic.Pointer[chan struct{}]
}

// The states of a Pending.
const (
	pendingOpen uint32 = iota
	pendingAwaited
	pendingDone
)

// settled is a write that ended before it began.
func settled(err error) *Pending {
	p := new(Pending)
	p.resolve(false, err)
	return p
}

// Done is closed when the write is done, or never will be.
func (p *Pending) Done() <-chan struct{} {
	ch := p.waiter.Load()
	if ch == nil {
		made := make(chan struct{})
		if ch = &made; !p.waiter.CompareAndSwap(nil, ch) {
			ch = p.waiter.Load()
		}
		if !p.state.CompareAndSwap(pendingOpen, pendingAwaited) && p.state.Load() == pendingDone {
			p.closeWaiter()
		}
	}
	return *ch
}

// closeWaiter closes the channel that was made too late for resolve to see, once.
func (p *Pending) closeWaiter() {
	if ch := p.waiter.Load(); ch != &closedChannel && p.waiter.CompareAndSwap(ch, &closedChannel) {
		close(*ch)
	}
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Wait waits until the write is done and answers its error, or the context's if that ends first: then the write goes on all the same.
// A write at a master is done when it is committed; at a clone when the master has executed it.
func (p *Pending) Wait(ctx context.Context) error {
	if p.state.Load() != pendingDone {
		select {
		case <-p.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.err
}

// Inserted is the answer to a PutUnique that is done: whether it stored the value.
func (p *Pending) Inserted() bool { return p.state.Load() == pendingDone && p.ok }

// resolve ends a write. Only the first call counts.
func (p *Pending) resolve(ok bool, err error) {
	if p.state.Load() == pendingDone {
		return
	}
	p.ok, p.err = ok, err
	if p.state.Swap(pendingDone) == pendingAwaited {
		p.closeWaiter()
	}
}
