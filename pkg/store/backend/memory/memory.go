// SPDX-License-Identifier: Apache-2.0

// Package memory is the backend that keeps entries in a hash table and forgets them when it is closed (spec/stores.md 7.2).
//
// An entry takes its encoded key and value and about 60 bytes more. A snapshot costs a copy of the table's directory, and one of each
// group of entries that is changed afterwards; it may be kept for as long as one likes.
package memory

import (
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// never is backend.Never.
const never = int64(backend.Never)

// EntryBytes is what MaxBytes counts for an entry besides its encoded key and value.
const EntryBytes = 64

// Options configure a Backend.
type Options struct {
	// MaxBytes bounds the encoded keys and values with EntryBytes for each entry; 0: not at all. Beyond that Put answers
	// backend.ErrFull.
	MaxBytes int64
}

// Backend is a store in memory. It keeps copies of what it is given. What was changed without Commit stays, but snapshots don't have it.
type Backend struct {
	opt   Options
	seed  maphash.Seed
	table table
	bytes int64
	metas map[string][]byte
	// undo is what leads back to the last commit, to be followed from its end.
	undo []undo
	// scratch is where entries are encoded.
	scratch []byte
	// warmed is where Warm leaves what it has no use for.
	warmed uint32
}

// undo takes back one change: it puts a record in the place of the one with its key, or removes that, or brings a whole table back.
type undo struct {
	record   record
	inserted bool
	cleared  *content
}

// content is a table with its size.
type content struct {
	table table
	bytes int64
}

var _ backend.Backend = (*Backend)(nil)

// New is an empty backend without bounds.
func New() *Backend { return Open(Options{}) }

// Open is an empty backend.
func Open(o Options) *Backend {
	return &Backend{opt: o, seed: maphash.MakeSeed(), table: newTable(), metas: map[string][]byte{}}
}

// find leaves the encoded key in scratch and answers where it is.
func (b *Backend) find(key data.Value) (hash, *group, int) {
	b.scratch = key.AppendBinary(b.scratch[:0])
	h := hash(maphash.Bytes(b.seed, b.scratch))
	g, i := b.table.find(h, b.scratch)
	return h, g, i
}

// Get answers what is stored under a key. The value shares memory with the backend, which never changes it.
func (b *Backend) Get(key data.Value) (backend.Entry, bool, error) {
	_, g, i := b.find(key)
	if i < 0 {
		return backend.Entry{}, false, nil
	}
	return entry(key, &g.recs[i])
}

func entry(key data.Value, r *record) (backend.Entry, bool, error) {
	value, err := data.ViewString(r.value())
	if err != nil {
		return backend.Entry{}, false, backend.Failure("memory", "get", err)
	}
	return backend.Entry{Key: key, Value: value, Deadline: backend.Deadline(r.deadline)}, true, nil
}

// Put stores an entry in the place of the one with its key. The error backend.ErrFull changes nothing.
func (b *Backend) Put(e backend.Entry) error {
	h, g, i := b.find(e.Key)
	return b.put(e, h, g, i)
}

// Swap is Put, and answers the entry that was there.
func (b *Backend) Swap(e backend.Entry) (old backend.Entry, ok bool, err error) {
	h, g, i := b.find(e.Key)
	if i >= 0 {
		if old, ok, err = entry(e.Key, &g.recs[i]); err != nil {
			return old, ok, err
		}
	}
	return old, ok, b.put(e, h, g, i)
}

// put stores an entry whose encoded key is in scratch.
func (b *Backend) put(e backend.Entry, h hash, g *group, i int) error {
	keySize := len(b.scratch)
	b.scratch = e.Value.AppendBinary(b.scratch)
	growth := int64(len(b.scratch))
	if i >= 0 {
		growth -= int64(len(g.recs[i].data))
	}
	if growth > 0 && b.opt.MaxBytes > 0 && b.used()+growth > b.opt.MaxBytes {
		return fmt.Errorf("%w: MaxBytes is %d", backend.ErrFull, b.opt.MaxBytes)
	}
	b.bytes += growth
	r := record{data: string(b.scratch), deadline: int64(e.Deadline), keySize: uint32(keySize)}
	if i >= 0 {
		b.undo = append(b.undo, undo{record: b.table.replace(g, i, r)})
		return nil
	}
	if err := b.table.insert(g, h, r); err != nil {
		return backend.Failure("memory", "put", err)
	}
	b.undo = append(b.undo, undo{record: r, inserted: true})
	return nil
}

// used is what counts for MaxBytes, with the entry that may come.
func (b *Backend) used() int64 { return b.bytes + int64(b.table.count+1)*EntryBytes }

// Room is how many bytes may come before Put answers backend.ErrFull, with EntryBytes for each entry.
func (b *Backend) Room() (int64, bool) {
	return b.opt.MaxBytes - b.used() + EntryBytes, b.opt.MaxBytes > 0
}

// Erase removes a key and answers whether it was there.
func (b *Backend) Erase(key data.Value) (bool, error) {
	h, g, i := b.find(key)
	if i < 0 {
		return false, nil
	}
	old := b.table.remove(g, i, h)
	b.bytes -= int64(len(old.data))
	b.undo = append(b.undo, undo{record: old})
	return true, nil
}

// Clear removes all entries.
func (b *Backend) Clear() error {
	b.undo = append(b.undo, undo{cleared: &content{b.table, b.bytes}})
	generation := b.table.generation
	b.table, b.bytes = newTable(), 0
	b.table.generation = generation
	b.table.dir[0].generation = generation
	return nil
}

// Expiring are the keys and deadlines of the entries that have a deadline.
func (b *Backend) Expiring() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for g := range b.table.groups {
			for i := 0; i < int(g.n) && g.expiring > 0; i++ {
				r := &g.recs[i]
				if r.deadline == never {
					continue
				}
				key, err := data.ViewString(r.key())
				if !yield(backend.Entry{Key: key, Deadline: backend.Deadline(r.deadline)}, err) {
					return
				}
			}
		}
	}
}

// Size tells how much is stored.
func (b *Backend) Size() backend.Size {
	return backend.Size{Entries: int64(b.table.count), Bytes: b.bytes}
}

// Meta is a small value of the store itself.
func (b *Backend) Meta(name string) ([]byte, error) { return slices.Clone(b.metas[name]), nil }

// SetMeta replaces the value under a name.
func (b *Backend) SetMeta(name string, value []byte) error {
	if value == nil {
		delete(b.metas, name)
		return nil
	}
	b.metas[name] = append(make([]byte, 0, len(value)), value...)
	return nil
}

// Metas are those whose names begin with the prefix.
func (b *Backend) Metas(prefix string) iter.Seq2[backend.Meta, error] {
	return func(yield func(backend.Meta, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(b.metas)) {
			if strings.HasPrefix(name, prefix) && !yield(backend.Meta{Name: name, Value: slices.Clone(b.metas[name])}, nil) {
				return
			}
		}
	}
}

// undosKept is how much room for the changes of a transaction is kept for the next.
const undosKept = 1 << 16

// Commit ends a transaction. Everything is kept already.
func (b *Backend) Commit() error {
	if cap(b.undo) > undosKept {
		b.undo = nil
		return nil
	}
	clear(b.undo)
	b.undo = b.undo[:0]
	return nil
}

// Volatile says that nothing is left after Close.
func (b *Backend) Volatile() {}

// Close forgets everything.
func (b *Backend) Close() error {
	b.table, b.bytes, b.undo = newTable(), 0, nil
	return nil
}
