// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// changes are the ways of writing that masters, clones and Remotes have in common.
type changes struct {
	to interface {
		Write(ctx context.Context, w Write) error
		Apply(ctx context.Context, b Batch) error
	}
}

// Put stores a value under a key; after expiry it goes away again, unless expiry is 0.
func (c changes) Put(ctx context.Context, key, value data.Value, expiry time.Duration) error {
	return c.to.Write(ctx, WritePut(key, value, expiry))
}

// Erase removes a key; that it is missing is no error.
func (c changes) Erase(ctx context.Context, key data.Value) error {
	return c.to.Write(ctx, WriteErase(key))
}

// Clear removes all keys.
func (c changes) Clear(ctx context.Context) error { return c.to.Write(ctx, WriteClear()) }

// Add adds an operand to the value of a key, or to the zero value of init if the key is missing (backend.Add). Like every change it
// replaces the expiry. Errors: code.TypeClash, code.InvalidData; at a clone of a foreign master nobody tells.
func (c changes) Add(ctx context.Context, key, operand data.Value, init data.Kind, expiry time.Duration) error {
	return c.to.Write(ctx, WriteAdd(key, operand, init, expiry))
}

// Subtract takes an operand from the value of a key (backend.Subtract). Errors: code.NoSuchKey, code.TypeClash; at a clone of a foreign
// master nobody tells.
func (c changes) Subtract(ctx context.Context, key, operand data.Value, expiry time.Duration) error {
	return c.to.Write(ctx, WriteSubtract(key, operand, expiry))
}

// CompareAndSet stores a value under a key if what is there equals old, or, with present false, if nothing is there. It answers whether
// it did.
func (c changes) CompareAndSet(ctx context.Context, key, old data.Value, present bool, value data.Value, expiry time.Duration) (bool, error) {
	err := c.to.Apply(ctx, Batch{If: []Condition{{key, present, old}}, Writes: []Write{WritePut(key, value, expiry)}})
	if errors.Is(err, ErrConditionFailed) {
		return false, nil
	}
	return err == nil, err
}

// Increment adds an amount; a missing key starts from zero of the amount's kind (a timespan from the epoch).
func (c changes) Increment(ctx context.Context, key, amount data.Value, expiry time.Duration) error {
	return c.Add(ctx, key, amount, backend.InitFor(amount.Kind()), expiry)
}

// Decrement subtracts an amount.
func (c changes) Decrement(ctx context.Context, key, amount data.Value, expiry time.Duration) error {
	return c.Subtract(ctx, key, amount, expiry)
}

// Append extends a string.
func (c changes) Append(ctx context.Context, key data.Value, text string, expiry time.Duration) error {
	return c.Add(ctx, key, data.String(text), data.KindString, expiry)
}

// InsertInto adds an element to a set.
func (c changes) InsertInto(ctx context.Context, key, element data.Value, expiry time.Duration) error {
	return c.Add(ctx, key, element, data.KindSet, expiry)
}

// InsertIntoTable sets an entry of a table.
func (c changes) InsertIntoTable(ctx context.Context, key, index, value data.Value, expiry time.Duration) error {
	return c.Add(ctx, key, data.Vector(index, value), data.KindTable, expiry)
}

// RemoveFrom removes an element from a set or an entry from a table.
func (c changes) RemoveFrom(ctx context.Context, key, index data.Value, expiry time.Duration) error {
	return c.Subtract(ctx, key, index, expiry)
}

// Push appends an element to a vector.
func (c changes) Push(ctx context.Context, key, element data.Value, expiry time.Duration) error {
	return c.Add(ctx, key, element, data.KindVector, expiry)
}

// Pop removes the last element of a vector.
func (c changes) Pop(ctx context.Context, key data.Value, expiry time.Duration) error {
	return c.Subtract(ctx, key, key, expiry)
}
