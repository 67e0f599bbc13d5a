// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// busyTimeout is how long a statement waits for another process to leave the file alone.
const busyTimeout = 5 * time.Second

// schema and version come after the pragmas, the first two tables word for word as the reference has them.
var schema = []string{
	"CREATE TABLE IF NOT EXISTS meta(key text primary key, value text)",
	"CREATE TABLE IF NOT EXISTS store(key blob primary key, value blob, expiry integer)",
	"CREATE TABLE IF NOT EXISTS brokermesh_meta(name text primary key, value blob)",
	"PRAGMA cache_spill = OFF", // others read while a transaction is open
	"REPLACE INTO meta(key, value) VALUES('broker_version', '" + Version + "')",
}

// Open opens or makes the database file at path, and the folders above it. Errors are of type *backend.Error.
func Open(path string, o Options) (*Backend, error) {
	b, err := open(path, o)
	if err == nil || !o.DeleteOnFailure {
		return b, err
	}
	info, statErr := os.Lstat(path)
	if statErr != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	if removeErr := os.Remove(path); removeErr != nil {
		return nil, errors.Join(err, &backend.Error{Path: path, Act: "delete after failure", Err: removeErr})
	}
	return open(path, o)
}

func open(path string, o Options) (*Backend, error) {
	b := &Backend{path: path}
	if path == "" {
		return nil, backend.Failure(b.path, "open", errors.New("a path is required"))
	}
	if err := o.validate(); err != nil {
		return nil, backend.Failure(b.path, "open", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, backend.Failure(b.path, "make folder", err)
	}
	// Not a URI: the path is taken as it is.
	conn, err := sqlite3.OpenFlags(path, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	if err != nil {
		return nil, backend.Failure(b.path, "open", err)
	}
	b.conn = conn
	if err := b.setUp(o); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// setUp brings a connection to where entries can be read and written.
func (b *Backend) setUp(o Options) error {
	if err := b.conn.BusyTimeout(busyTimeout); err != nil {
		return backend.Failure(b.path, "set busy timeout", err)
	}
	for _, sql := range slices.Concat(o.pragmas(), schema) {
		if err := b.conn.Exec(sql); err != nil {
			return backend.Failure(b.path, sql, err)
		}
	}
	if err := b.checkJournalMode(o.JournalMode); err != nil {
		return err
	}
	if o.IntegrityCheck {
		if err := b.checkIntegrity(); err != nil {
			return err
		}
	}
	if err := b.prepare(); err != nil {
		return err
	}
	return b.measure()
}

func (b *Backend) prepare() error {
	for _, p := range []struct {
		stmt **sqlite3.Stmt
		sql  string
	}{
		{&b.get, "SELECT value, expiry FROM store WHERE key = ?"},
		{&b.put, "REPLACE INTO store(key, value, expiry) VALUES(?, ?, ?)"},
		{&b.erase, "DELETE FROM store WHERE key = ?"},
		{&b.deadlines, "SELECT key, expiry FROM store WHERE expiry IS NOT NULL"},
		{&b.meta, "SELECT value FROM brokermesh_meta WHERE name = ?"},
		{&b.setMeta, "REPLACE INTO brokermesh_meta(name, value) VALUES(?, ?)"},
		{&b.dropMeta, "DELETE FROM brokermesh_meta WHERE name = ?"},
		{&b.metas, "SELECT name, value FROM brokermesh_meta WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name"},
	} {
		stmt, _, err := b.conn.PrepareFlags(p.sql, sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return backend.Failure(b.path, "prepare: "+p.sql, err)
		}
		*p.stmt = stmt
	}
	return nil
}

// measure counts what is in the file.
func (b *Backend) measure() error {
	return b.query("SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM store", func(stmt *sqlite3.Stmt) error {
		b.size = backend.Size{Entries: stmt.ColumnInt64(0), Bytes: stmt.ColumnInt64(1)}
		return nil
	})
}

// checkJournalMode finds out whether the mode was accepted: SQLite answers with another one where it can't have it.
func (b *Backend) checkJournalMode(want JournalMode) error {
	modes := map[JournalMode]string{Delete: "delete", WAL: "wal"}
	if want == "" {
		return nil
	}
	return b.query("PRAGMA journal_mode", func(stmt *sqlite3.Stmt) error {
		if got := stmt.ColumnText(0); got != modes[want] {
			return fmt.Errorf("the file stays in mode %q, wanted %q", got, modes[want])
		}
		return nil
	})
}

func (b *Backend) checkIntegrity() error {
	return b.query("PRAGMA integrity_check", func(stmt *sqlite3.Stmt) error {
		if got := stmt.ColumnText(0); got != "ok" {
			return errors.New(got)
		}
		return nil
	})
}

// query runs a statement and shows each row to a function.
func (b *Backend) query(sql string, row func(*sqlite3.Stmt) error) error {
	stmt, _, err := b.conn.Prepare(sql)
	if err != nil {
		return backend.Failure(b.path, sql, err)
	}
	defer stmt.Close()
	for stmt.Step() {
		if err := row(stmt); err != nil {
			return backend.Failure(b.path, sql, err)
		}
	}
	return backend.Failure(b.path, sql, stmt.Err())
}
