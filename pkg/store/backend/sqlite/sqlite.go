// SPDX-License-Identifier: Apache-2.0

// Package sqlite is the backend that keeps a store in a file that C++ Broker can open as well, and the other way round (spec/stores.md
// 7.4): the same tables, and keys and values in binary v1. SQLite itself is compiled to Go; there is no C in it.
//
// Beside the tables of the reference there are some of our own: a checksum for each entry, count and sum of them all, and the store's
// metas, all changed in the transaction of the entries and checked when the file is opened; what is read later is checked against its own
// checksum. A file that says in broker_version that the reference had it in the meantime gets its checksums anew.
//
// How many commits were acknowledged is also known outside of the database, in a small file beside it whose name ends in -mark: a log or a
// journal with damage looks to SQLite as if it ended there. A database that has fewer is not opened.
//
// Changes are collected in memory and written by Commit, many rows to a statement. While a file is open no other program can open it.
package sqlite

import (
	"bytes"
	"iter"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// batchLimit is how many bytes of changes are kept before they go to SQLite, still in the same transaction.
const batchLimit = 8 << 20

// Backend is a store in a SQLite file.
type Backend struct {
	path string
	o    Options
	// existed tells that the file was there before it was opened.
	existed bool

	// What is not yet in SQLite, and the size with it. These belong to the owner's goroutine.
	batch batch
	metas metaChanges
	size  backend.Size
	// key and value are where entries are encoded.
	key, value []byte
	hash       hasher
	seen       lookup

	// file is shared with those who read snapshots.
	file struct {
		sync.Mutex
		conn *sqlite3.Conn
		statements
		// failed is the first error. There is no use of the file after it.
		failed error
		// writing tells that a transaction with changes is open.
		writing bool
		// state is what the file's tables hold, with what the open transaction has changed.
		state state
		// committed is the size as of the last Commit.
		committed backend.Size
		// numbered counts the commits, mark those that were acknowledged; nil: nobody does.
		numbered numbered
		mark     *commitMark
		// next is the row ID of the next new entry. None is used twice.
		next   int64
		filter filter
		sums   sums
		// metas are the checksums of the metas in the file.
		metas map[string]uint64
		// snapshots are those that are not closed, aside what they keep in memory.
		snapshots []*Snapshot
		aside     int64
		// base is a snapshot of ours while SQLite has changes that are not committed: others that are taken then begin with it.
		base *Snapshot
		hash hasher
	}
}

// lookup is what the last look-up found in SQLite: a write follows on a read of its key.
type lookup struct {
	key   []byte
	row   row
	valid bool
}

var (
	_ backend.Backend = (*Backend)(nil)
)

// Get answers what is stored under a key.
func (b *Backend) Get(key data.Value) (backend.Entry, bool, error) {
	b.key = key.AppendBinary(b.key[:0])
	hash := xxhash.Sum64(b.key)
	if c := b.batch.find(b.key, hash); c != nil {
		if c.erased {
			return backend.Entry{}, false, nil
		}
		v, err := data.Decode(b.batch.bytes(c.value))
		return backend.Entry{Key: key, Value: v, Deadline: c.deadline}, err == nil, b.failure("get: decode value", err)
	}
	found, raw, err := b.lookUp(hash, true)
	if err != nil || !found.exists {
		return backend.Entry{}, false, err
	}
	v, err := data.Decode(raw)
	if err != nil {
		return backend.Entry{}, false, b.failure("get: decode value", err)
	}
	return backend.Entry{Key: key, Value: v, Deadline: found.deadline}, true, nil
}

// lookUp finds b.key in SQLite. The value is valid until the next call, and only there if it is wanted.
func (b *Backend) lookUp(hash uint64, wantValue bool) (row, []byte, error) {
	if b.batch.cleared {
		return row{}, nil, nil
	}
	if !wantValue && b.seen.valid && bytes.Equal(b.seen.key, b.key) {
		return b.seen.row, nil, nil
	}
	b.file.Lock()
	defer b.file.Unlock()
	found, raw, err := b.find(b.key, hash, b.value[:0])
	if err != nil {
		return row{}, nil, err
	}
	if raw != nil {
		b.value = raw
	}
	b.seen = lookup{key: append(b.seen.key[:0], b.key...), row: found, valid: true}
	return found, raw, nil
}

// Put stores an entry in the place of the one with its key.
func (b *Backend) Put(e backend.Entry) error {
	c, err := b.change(e.Key)
	if err != nil {
		return err
	}
	b.value = e.Value.AppendBinary(b.value[:0])
	c.value, c.deadline, c.erased = b.batch.keep(b.value), e.Deadline, false
	b.size.Entries++
	b.size.Bytes += int64(len(b.key) + len(b.value))
	return b.spill()
}

// change is what the batch has for a key, marked as erased; the size is without it.
func (b *Backend) change(key data.Value) (*change, error) {
	b.key = key.AppendBinary(b.key[:0])
	hash := xxhash.Sum64(b.key)
	c := b.batch.find(b.key, hash)
	var present bool
	var size int
	if c != nil {
		present, size = !c.erased, c.value.to-c.value.from
	} else {
		old, _, err := b.lookUp(hash, false)
		if err != nil {
			return nil, err
		}
		c = b.batch.add(b.key, hash, old)
		present, size = old.exists, int(old.size)
	}
	if present {
		b.size.Entries--
		b.size.Bytes -= int64(len(b.key) + size)
	}
	c.erased, c.value = true, span{}
	return c, nil
}

// Erase removes a key and answers whether it was there.
func (b *Backend) Erase(key data.Value) (bool, error) {
	before := b.size.Entries
	if _, err := b.change(key); err != nil {
		return false, err
	}
	return b.size.Entries < before, b.spill()
}

// Clear removes all entries.
func (b *Backend) Clear() error {
	if err := b.usable(); err != nil {
		return err
	}
	b.batch.forget()
	b.batch.cleared = true
	b.seen.valid = false
	b.size = backend.Size{}
	return nil
}

// spill writes a batch that has become large into the open transaction.
func (b *Backend) spill() error {
	if len(b.batch.arena) < batchLimit {
		return nil
	}
	b.file.Lock()
	defer b.file.Unlock()
	if b.file.base == nil {
		b.file.base = b.newSnapshot()
	}
	return b.write()
}

// Size tells how much is stored.
func (b *Backend) Size() backend.Size { return b.size }

// Commit writes the changes since the last one as SQLite's synchronous setting promises.
func (b *Backend) Commit() error {
	b.file.Lock()
	defer b.file.Unlock()
	if b.file.failed != nil {
		return b.file.failed
	}
	if b.batch.empty() && len(b.metas.changed) == 0 && !b.file.writing {
		return nil
	}
	if err := b.write(); err != nil {
		return err
	}
	if err := b.writeMetas(); err != nil {
		return err
	}
	b.file.numbered.commits++
	if err := b.writeState(); err != nil {
		return err
	}
	if err := b.file.commit.Exec(); err != nil {
		return b.fail("commit", err)
	}
	if b.file.mark != nil {
		if err := b.file.mark.set(); err != nil {
			return b.fail("write "+b.path+markSuffix, err)
		}
	}
	b.file.writing = false
	b.file.committed = b.size
	if b.file.base != nil {
		b.removeSnapshot(b.file.base)
		b.file.base = nil
	}
	return nil
}

// Expiring are the keys and deadlines of the entries that have a deadline, from an index: nothing else is read.
func (b *Backend) Expiring() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for i := range b.batch.changes {
			c := &b.batch.changes[i]
			if c.erased || c.deadline == backend.Never {
				continue
			}
			key, err := data.Decode(b.batch.bytes(c.key))
			if !yield(backend.Entry{Key: key, Deadline: c.deadline}, b.failure("read deadlines", err)) {
				return
			}
		}
		if b.batch.cleared {
			return
		}
		page, err := b.deadlines(nil)
		for ; err == nil && len(page) > 0; page, err = b.deadlines(&page[len(page)-1]) {
			for _, d := range page {
				if d.at == backend.Never || b.batch.find(d.key, xxhash.Sum64(d.key)) != nil {
					continue
				}
				key, err := data.Decode(d.key)
				if !yield(backend.Entry{Key: key, Deadline: d.at}, b.failure("read deadlines", err)) {
					return
				}
			}
		}
		if err != nil {
			yield(backend.Entry{}, err)
		}
	}
}

// deadline is a row of the index of deadlines.
type deadline struct {
	at  backend.Deadline
	key []byte
}

// deadlinePage is how many rows of the index are read at a time.
const deadlinePage = 1000

// deadlines are the rows after one, at most a page; nil: from the first on.
func (b *Backend) deadlines(after *deadline) (page []deadline, err error) {
	b.file.Lock()
	defer b.file.Unlock()
	if b.file.failed != nil {
		return nil, b.file.failed
	}
	stmt := b.file.firstDeadlines
	if after != nil {
		stmt = b.file.moreDeadlines
		if err := bind(stmt, int64(after.at), after.key); err != nil {
			return nil, b.fail("read deadlines", err)
		}
	}
	for stmt.Step() {
		page = append(page, deadline{at: backend.Deadline(stmt.ColumnInt64(0)), key: slices.Clone(stmt.ColumnRawBlob(1))})
	}
	if err := stmt.Reset(); err != nil {
		return nil, b.fail("read deadlines", err)
	}
	return page, nil
}

// Close rolls back what was not committed and closes the file.
func (b *Backend) Close() error {
	b.file.Lock()
	defer b.file.Unlock()
	if b.file.conn == nil {
		return nil
	}
	for _, s := range b.file.snapshots {
		s.release()
	}
	b.file.snapshots, b.batch = nil, newBatch()
	sound := b.file.failed == nil
	if sound {
		b.file.failed = backend.Failure(b.path, "use", errClosed)
	}
	return b.shut(sound)
}
