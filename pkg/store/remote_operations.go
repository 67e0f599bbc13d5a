// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Errors of all operations, besides those of the operation at the master: ErrForeignMaster, code.RequestTimeout when the time is over,
// code.ShuttingDown after Close; of writes, ErrUnknown.

// Get is the value of a key, or code.NoSuchKey.
func (r *Remote) Get(ctx context.Context, key data.Value) (data.Value, error) {
	return r.value(ctx, opGet, key)
}

// GetIndex looks into the value of a key, as Master.GetIndex does.
func (r *Remote) GetIndex(ctx context.Context, key, index data.Value) (data.Value, error) {
	return r.value(ctx, opIndex, key, index)
}

// Exists tells whether there is a value under a key.
func (r *Remote) Exists(ctx context.Context, key data.Value) (bool, error) {
	v, err := r.value(ctx, opExists, key)
	ok, _ := v.AsBoolean()
	return ok, err
}

// Size is how much the store holds.
func (r *Remote) Size(ctx context.Context) (backend.Size, error) {
	got, err := r.query(ctx, opSize)
	if err != nil {
		return backend.Size{}, err
	}
	in := args{rest: got.Values}
	size := backend.Size{Entries: int64(in.count()), Bytes: int64(in.count())}
	return size, in.err
}

// Keys is the set of all keys. Scan yields them one after the other.
func (r *Remote) Keys(ctx context.Context) (data.Value, error) {
	scan, err := r.Scan(ctx, ScanOptions{KeysOnly: true})
	if err != nil {
		return data.Value{}, err
	}
	defer scan.Close()
	var keys []data.Value
	for e, err := range scan.Entries(ctx) {
		if err != nil {
			return data.Value{}, err
		}
		keys = append(keys, e.Key)
	}
	return data.Set(keys...), nil
}

// Write carries out a write, and returns when the master has committed it.
func (r *Remote) Write(ctx context.Context, w Write) error {
	_, err := r.write(ctx, w)
	return err
}

// Put stores a value under a key; after expiry it goes away again, unless expiry is 0.
func (r *Remote) Put(ctx context.Context, key, value data.Value, expiry time.Duration) error {
	return r.Write(ctx, WritePut(key, value, expiry))
}

// PutUnique stores a value under a key that holds none, and answers whether it did.
func (r *Remote) PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error) {
	return r.write(ctx, WritePutUnique(key, value, expiry))
}

// Erase removes a key; that it is missing is no error.
func (r *Remote) Erase(ctx context.Context, key data.Value) error {
	return r.Write(ctx, WriteErase(key))
}

// Clear removes all keys.
func (r *Remote) Clear(ctx context.Context) error { return r.Write(ctx, WriteClear()) }

// Add adds an operand to the value of a key, as Master.Add does.
func (r *Remote) Add(ctx context.Context, key, operand data.Value, init data.Kind, expiry time.Duration) error {
	return r.Write(ctx, WriteAdd(key, operand, init, expiry))
}

// Subtract takes an operand from the value of a key, as Master.Subtract does.
func (r *Remote) Subtract(ctx context.Context, key, operand data.Value, expiry time.Duration) error {
	return r.Write(ctx, WriteSubtract(key, operand, expiry))
}

// Apply carries out a batch: all of it or nothing. ErrConditionFailed: a condition did not hold. It takes about 10,000 writes at a time;
// more are ErrTooLarge.
func (r *Remote) Apply(ctx context.Context, b Batch) error {
	c := b.canonical()
	if err := c.check(0); err != nil {
		return err
	}
	list := batchArgs(c)
	if len(list) > command.MaxValues {
		return fmt.Errorf("%w: a batch of %d writes and %d conditions", ErrTooLarge, len(b.Writes), len(b.If))
	}
	_, err := r.change(ctx, opBatch, list...)
	return err
}

// CompareAndSet stores a value under a key if what is there equals old, or, with present false, if nothing is there. It answers whether
// it did.
func (r *Remote) CompareAndSet(ctx context.Context, key, old data.Value, present bool, value data.Value, expiry time.Duration) (bool, error) {
	err := r.Apply(ctx, Batch{If: []Condition{{key, present, old}}, Writes: []Write{WritePut(key, value, expiry)}})
	if errors.Is(err, ErrConditionFailed) {
		return false, nil
	}
	return err == nil, err
}

// Increment adds an amount; a missing key starts from zero of the amount's kind (a timespan from the epoch).
func (r *Remote) Increment(ctx context.Context, key, amount data.Value, expiry time.Duration) error {
	return r.Add(ctx, key, amount, backend.InitFor(amount.Kind()), expiry)
}

// Decrement subtracts an amount.
func (r *Remote) Decrement(ctx context.Context, key, amount data.Value, expiry time.Duration) error {
	return r.Subtract(ctx, key, amount, expiry)
}

// Append extends a string.
func (r *Remote) Append(ctx context.Context, key data.Value, text string, expiry time.Duration) error {
	return r.Add(ctx, key, data.String(text), data.KindString, expiry)
}

// InsertInto adds an element to a set.
func (r *Remote) InsertInto(ctx context.Context, key, element data.Value, expiry time.Duration) error {
	return r.Add(ctx, key, element, data.KindSet, expiry)
}

// InsertIntoTable sets an entry of a table.
func (r *Remote) InsertIntoTable(ctx context.Context, key, index, value data.Value, expiry time.Duration) error {
	return r.Add(ctx, key, data.Vector(index, value), data.KindTable, expiry)
}

// RemoveFrom removes an element from a set or an entry from a table.
func (r *Remote) RemoveFrom(ctx context.Context, key, index data.Value, expiry time.Duration) error {
	return r.Subtract(ctx, key, index, expiry)
}

// Push appends an element to a vector.
func (r *Remote) Push(ctx context.Context, key, element data.Value, expiry time.Duration) error {
	return r.Add(ctx, key, element, data.KindVector, expiry)
}

// Pop removes the last element of a vector.
func (r *Remote) Pop(ctx context.Context, key data.Value, expiry time.Duration) error {
	return r.Subtract(ctx, key, key, expiry)
}

// value asks for one value.
func (r *Remote) value(ctx context.Context, op operation, operands ...data.Value) (data.Value, error) {
	for _, v := range operands {
		if v.TooDeep() {
			return data.Value{}, code.InvalidData
		}
	}
	got, err := r.query(ctx, op, operands...)
	if err != nil {
		return data.Value{}, err
	}
	in := args{rest: got.Values}
	return in.value(), in.err
}

// write asks for a write, and answers whether it inserted.
func (r *Remote) write(ctx context.Context, w Write) (bool, error) {
	if err := w.check(0); err != nil {
		return false, err
	}
	got, err := r.change(ctx, opWrite, writeArgs(nil, &w)...)
	if err != nil {
		return false, err
	}
	in := args{rest: got}
	ok := in.boolean()
	return ok, in.err
}
