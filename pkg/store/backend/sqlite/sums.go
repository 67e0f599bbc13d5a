// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"encoding/binary"
	"fmt"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

const (
	// chunkRows is how many rows have their checksums in one row of brokermesh_sums: those whose IDs have all but the low bits in common.
	chunkRows = 64
	chunkSize = 8 * chunkRows
	// keptChunks is how many stay in memory. Half of them at most are there to be written.
	keptChunks = 2048
)

// sums are chunks of checksums in memory: those that are to be written, and some more.
type sums struct {
	chunks map[int64]*chunk
	dirty  []*chunk
	limit  int
}

type chunk struct {
	id    int64
	dirty bool
	sums  [chunkSize]byte
}

func newSums(limit int) sums { return sums{chunks: map[int64]*chunk{}, limit: limit} }

// sumAt is the checksum of a row in a chunk, 0 if it has none.
func sumAt(chunk []byte, row int64) uint64 {
	if len(chunk) != chunkSize {
		return 0
	}
	return binary.LittleEndian.Uint64(chunk[slot(row):])
}

func slot(row int64) int64 { return (row & (chunkRows - 1)) * 8 }

// chunkOf finds a chunk, or makes an empty one. fetched is what was just read of it, if it was.
func (b *Backend) chunkOf(id int64, fetched []byte) (*chunk, error) {
	s := &b.file.sums
	if c := s.chunks[id]; c != nil {
		return c, nil
	}
	c := &chunk{id: id}
	if fetched == nil && id <= (b.file.next-1)>>6 {
		stmt := b.file.readSums
		if err := stmt.BindInt64(1, id); err != nil {
			return nil, b.fail("read checksums", err)
		}
		if stmt.Step() {
			copy(c.sums[:], stmt.ColumnRawBlob(0))
		}
		if err := stmt.Reset(); err != nil {
			return nil, b.fail("read checksums", err)
		}
	}
	copy(c.sums[:], fetched)
	if len(s.chunks) >= s.limit {
		for id, old := range s.chunks { // any of them
			if !old.dirty {
				delete(s.chunks, id)
				break
			}
		}
	}
	s.chunks[id] = c
	return c, nil
}

// setSum notes the checksum of a row.
func (b *Backend) setSum(row int64, sum uint64) error {
	c, err := b.chunkOf(row>>6, nil)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(c.sums[slot(row):], sum)
	if !c.dirty {
		c.dirty = true
		b.file.sums.dirty = append(b.file.sums.dirty, c)
	}
	return nil
}

// writeSums writes the chunks that were changed.
func (b *Backend) writeSums() error {
	s := &b.file.sums
	err := b.file.putSums.run(len(s.dirty), func(stmt *sqlite3.Stmt, at, i int) error {
		if err := stmt.BindInt64(at, s.dirty[i].id); err != nil {
			return err
		}
		return stmt.BindBlob(at+1, s.dirty[i].sums[:])
	})
	if err != nil {
		return b.fail("write checksums", err)
	}
	for _, c := range s.dirty {
		c.dirty = false
	}
	s.dirty = s.dirty[:0]
	if len(s.chunks) > s.limit {
		s.chunks = map[int64]*chunk{}
	}
	return nil
}

// find reads the row of a key, checks it, and appends the value to dst. It needs the lock.
func (b *Backend) find(key []byte, hash uint64, dst []byte) (row, []byte, error) {
	f := &b.file
	if f.failed != nil {
		return row{}, nil, f.failed
	}
	if !f.filter.mayContain(hash) {
		return row{}, nil, nil
	}
	if err := f.get.BindBlob(1, key); err != nil {
		return row{}, nil, b.fail("get", err)
	}
	if !f.get.Step() {
		if err := f.get.Reset(); err != nil {
			return row{}, nil, b.fail("get", err)
		}
		return row{}, nil, nil
	}
	r, value, err := b.checked(f.get, key)
	if err == nil {
		_, err = b.chunkOf(r.id>>6, f.get.ColumnRawBlob(4))
	}
	if err != nil {
		f.get.Reset()
		return row{}, nil, err
	}
	dst = append(dst, value...)
	if err := f.get.Reset(); err != nil {
		return row{}, nil, b.fail("get", err)
	}
	return r, dst, nil
}

// checked is the row that a statement stands at, compared with its checksum. The statement's columns are ID, key, value, expiry and chunk;
// key is what was asked for, or the row's own.
func (b *Backend) checked(stmt *sqlite3.Stmt, key []byte) (row, []byte, error) {
	value := stmt.ColumnRawBlob(2)
	r := row{exists: true, id: stmt.ColumnInt64(0), size: int64(len(value)), deadline: deadlineAt(stmt, 3)}
	r.sum = b.file.hash.entry(key, value, r.deadline)
	if want := sumAt(stmt.ColumnRawBlob(4), r.id); r.sum != want {
		return row{}, nil, b.fail("check", fmt.Errorf("entry %x %w", key, errChecksum))
	}
	return r, value, nil
}

// deadlineAt is a column of type expiry.
func deadlineAt(stmt *sqlite3.Stmt, column int) backend.Deadline {
	if stmt.ColumnType(column) == sqlite3.NULL {
		return backend.Never
	}
	return backend.Deadline(stmt.ColumnInt64(column))
}
