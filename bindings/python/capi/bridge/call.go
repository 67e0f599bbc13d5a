// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// call is an operation under way.
type call struct {
	cancel context.CancelFunc
	mu     struct {
		sync.Mutex
		bell
		over    bool
		gone    bool // nobody wants to know any more
		outcome answer
		err     error
	}
}

// answer is what an operation answers: a value, or an object that it has made.
type answer struct {
	value data.Value
	made  Handle
}

// operation is what a call does: it ends soon after its context.
type operation func(ctx context.Context) (answer, error)

// target is an object that calls are begun at.
type target interface {
	object
	// operation reads the arguments of an operation.
	operation(op string, a *arguments) (operation, error)
	// owner is the endpoint that waits for the call.
	owner() *endpoint
}

// Start begins an operation.
func Start(h Handle, op string, args []byte, withDescriptor bool) (Handle, error) {
	t, err := find[target](h)
	if err != nil {
		return 0, err
	}
	a, err := parseArguments(op, args)
	if err != nil {
		return 0, err
	}
	run, err := t.operation(op, a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return 0, err
	}
	c := new(call)
	if withDescriptor {
		if c.mu.bell, err = newBell(); err != nil {
			return 0, err
		}
	}
	e := t.owner()
	ctx, cancel := context.WithCancel(e.ctx)
	c.cancel = cancel
	begin := e.background
	if op == "shutdown" {
		begin = func(f func()) bool { go f(); return true } // it can't wait for itself
	}
	if !begin(func() { c.run(ctx, run) }) {
		cancel()
		c.mu.bell.close()
		return 0, errClosed
	}
	return objects.add(c), nil
}

// run carries the operation out. What goes wrong beyond errors is an error too.
func (c *call) run(ctx context.Context, f operation) {
	defer c.cancel()
	out, err := guarded(ctx, f)
	c.mu.Lock()
	gone := c.mu.gone
	c.mu.over, c.mu.outcome, c.mu.err = true, out, err
	c.mu.bell.ring(true)
	c.mu.Unlock()
	if gone {
		Close(out.made)
	}
}

func guarded(ctx context.Context, f operation) (out answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v\n%s", r, debug.Stack())
		}
	}()
	return f(ctx)
}

// Outcome is what became of a call, which is over with that, and Result of its error. errAgain: it is still under way.
func Outcome(h Handle) (v data.Value, result int, err error) {
	c, err := find[*call](h)
	if err != nil {
		return v, Result(err), err
	}
	c.mu.Lock()
	over, out, err := c.mu.over, c.mu.outcome, c.mu.err
	c.mu.Unlock()
	switch {
	case !over:
		return v, Again, errAgain
	case objects.remove(h) == nil:
		return v, Closed, errClosed // somebody else was faster
	}
	c.release()
	if out.made != 0 {
		out.value = data.Count(uint64(out.made))
	}
	return out.value, outcome(err), err
}

// Cancel gives a call up.
func Cancel(h Handle) {
	if _, err := find[*call](h); err == nil {
		Close(h)
	}
}

// close gives the call up. What it has made, or will make, is closed.
func (c *call) close() {
	c.release()
	c.mu.Lock()
	c.mu.gone = true
	made := c.mu.outcome.made
	c.mu.Unlock()
	Close(made)
}

// release ends what a call has beside its outcome.
func (c *call) release() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.bell.close()
}

// descriptor is the number to poll.
func (c *call) descriptor() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.bell.descriptor()
}

func unknownOperation(op string) error { return wrong("operation %q is unknown", op) }
