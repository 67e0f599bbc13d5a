// SPDX-License-Identifier: Apache-2.0

// Package memory is the backend that keeps entries in a hash table and forgets them when it is closed (spec/stores.md 7.2).
package memory

import (
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Backend is a store in memory. It keeps copies of what it is given. Commit does nothing, and what was changed without it stays.
type Backend struct {
	entries  map[string]data.Value
	expiring map[string]backend.Deadline
	bytes    int64
	// scratch is where keys are encoded for look-ups.
	scratch []byte
}

var _ backend.Backend = (*Backend)(nil)

// New is an empty backend.
func New() *Backend {
	return &Backend{entries: map[string]data.Value{}, expiring: map[string]backend.Deadline{}}
}

// Get answers what is stored under a key. The entry shares memory with the backend, which never changes it.
func (b *Backend) Get(key data.Value) (backend.Entry, bool, error) {
	b.scratch = key.AppendBinary(b.scratch[:0])
	value, ok := b.entries[string(b.scratch)]
	if !ok {
		return backend.Entry{}, false, nil
	}
	return backend.Entry{Key: key, Value: value, Deadline: b.deadline(string(b.scratch))}, true, nil
}

// Put stores an entry in the place of the one with its key.
func (b *Backend) Put(e backend.Entry) error {
	b.scratch = e.Key.AppendBinary(b.scratch[:0])
	size := e.Value.BinarySize()
	if old, ok := b.entries[string(b.scratch)]; ok {
		size -= old.BinarySize()
	} else {
		size += len(b.scratch)
	}
	key := string(b.scratch)
	b.entries[key] = e.Value.Clone()
	b.bytes += int64(size)
	if e.Deadline != backend.Never {
		b.expiring[key] = e.Deadline
	} else {
		delete(b.expiring, key)
	}
	return nil
}

// Erase removes a key and answers whether it was there.
func (b *Backend) Erase(key data.Value) (bool, error) {
	b.scratch = key.AppendBinary(b.scratch[:0])
	old, ok := b.entries[string(b.scratch)]
	if !ok {
		return false, nil
	}
	b.bytes -= int64(len(b.scratch) + old.BinarySize())
	delete(b.entries, string(b.scratch))
	delete(b.expiring, string(b.scratch))
	return true, nil
}

// Clear removes everything.
func (b *Backend) Clear() error {
	clear(b.entries)
	clear(b.expiring)
	b.bytes = 0
	return nil
}

// Entries are all entries in any order.
func (b *Backend) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for encoded, value := range b.entries {
			key, err := data.Decode([]byte(encoded))
			if !yield(backend.Entry{Key: key, Value: value, Deadline: b.deadline(encoded)}, err) {
				return
			}
		}
	}
}

// Expiring are the keys and deadlines of the entries that have a deadline.
func (b *Backend) Expiring() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for encoded, deadline := range b.expiring {
			key, err := data.Decode([]byte(encoded))
			if !yield(backend.Entry{Key: key, Deadline: deadline}, err) {
				return
			}
		}
	}
}

// Size tells how much is stored.
func (b *Backend) Size() backend.Size {
	return backend.Size{Entries: int64(len(b.entries)), Bytes: b.bytes}
}

// Commit does nothing.
func (b *Backend) Commit() error { return nil }

// Close forgets everything.
func (b *Backend) Close() error { return b.Clear() }

func (b *Backend) deadline(encoded string) backend.Deadline {
	if d, ok := b.expiring[encoded]; ok {
		return d
	}
	return backend.Never
}
