// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"fmt"
	"strings"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// manyRows is how many rows a statement writes at a time where there are so many.
const manyRows = 64

// statements are those that are used again and again.
type statements struct {
	begin, commit                           *sqlite3.Stmt
	get, getRow, page                       *sqlite3.Stmt
	firstDeadlines, moreDeadlines           *sqlite3.Stmt
	insert, update, erase, putSums, putMeta rows
	readSums, writeState                    *sqlite3.Stmt
	getMeta, eraseMeta                      *sqlite3.Stmt
}

// rows is a statement in two forms, for one row and for many. The second is compiled when it is needed first.
type rows struct {
	columns             int
	before, each, after string
	one, many           *sqlite3.Stmt
}

const withSums = " FROM store s LEFT JOIN brokermesh_sums c ON c.chunk = s.rowid >> 6 WHERE "

func (b *Backend) prepare() error {
	f := &b.file
	for _, p := range []struct {
		stmt **sqlite3.Stmt
		sql  string
	}{
		{&f.begin, "BEGIN IMMEDIATE"},
		{&f.commit, "COMMIT"},
		{&f.get, "SELECT s.rowid, s.key, s.value, s.expiry, c.sums" + withSums + "s.key = ?"},
		{&f.getRow, "SELECT s.rowid, s.key, s.value, s.expiry, c.sums" + withSums + "s.rowid = ?"},
		{&f.page, "SELECT s.rowid, s.key, s.value, s.expiry, c.sums" + withSums + "s.rowid > ? AND s.rowid <= ? ORDER BY s.rowid"},
		{&f.firstDeadlines, fmt.Sprintf("SELECT expiry, key FROM store INDEXED BY brokermesh_expiring WHERE expiry IS NOT NULL "+
			"ORDER BY expiry, key LIMIT %d", deadlinePage)},
		{&f.moreDeadlines, fmt.Sprintf("SELECT expiry, key FROM store INDEXED BY brokermesh_expiring WHERE expiry IS NOT NULL "+
			"AND (expiry, key) > (?, ?) ORDER BY expiry, key LIMIT %d", deadlinePage)},
		{&f.readSums, "SELECT sums FROM brokermesh_sums WHERE chunk = ?"},
		{&f.writeState, "REPLACE INTO brokermesh_state VALUES(1, ?, ?, ?, ?, ?, ?, ?), (2, ?, ?, ?, 0, 0, 0, ?)"},
		{&f.getMeta, "SELECT value FROM brokermesh_metas WHERE name = ?"},
		{&f.eraseMeta, "DELETE FROM brokermesh_metas WHERE name = ?"},
	} {
		if err := b.prepareOne(p.stmt, p.sql); err != nil {
			return err
		}
	}
	f.insert = rows{columns: 4, before: "INSERT OR FAIL INTO store(rowid, key, value, expiry) VALUES", each: "(?,?,?,?)"}
	f.update = f.insert
	f.update.after = " ON CONFLICT(rowid) DO UPDATE SET value = excluded.value, expiry = excluded.expiry"
	f.erase = rows{columns: 1, before: "DELETE FROM store WHERE rowid IN (", each: "?", after: ")"}
	f.putSums = rows{columns: 2, before: "REPLACE INTO brokermesh_sums(chunk, sums) VALUES", each: "(?,?)"}
	f.putMeta = rows{columns: 3, before: "REPLACE INTO brokermesh_metas(name, value, sum) VALUES", each: "(?,?,?)"}
	for _, r := range []*rows{&f.insert, &f.update, &f.erase, &f.putSums, &f.putMeta} {
		if err := b.prepareOne(&r.one, r.before+r.each+r.after); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) prepareOne(stmt **sqlite3.Stmt, sql string) (err error) {
	if *stmt, _, err = b.file.conn.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT); err != nil {
		return b.fail("prepare: "+sql[:min(len(sql), 100)], err)
	}
	return nil
}

// run writes n rows; fill binds the columns of the i-th, the first of which is number at.
func (r *rows) run(n int, fill func(stmt *sqlite3.Stmt, at, i int) error) (err error) {
	for i := 0; i < n; {
		stmt, count := r.one, 1
		if n-i >= manyRows {
			if r.many == nil {
				sql := r.before + strings.Repeat(r.each+",", manyRows-1) + r.each + r.after
				if r.many, _, err = r.one.Conn().PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT); err != nil {
					return err
				}
			}
			stmt, count = r.many, manyRows
		}
		for k := range count {
			if err := fill(stmt, k*r.columns+1, i+k); err != nil {
				return err
			}
		}
		if err := stmt.Exec(); err != nil {
			return err
		}
		i += count
	}
	return nil
}

// bind binds integers, texts and blobs in turn.
func bind(stmt *sqlite3.Stmt, values ...any) (err error) {
	for i, v := range values {
		switch v := v.(type) {
		case int64:
			err = stmt.BindInt64(i+1, v)
		case string:
			err = stmt.BindText(i+1, v)
		case []byte:
			err = stmt.BindBlob(i+1, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write puts the batch into SQLite's transaction. It needs the lock.
func (b *Backend) write() error {
	f := &b.file
	if f.failed != nil {
		return f.failed
	}
	if !f.writing {
		if err := f.begin.Exec(); err != nil {
			return b.fail("begin", err)
		}
		f.writing = true
	}
	b.seen.valid = false
	if b.batch.cleared {
		if err := b.writeClear(); err != nil {
			return err
		}
	}
	if len(b.batch.changes) > 0 {
		if err := b.writeChanges(); err != nil {
			return err
		}
	}
	b.batch.forget()
	return nil
}

func (b *Backend) writeClear() error {
	if err := b.setAllAside(); err != nil {
		return err
	}
	for _, sql := range []string{"DELETE FROM store", "DELETE FROM brokermesh_sums"} {
		if err := b.file.conn.Exec(sql); err != nil {
			return b.fail("clear", err)
		}
	}
	f := &b.file
	f.state.entries, f.state.bytes, f.state.sum = 0, 0, 0
	f.filter, f.sums = newFilter(0), newSums(b.o.chunks)
	return nil
}

// writeChanges sorts the changes by what has to be done, and does it.
func (b *Backend) writeChanges() error {
	f := &b.file
	var inserts, updates, erases []*change
	for _, i := range b.batch.sorted() {
		c := &b.batch.changes[i]
		switch {
		case c.old.exists && c.erased:
			erases = append(erases, c)
		case c.old.exists:
			updates = append(updates, c)
		case !c.erased:
			inserts = append(inserts, c)
		}
	}
	for _, group := range [][]*change{erases, updates} {
		for _, c := range group {
			if err := b.setAside(c); err != nil {
				return err
			}
		}
	}
	for _, c := range inserts {
		c.old.id = f.next
		f.next++
		f.filter.add(c.hash)
	}
	err := f.erase.run(len(erases), func(stmt *sqlite3.Stmt, at, i int) error { return stmt.BindInt64(at, erases[i].old.id) })
	if err == nil {
		err = f.update.run(len(updates), b.filler(updates))
	}
	if err == nil {
		err = f.insert.run(len(inserts), b.filler(inserts))
	}
	if err != nil {
		return b.fail("write", err)
	}
	for _, group := range [][]*change{erases, updates, inserts} {
		for _, c := range group {
			if err := b.account(c); err != nil {
				return err
			}
		}
	}
	return b.writeSums()
}

func (b *Backend) filler(changes []*change) func(stmt *sqlite3.Stmt, at, i int) error {
	return func(stmt *sqlite3.Stmt, at, i int) error {
		c := changes[i]
		if err := stmt.BindInt64(at, c.old.id); err != nil {
			return err
		}
		if err := stmt.BindBlob(at+1, b.batch.bytes(c.key)); err != nil {
			return err
		}
		if err := stmt.BindBlob(at+2, b.batch.bytes(c.value)); err != nil {
			return err
		}
		if c.deadline == backend.Never {
			return stmt.BindNull(at + 3)
		}
		return stmt.BindInt64(at+3, int64(c.deadline))
	}
}

// account puts a change into checksums and totals.
func (b *Backend) account(c *change) error {
	s := &b.file.state
	key := int64(c.key.to - c.key.from)
	if c.old.exists {
		s.entries--
		s.bytes -= key + c.old.size
		s.sum -= c.old.sum
	}
	var sum uint64
	if !c.erased {
		sum = b.hash.entry(b.batch.bytes(c.key), b.batch.bytes(c.value), c.deadline)
		s.entries++
		s.bytes += key + int64(c.value.to-c.value.from)
		s.sum += sum
	}
	if len(b.file.sums.dirty) >= b.file.sums.limit/2 {
		if err := b.writeSums(); err != nil {
			return err
		}
	}
	return b.setSum(c.old.id, sum)
}
