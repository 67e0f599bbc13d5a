// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Entries are all entries as they are at the moment of the call, in any order. Writers are not held up meanwhile.
func (o *operations) Entries(ctx context.Context) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		snapshot, err := o.Snapshot(ctx)
		if err != nil {
			yield(backend.Entry{}, err)
			return
		}
		defer snapshot.Close()
		for e, err := range snapshot.Entries() {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Entries are all entries as they are at the moment of the call, in any order.
func (r *Remote) Entries(ctx context.Context) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		scan, err := r.Scan(ctx, ScanOptions{})
		if err != nil {
			yield(backend.Entry{}, err)
			return
		}
		defer scan.Close()
		scan.Entries(ctx)(yield)
	}
}

// MapFrontend is what a Map needs: a *Master, a *Clone or a *Remote.
type MapFrontend interface {
	Get(ctx context.Context, key data.Value) (data.Value, error)
	Put(ctx context.Context, key, value data.Value, expiry time.Duration) error
	PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error)
	Erase(ctx context.Context, key data.Value) error
	Entries(ctx context.Context) iter.Seq2[backend.Entry, error]
}

// Map is a store whose keys and values are Go values, converted as data.Marshal and data.Unmarshal do. Errors of conversion name the
// store and say whether it was a key or a value.
type Map[K, V any] struct {
	frontend MapFrontend
}

// NewMap is a typed view of a frontend.
func NewMap[K, V any](f MapFrontend) *Map[K, V] { return &Map[K, V]{f} }

// MapEntry is an entry of a Map.
type MapEntry[K, V any] struct {
	Key   K
	Value V
	// Expires is when the entry goes away; zero: never, as far as is known.
	Expires time.Time
}

// Get is the value of a key. ok is false if there is none.
func (m *Map[K, V]) Get(ctx context.Context, key K) (value V, ok bool, err error) {
	k, err := toValue("key", key)
	if err != nil {
		return value, false, err
	}
	v, err := m.frontend.Get(ctx, k)
	switch {
	case errors.Is(err, code.NoSuchKey):
		return value, false, nil
	case err != nil:
		return value, false, err
	}
	value, err = fromValue[V]("value", v)
	return value, err == nil, err
}

// Put stores a value under a key; after expiry it goes away again, unless expiry is 0.
func (m *Map[K, V]) Put(ctx context.Context, key K, value V, expiry time.Duration) error {
	k, v, err := m.values(key, value)
	if err != nil {
		return err
	}
	return m.frontend.Put(ctx, k, v, expiry)
}

// PutUnique stores a value under a key that holds none, and answers whether it did.
func (m *Map[K, V]) PutUnique(ctx context.Context, key K, value V, expiry time.Duration) (bool, error) {
	k, v, err := m.values(key, value)
	if err != nil {
		return false, err
	}
	return m.frontend.PutUnique(ctx, k, v, expiry)
}

// Erase removes a key; that it is missing is no error.
func (m *Map[K, V]) Erase(ctx context.Context, key K) error {
	k, err := toValue("key", key)
	if err != nil {
		return err
	}
	return m.frontend.Erase(ctx, k)
}

// All are the entries as they are at the moment of the call, in any order. An entry that is not of these types comes with an error, and
// the next ones follow.
func (m *Map[K, V]) All(ctx context.Context) iter.Seq2[MapEntry[K, V], error] {
	return func(yield func(MapEntry[K, V], error) bool) {
		for e, err := range m.frontend.Entries(ctx) {
			var entry MapEntry[K, V]
			if err == nil {
				entry, err = entryOf[K, V](e)
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

func (m *Map[K, V]) values(key K, value V) (k, v data.Value, err error) {
	if k, err = toValue("key", key); err == nil {
		v, err = toValue("value", value)
	}
	return k, v, err
}

func entryOf[K, V any](e backend.Entry) (entry MapEntry[K, V], err error) {
	if entry.Key, err = fromValue[K]("key", e.Key); err != nil {
		return entry, err
	}
	if e.Deadline != backend.Never {
		entry.Expires = time.Unix(0, int64(e.Deadline))
	}
	entry.Value, err = fromValue[V]("value of "+e.Key.String(), e.Value)
	return entry, err
}

func toValue(what string, x any) (data.Value, error) {
	v, err := data.Marshal(x)
	if err != nil {
		return v, fmt.Errorf("store: %s: %w", what, err)
	}
	return v, nil
}

func fromValue[T any](what string, v data.Value) (x T, err error) {
	if err := data.Unmarshal(v, &x); err != nil {
		return x, fmt.Errorf("store: %s: %w", what, err)
	}
	return x, nil
}
