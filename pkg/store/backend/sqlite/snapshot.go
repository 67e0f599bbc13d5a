// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"errors"
	"iter"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// snapshot is a copy of all entries.
type snapshot struct {
	entries []backend.Entry
	size    backend.Size
	byKey   map[string]int
}

// Snapshot is the content as of the last Commit. It is read whole, by a connection of its own.
func (b *Backend) Snapshot() (result backend.Snapshot, err error) {
	conn, err := sqlite3.OpenFlags(b.path, sqlite3.OPEN_READONLY)
	if err != nil {
		return nil, backend.Failure(b.path, "take a snapshot", err)
	}
	defer func() { err = errors.Join(err, backend.Failure(b.path, "take a snapshot", conn.Close())) }()
	if err := conn.BusyTimeout(busyTimeout); err != nil {
		return nil, backend.Failure(b.path, "take a snapshot", err)
	}
	stmt, _, err := conn.Prepare("SELECT key, expiry, value FROM store")
	if err != nil {
		return nil, backend.Failure(b.path, "take a snapshot", err)
	}
	defer stmt.Close()
	s := &snapshot{byKey: map[string]int{}}
	for e, err := range rows(b.path, stmt, true) {
		if err != nil {
			return nil, err
		}
		s.byKey[string(e.Key.AppendBinary(nil))] = len(s.entries)
		s.entries = append(s.entries, e)
		s.size.Entries++
		s.size.Bytes += int64(e.Key.BinarySize() + e.Value.BinarySize())
	}
	return s, nil
}

func (s *snapshot) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for _, e := range s.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (s *snapshot) Get(key data.Value) (backend.Entry, bool, error) {
	i, ok := s.byKey[string(key.AppendBinary(nil))]
	if !ok {
		return backend.Entry{}, false, nil
	}
	return s.entries[i], true, nil
}

func (s *snapshot) Size() backend.Size { return s.size }

func (s *snapshot) Close() error {
	s.entries, s.byKey = nil, nil
	return nil
}

// Meta is a small value of the store itself.
func (b *Backend) Meta(name string) (value []byte, err error) {
	if err := b.meta.BindText(1, name); err != nil {
		return nil, backend.Failure(b.path, "read "+name, err)
	}
	if b.meta.Step() {
		value = append([]byte{}, b.meta.ColumnRawBlob(0)...)
	}
	return value, backend.Failure(b.path, "read "+name, b.meta.Reset())
}

// SetMeta replaces the value under a name.
func (b *Backend) SetMeta(name string, value []byte) error {
	if err := b.begin(); err != nil {
		return err
	}
	stmt := b.setMeta
	if value == nil {
		stmt = b.dropMeta
	} else if err := stmt.BindBlob(2, value); err != nil {
		return backend.Failure(b.path, "write "+name, err)
	}
	if err := stmt.BindText(1, name); err != nil {
		return backend.Failure(b.path, "write "+name, err)
	}
	return backend.Failure(b.path, "write "+name, stmt.Exec())
}

// Metas are those whose names begin with the prefix.
func (b *Backend) Metas(prefix string) iter.Seq2[backend.Meta, error] {
	return func(yield func(backend.Meta, error) bool) {
		if err := b.metas.BindText(1, prefix); err != nil {
			yield(backend.Meta{}, backend.Failure(b.path, "read metas", err))
			return
		}
		defer b.metas.Reset()
		for b.metas.Step() {
			m := backend.Meta{Name: b.metas.ColumnText(0), Value: append([]byte{}, b.metas.ColumnRawBlob(1)...)}
			if !yield(m, nil) {
				return
			}
		}
		if err := b.metas.Err(); err != nil {
			yield(backend.Meta{}, backend.Failure(b.path, "read metas", err))
		}
	}
}
