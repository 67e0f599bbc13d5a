// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
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

// PutUnique stores a value under a key that holds none, and answers whether it did.
func (r *Remote) PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error) {
	return r.write(ctx, WritePutUnique(key, value, expiry))
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
