// SPDX-License-Identifier: Apache-2.0

// Package sqlite is the backend that keeps a store in a file that C++ Broker can open as well, and the other way round (spec/stores.md
// 7.4): the same tables, and keys and values in binary v1.
//
// The writes of a batch are one transaction. SQLite itself is compiled to Go; there is no C in it.
package sqlite

import (
	"bytes"
	"iter"
	"slices"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Version is what the file says about who wrote it last.
const Version = "2.8.0+brokermesh"

// Backend is a store in a SQLite file.
type Backend struct {
	path                           string
	conn                           *sqlite3.Conn
	get, put, erase, deadlines     *sqlite3.Stmt
	meta, setMeta, dropMeta, metas *sqlite3.Stmt
	size                           backend.Size
	// writing tells that a transaction is open.
	writing bool
	// key and value are where entries are encoded.
	key, value []byte
	// seen is what the last look-up found under b.key, as long as nothing was changed since: a write follows on a read of its key.
	seen lookup
}

type lookup struct {
	key    []byte
	exists bool
	size   int64
	valid  bool
}

var _ backend.Backend = (*Backend)(nil)

// Get answers what is stored under a key.
func (b *Backend) Get(key data.Value) (backend.Entry, bool, error) {
	b.key = key.AppendBinary(b.key[:0])
	if err := b.get.BindBlob(1, b.key); err != nil {
		return backend.Entry{}, false, backend.Failure(b.path, "get", err)
	}
	if !b.get.Step() {
		err := b.get.Reset()
		b.saw(false, 0)
		return backend.Entry{}, false, backend.Failure(b.path, "get", err)
	}
	b.saw(true, len(b.get.ColumnRawBlob(0)))
	value, err := data.Decode(b.get.ColumnRawBlob(0))
	e := backend.Entry{Key: key, Value: value, Deadline: deadline(b.get, 1)}
	if err != nil {
		b.get.Reset()
		return backend.Entry{}, false, backend.Failure(b.path, "get: decode value", err)
	}
	return e, true, backend.Failure(b.path, "get", b.get.Reset())
}

// Put stores an entry in the place of the one with its key.
func (b *Backend) Put(e backend.Entry) error {
	before, existed, err := b.sizeOf(e.Key)
	if err != nil {
		return err
	}
	if err := b.begin(); err != nil {
		return err
	}
	b.value = e.Value.AppendBinary(b.value[:0])
	if err := b.bindPut(e.Deadline); err != nil {
		return backend.Failure(b.path, "put", err)
	}
	if err := b.put.Exec(); err != nil {
		return backend.Failure(b.path, "put", err)
	}
	b.size.Bytes += int64(len(b.key)+len(b.value)) - before
	if !existed {
		b.size.Entries++
	}
	return nil
}

func (b *Backend) bindPut(d backend.Deadline) error {
	if err := b.put.BindBlob(1, b.key); err != nil {
		return err
	}
	if err := b.put.BindBlob(2, b.value); err != nil {
		return err
	}
	if d == backend.Never {
		return b.put.BindNull(3)
	}
	return b.put.BindInt64(3, int64(d))
}

// Erase removes a key and answers whether it was there.
func (b *Backend) Erase(key data.Value) (bool, error) {
	before, existed, err := b.sizeOf(key)
	if err != nil || !existed {
		return false, err
	}
	if err := b.begin(); err != nil {
		return false, err
	}
	if err := b.erase.BindBlob(1, b.key); err != nil {
		return false, backend.Failure(b.path, "erase", err)
	}
	if err := b.erase.Exec(); err != nil {
		return false, backend.Failure(b.path, "erase", err)
	}
	b.size.Bytes -= before
	b.size.Entries--
	return true, nil
}

// sizeOf leaves the encoded key in b.key and answers what its entry takes.
func (b *Backend) sizeOf(key data.Value) (size int64, ok bool, err error) {
	b.key = key.AppendBinary(b.key[:0])
	if b.seen.valid && bytes.Equal(b.key, b.seen.key) {
		return b.seen.size, b.seen.exists, nil
	}
	if err := b.get.BindBlob(1, b.key); err != nil {
		return 0, false, backend.Failure(b.path, "look up", err)
	}
	if ok = b.get.Step(); ok {
		size = int64(len(b.key) + len(b.get.ColumnRawBlob(0)))
	}
	return size, ok, backend.Failure(b.path, "look up", b.get.Reset())
}

// Clear removes everything.
func (b *Backend) Clear() error {
	if err := b.begin(); err != nil {
		return err
	}
	if err := b.conn.Exec("DELETE FROM store"); err != nil {
		return backend.Failure(b.path, "clear", err)
	}
	b.size = backend.Size{}
	return nil
}

// Expiring are the keys and deadlines of the entries that have a deadline.
func (b *Backend) Expiring() iter.Seq2[backend.Entry, error] {
	return rows(b.path, b.deadlines, false)
}

// rows reads key, expiry and perhaps value.
func rows(path string, stmt *sqlite3.Stmt, withValue bool) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		defer stmt.Reset()
		for stmt.Step() {
			e, err := backend.Entry{Deadline: deadline(stmt, 1)}, error(nil)
			if e.Key, err = data.Decode(stmt.ColumnRawBlob(0)); err == nil && withValue {
				e.Value, err = data.Decode(stmt.ColumnRawBlob(2))
			}
			if err != nil {
				yield(backend.Entry{}, backend.Failure(path, "read all: decode entry", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := stmt.Err(); err != nil {
			yield(backend.Entry{}, backend.Failure(path, "read all", err))
		}
	}
}

func deadline(stmt *sqlite3.Stmt, column int) backend.Deadline {
	if stmt.ColumnType(column) == sqlite3.NULL {
		return backend.Never
	}
	return backend.Deadline(stmt.ColumnInt64(column))
}

// Size tells how much is stored.
func (b *Backend) Size() backend.Size { return b.size }

// saw remembers what is under b.key.
func (b *Backend) saw(exists bool, valueSize int) {
	b.seen = lookup{key: append(b.seen.key[:0], b.key...), exists: exists, valid: true}
	if exists {
		b.seen.size = int64(len(b.key) + valueSize)
	}
}

// begin opens a transaction for a change, unless there is one.
func (b *Backend) begin() error {
	b.seen.valid = false
	if b.writing {
		return nil
	}
	if err := b.conn.Exec("BEGIN IMMEDIATE"); err != nil {
		return backend.Failure(b.path, "begin", err)
	}
	b.writing = true
	return nil
}

// Commit writes the changes since the last one as SQLite's synchronous setting promises.
func (b *Backend) Commit() error {
	if !b.writing {
		return nil
	}
	if err := b.conn.Exec("COMMIT"); err != nil {
		return backend.Failure(b.path, "commit", err)
	}
	b.writing = false
	return nil
}

// Close rolls back what was not committed and closes the file.
func (b *Backend) Close() error {
	if b.conn == nil {
		return nil
	}
	if b.writing {
		b.conn.Exec("ROLLBACK") // closing does the same
	}
	for _, stmt := range slices.Collect(b.conn.Stmts()) {
		stmt.Close()
	}
	err := b.conn.Close()
	b.conn = nil
	return backend.Failure(b.path, "close", err)
}
