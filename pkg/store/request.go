// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

type requestKind uint8

const (
	getRequest requestKind = iota
	existsRequest
	keysRequest
	indexRequest
	writeRequest
	uniqueRequest
	idleRequest
)

// request is what a caller asks of a frontend.
type request struct {
	kind       requestKind
	key, index data.Value
	// write is the command of a write, without publisher.
	write command.Command
	bytes int
	done  chan answer
	// abandoned is set when the caller no longer waits.
	abandoned atomic.Bool
}

// answer is what comes back: a value, or for writes ok alone.
type answer struct {
	value data.Value
	ok    bool
	err   error
}

// size is what keeping the request costs, about.
func (r *request) size() int { return 256 + r.bytes }

func (r *request) answer(a answer) {
	select {
	case r.done <- a:
	default:
	}
}

// operations are the methods that masters and clones have in common. All of them may be called from any goroutine. They end with the
// context's error when the context ends; a write that was taken in by then is executed all the same.
type operations struct {
	name string
	in   *inbox
}

func (o *operations) do(ctx context.Context, req *request) (answer, error) {
	for _, v := range [...]data.Value{req.key, req.index} {
		if v.TooDeep() {
			return answer{}, code.InvalidData
		}
		req.bytes += v.BinarySize()
	}
	req.done = make(chan answer, 1)
	if err := o.in.request(ctx, req); err != nil {
		return answer{}, err
	}
	select {
	case a := <-req.done:
		return a, a.err
	case <-ctx.Done():
		req.abandoned.Store(true)
		return answer{}, ctx.Err()
	}
}

// Name is the name of the store.
func (o *operations) Name() string { return o.name }

// Get is the value of a key. Errors: code.NoSuchKey; code.BackendFailure of a master; code.StaleData of a clone that never had content.
func (o *operations) Get(ctx context.Context, key data.Value) (data.Value, error) {
	a, err := o.do(ctx, &request{kind: getRequest, key: data.Canonical(key)})
	return a.value, err
}

// Exists tells whether there is a value under a key.
func (o *operations) Exists(ctx context.Context, key data.Value) (bool, error) {
	a, err := o.do(ctx, &request{kind: existsRequest, key: data.Canonical(key)})
	return a.ok, err
}

// Keys is the set of all keys.
func (o *operations) Keys(ctx context.Context) (data.Value, error) {
	a, err := o.do(ctx, &request{kind: keysRequest})
	return a.value, err
}

// GetIndex looks into the value of a key: an element of a vector, the value of a table's entry, whether a set has an element; of any
// other value it answers the value itself. Errors: code.NoSuchKey for the key as for the index, code.TypeClash.
func (o *operations) GetIndex(ctx context.Context, key, index data.Value) (data.Value, error) {
	a, err := o.do(ctx, &request{kind: indexRequest, key: data.Canonical(key), index: index})
	return a.value, err
}

// AwaitIdle waits until nothing is on its way: at a master until all clones have everything, at a clone until it is attached, has all
// that it knows of, and its writes are executed.
func (o *operations) AwaitIdle(ctx context.Context) error {
	_, err := o.do(ctx, &request{kind: idleRequest})
	return err
}

// Put stores a value under a key; after expiry it goes away again, unless expiry is 0. At a master it returns when the value is
// committed; at a clone when the write was sent to the master, or queued while there is none.
func (o *operations) Put(ctx context.Context, key, value data.Value, expiry time.Duration) error {
	return o.write(ctx, expiry, &command.Put{Key: data.Canonical(key), Value: data.Canonical(value), Expiry: command.After(expiry)})
}

// PutUnique stores a value under a key that holds none, and answers whether it did. At a clone it waits for the master's answer.
func (o *operations) PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error) {
	c := &command.PutUnique{Key: data.Canonical(key), Value: data.Canonical(value), Expiry: command.After(expiry)}
	if err := checkWrite(expiry, c.Key, c.Value); err != nil {
		return false, err
	}
	a, err := o.do(ctx, &request{kind: uniqueRequest, write: c, bytes: c.Key.BinarySize() + c.Value.BinarySize()})
	return a.ok, err
}

// Erase removes a key; that it is missing is no error.
func (o *operations) Erase(ctx context.Context, key data.Value) error {
	return o.write(ctx, 0, &command.Erase{Key: data.Canonical(key)})
}

// Clear removes all keys.
func (o *operations) Clear(ctx context.Context) error { return o.write(ctx, 0, &command.Clear{}) }

// Add adds an operand to the value of a key, or to the zero value of init if the key is missing (backend.Add). Like every change it
// replaces the expiry. Errors at a master: code.TypeClash, code.InvalidData; at a clone nobody tells.
func (o *operations) Add(ctx context.Context, key, operand data.Value, init data.Kind, expiry time.Duration) error {
	return o.write(ctx, expiry, &command.Add{
		Key: data.Canonical(key), Operand: data.Canonical(operand), Init: init, Expiry: command.After(expiry),
	})
}

// Subtract takes an operand from the value of a key (backend.Subtract). Errors at a master: code.NoSuchKey, code.TypeClash; at a clone
// nobody tells.
func (o *operations) Subtract(ctx context.Context, key, operand data.Value, expiry time.Duration) error {
	return o.write(ctx, expiry, &command.Subtract{
		Key: data.Canonical(key), Operand: data.Canonical(operand), Expiry: command.After(expiry),
	})
}

func (o *operations) write(ctx context.Context, expiry time.Duration, c command.Command) error {
	key, value := operands(c)
	if err := checkWrite(expiry, key, value); err != nil {
		return err
	}
	_, err := o.do(ctx, &request{kind: writeRequest, write: c, bytes: key.BinarySize() + value.BinarySize()})
	return err
}

func checkWrite(expiry time.Duration, key, value data.Value) error {
	if expiry < 0 || key.TooDeep() || value.TooDeep() {
		return code.InvalidData
	}
	return nil
}

// operands are the key and the value or operand of a write.
func operands(c command.Command) (key, value data.Value) {
	switch c := c.(type) {
	case *command.Put:
		return c.Key, c.Value
	case *command.PutUnique:
		return c.Key, c.Value
	case *command.Add:
		return c.Key, c.Operand
	case *command.Subtract:
		return c.Key, c.Operand
	case *command.Erase:
		return c.Key, data.Value{}
	}
	return data.Value{}, data.Value{}
}
