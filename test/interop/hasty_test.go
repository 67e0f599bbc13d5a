// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// hasty is a clone whose writes wait for nothing, as in the reference: a foreign master acknowledges them twice a second only.
type hasty struct{ *store.Clone }

func (h hasty) begin(w store.Write) error {
	h.WriteAsync(w)
	return nil
}

func (h hasty) Put(_ context.Context, key, value data.Value, expiry time.Duration) error {
	return h.begin(store.WritePut(key, value, expiry))
}

func (h hasty) Increment(_ context.Context, key, amount data.Value, expiry time.Duration) error {
	return h.begin(store.WriteAdd(key, amount, backend.InitFor(amount.Kind()), expiry))
}

func (h hasty) Decrement(_ context.Context, key, amount data.Value, expiry time.Duration) error {
	return h.begin(store.WriteSubtract(key, amount, expiry))
}

func (h hasty) Append(_ context.Context, key data.Value, text string, expiry time.Duration) error {
	return h.begin(store.WriteAdd(key, data.String(text), data.KindString, expiry))
}

func (h hasty) InsertInto(_ context.Context, key, element data.Value, expiry time.Duration) error {
	return h.begin(store.WriteAdd(key, element, data.KindSet, expiry))
}

func (h hasty) InsertIntoTable(_ context.Context, key, index, value data.Value, expiry time.Duration) error {
	return h.begin(store.WriteAdd(key, data.Vector(index, value), data.KindTable, expiry))
}

func (h hasty) RemoveFrom(_ context.Context, key, index data.Value, expiry time.Duration) error {
	return h.begin(store.WriteSubtract(key, index, expiry))
}

func (h hasty) Push(_ context.Context, key, element data.Value, expiry time.Duration) error {
	return h.begin(store.WriteAdd(key, element, data.KindVector, expiry))
}

func (h hasty) Pop(_ context.Context, key data.Value, expiry time.Duration) error {
	return h.begin(store.WriteSubtract(key, key, expiry))
}

func (h hasty) Erase(_ context.Context, key data.Value) error { return h.begin(store.WriteErase(key)) }

func (h hasty) Clear(context.Context) error { return h.begin(store.WriteClear()) }
