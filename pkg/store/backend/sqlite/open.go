// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	sqlite3 "github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// busyTimeout is how long opening waits for another program to leave the file alone.
const busyTimeout = 500 * time.Millisecond

// Open opens or makes the database file at path, and the folders above it. Errors are of type *backend.Error.
func Open(path string, o Options) (*Backend, error) {
	if path == "" {
		return nil, backend.Failure(path, "open", errors.New("path is missing: it is required"))
	}
	if err := o.validate(); err != nil {
		return nil, backend.Failure(path, "open", err)
	}
	b, err := open(path, o)
	if err == nil || !o.DeleteOnFailure || errors.Is(err, ErrInUse) || errors.Is(err, ErrNewer) {
		return b, err
	}
	info, statErr := os.Lstat(path)
	if statErr != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	o.Log.Error("a file that can't be opened is deleted, as failure_mode says", "path", path, "error", err)
	// What stands beside the file belongs to it: SQLite would bring it into the new one.
	for _, name := range []string{path + "-journal", path + "-wal", path + "-shm", path, path + markSuffix} {
		if removeErr := os.Remove(name); removeErr != nil && !errors.Is(removeErr, os.ErrNotExist) {
			return nil, errors.Join(err, backend.Failure(name, "delete after failure", removeErr))
		}
	}
	return open(path, o)
}

func open(path string, o Options) (*Backend, error) {
	b := &Backend{path: path, o: o, batch: newBatch()}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, b.failure("make folder", err)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, b.failure("open", err)
	}
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), OmitHost: true, RawQuery: "vfs=" + url.QueryEscape(o.vfs)}
	if b.existed, err = b.disk().Access(absolute, vfs.ACCESS_EXISTS); err != nil {
		return nil, b.failure("open", err)
	}
	conn, err := sqlite3.OpenFlags(uri.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_URI)
	if err != nil {
		return nil, b.failure("open", err)
	}
	b.file.Lock()
	defer b.file.Unlock()
	b.file.conn, b.file.sums = conn, newSums(o.chunks)
	if err := b.setUp(); err != nil {
		_ = b.shut(false) // the first error says it
		return nil, err
	}
	return b, nil
}

// setUp brings a connection to where entries can be read and written. It needs the lock, as all that follows here.
func (b *Backend) setUp() error {
	if err := b.file.conn.BusyTimeout(busyTimeout); err != nil {
		return b.fail("set busy timeout", err)
	}
	if err := b.exec("PRAGMA locking_mode = EXCLUSIVE"); err != nil {
		return err
	}
	// A log with damage stays as it was found: closing would remove it.
	if _, err := b.file.conn.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
		return b.fail("configure", err)
	}
	if err := b.refuse(); err != nil {
		return err
	}
	if _, err := b.file.conn.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, false); err != nil {
		return b.fail("configure", err)
	}
	for _, sql := range append(b.o.pragmas(), "BEGIN EXCLUSIVE") {
		if err := b.exec(sql); err != nil {
			return err
		}
	}
	if err := b.checkJournalMode(); err != nil {
		return err
	}
	if err := b.adopt(); err != nil {
		return err
	}
	if b.o.IntegrityCheck {
		if err := b.pragmaSaysOK("integrity_check"); err != nil {
			return err
		}
	}
	if err := b.exec("COMMIT"); err != nil {
		return err
	}
	b.size = backend.Size{Entries: b.file.state.entries, Bytes: b.file.state.bytes}
	b.file.committed = b.size
	if b.file.get == nil {
		if err := b.prepare(); err != nil {
			return err
		}
	}
	return b.startMark()
}

// exec runs a statement whose rows nobody looks at.
func (b *Backend) exec(sql string) error {
	if err := b.file.conn.Exec(sql); err != nil {
		return b.fail(sql, err)
	}
	return nil
}

// checkJournalMode finds out whether the mode was accepted: SQLite answers with another one where it can't have it.
func (b *Backend) checkJournalMode() error {
	modes := map[JournalMode]string{Delete: "delete", WAL: "wal"}
	if b.o.JournalMode == "" {
		return nil
	}
	return b.query("PRAGMA journal_mode", func(stmt *sqlite3.Stmt) error {
		if got := stmt.ColumnText(0); got != modes[b.o.JournalMode] {
			return fmt.Errorf("journal_mode: the file stays in mode %q, wanted %q", got, modes[b.o.JournalMode])
		}
		return nil
	})
}

// pragmaSaysOK runs one of the checks of SQLite.
func (b *Backend) pragmaSaysOK(name string) error {
	return b.query("PRAGMA "+name, func(stmt *sqlite3.Stmt) error {
		if got := stmt.ColumnText(0); got != "ok" {
			return fmt.Errorf("%w: %s", ErrDamaged, got)
		}
		return nil
	})
}

// query runs a statement and shows each row to a function.
func (b *Backend) query(sql string, row func(*sqlite3.Stmt) error) error {
	stmt, _, err := b.file.conn.Prepare(sql)
	if err != nil {
		return b.fail(sql, err)
	}
	defer stmt.Close()
	for stmt.Step() {
		if err := row(stmt); err != nil {
			return b.fail(sql, err)
		}
	}
	if err := stmt.Err(); err != nil {
		return b.fail(sql, err)
	}
	return nil
}

// shut closes the connection; what was not committed is rolled back. After a failure the mark stays.
func (b *Backend) shut(sound bool) error {
	conn := b.file.conn
	b.file.conn = nil
	for _, stmt := range slices.Collect(conn.Stmts()) {
		_ = stmt.Close() // repeats the error of its last step
	}
	if !conn.GetAutocommit() {
		_ = conn.Exec("ROLLBACK") // closing does the same
	}
	markErr := b.closeMark(conn, sound)
	removeEmptyJournal(b.path)
	if err := conn.Close(); err != nil {
		return b.failure("close", err)
	}
	return markErr
}

// removeEmptyJournal removes the journal that SQLite keeps from one transaction to the next while the file is locked. One that has no
// header is not needed for anything. Only who has the lock may do it.
func removeEmptyJournal(path string) {
	f, err := os.Open(path + "-journal")
	if err != nil {
		return
	}
	var header [28]byte
	_, err = f.Read(header[:])
	_ = f.Close()
	if header == [28]byte{} && (err == nil || err.Error() == "EOF") {
		_ = os.Remove(path + "-journal") // it does no harm
	}
}
