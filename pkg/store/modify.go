// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Increment adds an amount; a missing key starts from zero of the amount's kind (a timespan from the epoch).
func (o *operations) Increment(ctx context.Context, key, amount data.Value, expiry time.Duration) error {
	return o.Add(ctx, key, amount, backend.InitFor(amount.Kind()), expiry)
}

// Decrement subtracts an amount.
func (o *operations) Decrement(ctx context.Context, key, amount data.Value, expiry time.Duration) error {
	return o.Subtract(ctx, key, amount, expiry)
}

// Append extends a string.
func (o *operations) Append(ctx context.Context, key data.Value, text string, expiry time.Duration) error {
	return o.Add(ctx, key, data.String(text), data.KindString, expiry)
}

// InsertInto adds an element to a set.
func (o *operations) InsertInto(ctx context.Context, key, element data.Value, expiry time.Duration) error {
	return o.Add(ctx, key, element, data.KindSet, expiry)
}

// InsertIntoTable sets an entry of a table.
func (o *operations) InsertIntoTable(ctx context.Context, key, index, value data.Value, expiry time.Duration) error {
	return o.Add(ctx, key, data.Vector(index, value), data.KindTable, expiry)
}

// RemoveFrom removes an element from a set or an entry from a table.
func (o *operations) RemoveFrom(ctx context.Context, key, index data.Value, expiry time.Duration) error {
	return o.Subtract(ctx, key, index, expiry)
}

// Push appends an element to a vector.
func (o *operations) Push(ctx context.Context, key, element data.Value, expiry time.Duration) error {
	return o.Add(ctx, key, element, data.KindVector, expiry)
}

// Pop removes the last element of a vector.
func (o *operations) Pop(ctx context.Context, key data.Value, expiry time.Duration) error {
	return o.Subtract(ctx, key, key, expiry)
}
