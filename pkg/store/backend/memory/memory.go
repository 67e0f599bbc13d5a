// SPDX-License-Identifier: Apache-2.0

// Package memory is the backend that keeps entries in a hash table and forgets them when it is closed (spec/stores.md 7.2).
package memory

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Backend is a store in memory. It keeps copies of what it is given. Commit does nothing, and what was changed without it stays.
type Backend struct {
	entries  map[string]data.Value
	expiring map[string]backend.Deadline
	bytes    int64
	metas    map[string][]byte
	// undo is what the keys changed since the last commit held before; nil: nothing.
	undo map[string]*backend.Entry
	// scratch is where keys are encoded for look-ups.
	scratch []byte
}

var _ backend.Backend = (*Backend)(nil)

// New is an empty backend.
func New() *Backend {
	return &Backend{entries: map[string]data.Value{}, expiring: map[string]backend.Deadline{}, metas: map[string][]byte{}, undo: map[string]*backend.Entry{}}
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
	b.remember(key)
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
	b.remember(string(b.scratch))
	b.bytes -= int64(len(b.scratch) + old.BinarySize())
	delete(b.entries, string(b.scratch))
	delete(b.expiring, string(b.scratch))
	return true, nil
}

// Clear removes everything.
func (b *Backend) Clear() error {
	for key := range b.entries {
		b.remember(key)
	}
	clear(b.entries)
	clear(b.expiring)
	b.bytes = 0
	return nil
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

// remember keeps what a key holds before it is changed for the first time since the last commit.
func (b *Backend) remember(key string) {
	if _, ok := b.undo[key]; ok {
		return
	}
	if old, ok := b.entries[key]; ok {
		b.undo[key] = &backend.Entry{Value: old, Deadline: b.deadline(key)}
	} else {
		b.undo[key] = nil
	}
}

// Snapshot is the content as of the last Commit.
func (b *Backend) Snapshot() (backend.Snapshot, error) {
	s := &snapshot{entries: maps.Clone(b.entries), expiring: maps.Clone(b.expiring)}
	for key, old := range b.undo {
		delete(s.entries, key)
		delete(s.expiring, key)
		if old == nil {
			continue
		}
		s.entries[key] = old.Value
		if old.Deadline != backend.Never {
			s.expiring[key] = old.Deadline
		}
	}
	for key, value := range s.entries {
		s.size.Entries++
		s.size.Bytes += int64(len(key) + value.BinarySize())
	}
	return s, nil
}

// Meta is a small value of the store itself.
func (b *Backend) Meta(name string) ([]byte, error) { return b.metas[name], nil }

// SetMeta replaces the value under a name.
func (b *Backend) SetMeta(name string, value []byte) error {
	if value == nil {
		delete(b.metas, name)
		return nil
	}
	b.metas[name] = append([]byte{}, value...)
	return nil
}

// Metas are those whose names begin with the prefix.
func (b *Backend) Metas(prefix string) iter.Seq2[backend.Meta, error] {
	return func(yield func(backend.Meta, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(b.metas)) {
			if strings.HasPrefix(name, prefix) && !yield(backend.Meta{Name: name, Value: b.metas[name]}, nil) {
				return
			}
		}
	}
}

// Commit ends a transaction. Everything is kept already.
func (b *Backend) Commit() error {
	clear(b.undo)
	return nil
}

// Close forgets everything.
func (b *Backend) Close() error { return b.Clear() }

func (b *Backend) deadline(encoded string) backend.Deadline {
	if d, ok := b.expiring[encoded]; ok {
		return d
	}
	return backend.Never
}
