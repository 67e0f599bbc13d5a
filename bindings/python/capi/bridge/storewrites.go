// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// underWay is a write that nobody waits for.
type underWay struct {
	*store.Pending
	bytes int
}

// maxUnderWay bounds the bytes of a master's writes that nobody waits for, well below where the master itself would wait. A clone bounds
// its own.
const maxUnderWay = 4 << 20

// writeOverhead is what a write counts beside its arguments.
const writeOverhead = 64

// Write writes to a store without waiting for the outcome. errAgain: too much was under way all the time.
func Write(h Handle, op string, args []byte, timeout time.Duration) error {
	s, err := find[*storeHandle](h)
	if err != nil {
		return err
	}
	a, err := parseArguments(op, args)
	if err != nil {
		return err
	}
	w, err := a.write()
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return err
	}
	if s.e.ctx.Err() != nil {
		return errClosed
	}
	if err := s.makeRoom(timeout); err != nil {
		return err
	}
	return s.follow(s.WriteAsync(w), len(args)+writeOverhead)
}

// makeRoom waits until less than maxUnderWay is under way.
func (f *frontend) makeRoom(timeout time.Duration) error {
	if !f.key.master {
		return nil
	}
	var late <-chan time.Time
	for {
		f.mu.Lock()
		f.sweepLocked()
		var oldest *store.Pending
		if f.mu.bytes >= maxUnderWay {
			oldest = f.mu.under[0].Pending
		}
		f.mu.Unlock()
		if oldest == nil {
			return nil
		}
		if timeout <= 0 {
			return errAgain
		}
		if late == nil {
			t := time.NewTimer(timeout)
			defer t.Stop()
			late = t.C
		}
		select {
		case <-oldest.Done():
		case <-late:
			return errAgain
		case <-f.e.ctx.Done():
			return errClosed
		}
	}
}

// follow keeps an eye on a write that nobody waits for. One that has failed already is the caller's too.
func (f *frontend) follow(p *store.Pending, bytes int) error {
	done, err := settled(p)
	if done && err == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if done {
		f.mu.failed++
		f.mu.last = err
		return err
	}
	f.mu.under = append(f.mu.under, underWay{p, bytes})
	f.mu.bytes += bytes
	if !f.key.master {
		f.sweepLocked()
	}
	return nil
}

// settled tells whether a write is done, and with what error.
func settled(p *store.Pending) (bool, error) {
	err := p.Wait(over)
	return !errors.Is(err, context.Canceled), err
}

// sweepLocked forgets writes that are done, and remembers what went wrong.
func (f *frontend) sweepLocked() {
	n := 0
	for _, u := range f.mu.under {
		done, err := settled(u.Pending)
		if !done {
			break
		}
		if err != nil {
			f.mu.failed++
			f.mu.last = err
		}
		f.mu.bytes -= u.bytes
		n++
	}
	clear(f.mu.under[:n])
	if f.mu.under = f.mu.under[n:]; len(f.mu.under) == 0 {
		f.mu.under = nil
	}
}

// write reads the arguments of a write.
func (a *arguments) write() (store.Write, error) {
	switch a.op {
	case "put":
		return store.WritePut(a.any("key"), a.any("value"), a.expiry()), nil
	case "erase":
		return store.WriteErase(a.any("key")), nil
	case "clear":
		return store.WriteClear(), nil
	case "increment":
		key, amount := a.any("key"), a.any("amount")
		return store.WriteAdd(key, amount, backend.InitFor(amount.Kind()), a.expiry()), nil
	case "append":
		return store.WriteAdd(a.any("key"), a.any("string"), data.KindString, a.expiry()), nil
	case "insert_into":
		return store.WriteAdd(a.any("key"), a.any("index"), data.KindSet, a.expiry()), nil
	case "insert_into_table":
		key, index, value := a.any("key"), a.any("index"), a.any("value")
		return store.WriteAdd(key, data.Vector(index, value), data.KindTable, a.expiry()), nil
	case "push":
		return store.WriteAdd(a.any("key"), a.any("value"), data.KindVector, a.expiry()), nil
	case "decrement", "remove_from":
		return store.WriteSubtract(a.any("key"), a.any("operand"), a.expiry()), nil
	case "pop":
		key := a.any("key")
		return store.WriteSubtract(key, key, a.expiry()), nil
	}
	return store.Write{}, unknownOperation(a.op)
}
