// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"fmt"

	"github.com/cespare/xxhash/v2"
	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// totals are found by reading a table through.
type totals struct {
	entries, bytes int64
	sum            uint64
	// rows is the sum of what an index on the key should say, deadlines of what the index of deadlines should.
	rows, deadlines uint64
	next            int64
}

// verify compares everything in the file with its checksums, and learns from it what is kept in memory. structure has SQLite look at the
// structure of the pages before.
func (b *Backend) verify(structure bool) error {
	if structure {
		if err := b.pragmaSaysOK("quick_check"); err != nil {
			return err
		}
	}
	want, err := b.readState()
	if err != nil {
		return err
	}
	b.file.filter = newFilter(want.entries)
	got, err := b.readEntries()
	if err != nil {
		return err
	}
	if got.entries != want.entries || got.bytes != want.bytes || got.sum != want.sum {
		return b.damaged("%d entries of %d bytes with sum %x are listed, %d of %d bytes with sum %x are there",
			want.entries, want.bytes, want.sum, got.entries, got.bytes, got.sum)
	}
	if err := b.verifyIndices(got); err != nil {
		return err
	}
	found := want
	if found.metas, found.metaSum, err = b.verifyMetas(); err != nil {
		return err
	}
	if found != want {
		return b.damaged("%d metas with sum %x are listed, %d with sum %x are there", want.metas, want.metaSum, found.metas, found.metaSum)
	}
	b.file.state, b.file.next = want, max(b.file.next, got.next, 1)
	return nil
}

func (b *Backend) damaged(format string, args ...any) error {
	return b.fail("verify", fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrDamaged))
}

func (b *Backend) readState() (s state, err error) {
	rows, sum := 0, uint64(0)
	err = b.query("SELECT format, entries, bytes, sum, metas, metasum, checksum FROM brokermesh_state WHERE id = 1", func(stmt *sqlite3.Stmt) error {
		rows++
		s = state{
			format: stmt.ColumnInt64(0), entries: stmt.ColumnInt64(1), bytes: stmt.ColumnInt64(2), sum: uint64(stmt.ColumnInt64(3)),
			metas: stmt.ColumnInt64(4), metaSum: uint64(stmt.ColumnInt64(5)),
		}
		sum = uint64(stmt.ColumnInt64(6))
		return nil
	})
	if err == nil && (rows != 1 || sum != s.checksum() || s.format != Format) {
		err = b.damaged("the totals do not match their checksum")
	}
	if err == nil {
		_, err = b.readNumbered()
	}
	return s, err
}

// readEntries goes through entries and their checksums side by side.
func (b *Backend) readEntries() (t totals, err error) {
	chunks, _, err := b.file.conn.Prepare("SELECT chunk, sums FROM brokermesh_sums ORDER BY chunk")
	if err != nil {
		return t, b.fail("verify", err)
	}
	defer chunks.Close()
	var at *chunk // the chunk that the rows are in; a checksum is set to 0 when its row has come
	advance := func() error {
		if at != nil && at.sums != [chunkSize]byte{} {
			return b.damaged("a checksum in chunk %d has no entry", at.id)
		}
		at = nil
		if chunks.Step() {
			at = &chunk{id: chunks.ColumnInt64(0)}
			if raw := chunks.ColumnRawBlob(1); len(raw) != chunkSize {
				return b.damaged("chunk %d of checksums has %d bytes", at.id, len(raw))
			}
			copy(at.sums[:], chunks.ColumnRawBlob(1))
		}
		if err := chunks.Err(); err != nil {
			return b.fail("verify", err)
		}
		return nil
	}
	if err := advance(); err != nil {
		return t, err
	}
	err = b.eachEntry(func(id int64, key, value []byte, d backend.Deadline) error {
		for at != nil && at.id < id>>6 {
			if err := advance(); err != nil {
				return err
			}
		}
		sum := b.file.hash.entry(key, value, d)
		if at == nil || at.id != id>>6 || sumAt(at.sums[:], id) != sum {
			return b.fail("verify", fmt.Errorf("entry %x %w", key, errChecksum))
		}
		copy(at.sums[slot(id):], make([]byte, 8))
		t.add(id, key, value, d, sum)
		b.file.filter.add(xxhash.Sum64(key))
		return nil
	})
	for err == nil && at != nil {
		err = advance()
	}
	return t, err
}

func (t *totals) add(id int64, key, value []byte, d backend.Deadline, sum uint64) {
	hash := xxhash.Sum64(key)
	t.entries++
	t.bytes += int64(len(key) + len(value))
	t.sum += sum
	t.rows += link(hash, id)
	if d != backend.Never {
		t.deadlines += link(hash, int64(d))
	}
	t.next = max(t.next, id+1)
}

// eachEntry shows all entries in the order of their rows.
func (b *Backend) eachEntry(show func(id int64, key, value []byte, d backend.Deadline) error) error {
	var failed error
	err := b.query("SELECT rowid, key, expiry, value FROM store NOT INDEXED ORDER BY rowid", func(stmt *sqlite3.Stmt) error {
		if stmt.ColumnType(1) != sqlite3.BLOB {
			return fmt.Errorf("the key of row %d has another type: %w", stmt.ColumnInt64(0), ErrDamaged)
		}
		failed = show(stmt.ColumnInt64(0), stmt.ColumnRawBlob(1), stmt.ColumnRawBlob(3), deadlineAt(stmt, 2))
		return failed
	})
	if failed != nil {
		return failed
	}
	return err
}

// verifyIndices compares the indices with the entries.
func (b *Backend) verifyIndices(want totals) error {
	var rows, deadlines uint64
	err := b.query("SELECT key, rowid FROM store INDEXED BY sqlite_autoindex_store_1 ORDER BY key", func(stmt *sqlite3.Stmt) error {
		rows += link(xxhash.Sum64(stmt.ColumnRawBlob(0)), stmt.ColumnInt64(1))
		return typed(stmt, sqlite3.BLOB)
	})
	if err != nil {
		return err
	}
	err = b.query("SELECT key, expiry FROM store INDEXED BY brokermesh_expiring WHERE expiry IS NOT NULL ORDER BY expiry, key", func(stmt *sqlite3.Stmt) error {
		if d := backend.Deadline(stmt.ColumnInt64(1)); d != backend.Never {
			deadlines += link(xxhash.Sum64(stmt.ColumnRawBlob(0)), int64(d))
		}
		return typed(stmt, sqlite3.BLOB)
	})
	switch {
	case err != nil:
		return err
	case rows != want.rows:
		return b.damaged("the index of keys differs from the entries")
	case deadlines != want.deadlines:
		return b.damaged("the index of deadlines differs from the entries")
	}
	return nil
}

// typed makes sure that the key of an index has its type. With another one the same bytes have another place in the order, where nobody
// finds them.
func typed(stmt *sqlite3.Stmt, want sqlite3.Datatype) error {
	if got := stmt.ColumnType(0); got != want {
		return fmt.Errorf("a key in an index is of type %v, not %v: %w", got, want, ErrDamaged)
	}
	return nil
}

func (b *Backend) verifyMetas() (count int64, sum uint64, err error) {
	b.file.metas = map[string]uint64{}
	err = b.query("SELECT name, value, sum FROM brokermesh_metas ORDER BY name", func(stmt *sqlite3.Stmt) error {
		name, want := stmt.ColumnText(0), uint64(stmt.ColumnInt64(2))
		if b.file.hash.meta(name, bytes.Clone(stmt.ColumnRawBlob(1))) != want {
			return fmt.Errorf("meta %q %w", name, errChecksum)
		}
		b.file.metas[name] = want
		count++
		sum += want
		return typed(stmt, sqlite3.TEXT)
	})
	return count, sum, err
}

// rebuild makes the checksums anew from what is there, and forgets the metas.
func (b *Backend) rebuild() error {
	for _, sql := range []string{"DELETE FROM brokermesh_sums", "DELETE FROM brokermesh_metas", "DELETE FROM brokermesh_state"} {
		if err := b.exec(sql); err != nil {
			return err
		}
	}
	var count int64
	if err := b.query("SELECT count(*) FROM store", func(stmt *sqlite3.Stmt) error { count = stmt.ColumnInt64(0); return nil }); err != nil {
		return err
	}
	f := &b.file
	f.filter, f.sums, f.metas = newFilter(count), newSums(b.o.chunks), map[string]uint64{}
	if err := b.prepare(); err != nil {
		return err
	}
	f.next = 1 << 62 // so that chunks are looked for
	var t totals
	err := b.eachEntry(func(id int64, key, value []byte, d backend.Deadline) error {
		for _, p := range [][]byte{key, value} {
			if err := data.Validate(p); err != nil {
				return b.fail("make checksums", fmt.Errorf("entry %x is no value: %w: %w", key, ErrDamaged, err))
			}
		}
		sum := f.hash.entry(key, value, d)
		t.add(id, key, value, d, sum)
		f.filter.add(xxhash.Sum64(key))
		if len(f.sums.dirty) >= f.sums.limit/2 && f.sums.chunks[id>>6] == nil {
			if err := b.writeSums(); err != nil {
				return err
			}
		}
		return b.setSum(id, sum)
	})
	if err != nil {
		return err
	}
	if err := b.writeSums(); err != nil {
		return err
	}
	f.next = max(t.next, 1)
	f.state = state{format: Format, entries: t.entries, bytes: t.bytes, sum: t.sum}
	return b.writeState()
}
