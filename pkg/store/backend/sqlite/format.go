// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cespare/xxhash/v2"
	sqlite3 "github.com/ncruces/go-sqlite3"
)

const (
	// Version is what the file says about who wrote it last.
	Version = "2.8.0+brokermesh"
	// Format is the version of our own tables. Format 0 had none.
	Format = 1
	// mark is what the file's user_version is besides the format. The reference has 0 there, and leaves it alone.
	mark = 0x424d0000
)

// schema has the first two tables word for word as the reference has them. A chunk of checksums covers 64 row IDs.
var schema = []string{
	"CREATE TABLE IF NOT EXISTS meta(key text primary key, value text)",
	"CREATE TABLE IF NOT EXISTS store(key blob primary key, value blob, expiry integer)",
	"CREATE TABLE IF NOT EXISTS brokermesh_state(id integer primary key, format integer, entries integer, bytes integer, sum integer, " +
		"metas integer, metasum integer, checksum integer)",
	"CREATE TABLE IF NOT EXISTS brokermesh_sums(chunk integer primary key, sums blob)",
	"CREATE TABLE IF NOT EXISTS brokermesh_metas(name text primary key, value blob, sum integer)",
	"CREATE INDEX IF NOT EXISTS brokermesh_expiring ON store(expiry, key) WHERE expiry IS NOT NULL",
}

// state is the first row of brokermesh_state; the second is numbered.
type state struct {
	format         int64
	entries, bytes int64
	sum            uint64
	metas          int64
	metaSum        uint64
}

func (s state) checksum() uint64 {
	var p []byte
	for _, x := range []uint64{uint64(s.format), uint64(s.entries), uint64(s.bytes), s.sum, uint64(s.metas), s.metaSum} {
		p = binary.LittleEndian.AppendUint64(p, x)
	}
	return xxhash.Sum64(p)
}

// writeState writes what the tables hold now.
func (b *Backend) writeState() error {
	s, n := b.file.state, b.file.numbered
	for i, x := range []int64{
		s.format, s.entries, s.bytes, int64(s.sum), s.metas, int64(s.metaSum), int64(s.checksum()),
		s.format, int64(n.commits), int64(n.identity), int64(n.checksum()),
	} {
		if err := b.file.writeState.BindInt64(i+1, x); err != nil {
			return b.fail("write totals", err)
		}
	}
	if err := b.file.writeState.Exec(); err != nil {
		return b.fail("write totals", err)
	}
	return nil
}

// origin is what a file says about itself.
type origin struct {
	userVersion int64
	// reference and own tell which tables are there.
	reference, own bool
	writer         string
}

func (b *Backend) origin() (o origin, err error) {
	err = b.query("PRAGMA user_version", func(stmt *sqlite3.Stmt) error {
		o.userVersion = stmt.ColumnInt64(0)
		return nil
	})
	if err != nil {
		return o, err
	}
	err = b.query("SELECT name FROM sqlite_master WHERE type = 'table'", func(stmt *sqlite3.Stmt) error {
		switch stmt.ColumnText(0) {
		case "store":
			o.reference = true
		case "brokermesh_state":
			o.own = true
		}
		return nil
	})
	if err != nil || !o.reference {
		return o, err
	}
	return o, b.query("SELECT value FROM meta WHERE key = 'broker_version'", func(stmt *sqlite3.Stmt) error {
		o.writer = stmt.ColumnText(0)
		return nil
	})
}

// refuse says why a file can't be used by this version, before anything of it is changed.
func (b *Backend) refuse() error {
	o, err := b.origin()
	if err != nil {
		return err
	}
	format := o.userVersion &^ mark
	switch {
	case o.userVersion != 0 && o.userVersion&^0xffff != mark:
		return b.fail("open", fmt.Errorf("user_version is %#x, which is not one of this program's: %w", o.userVersion, ErrDamaged))
	case format > Format:
		return b.fail("open", fmt.Errorf("%w: it has format %d, this version knows formats up to %d: use a newer brokermesh", ErrNewer, format, Format))
	case o.userVersion != 0 && !(o.own && o.reference), o.userVersion == 0 && o.own:
		return b.fail("open", fmt.Errorf("user_version is %#x, which does not fit the tables: %w", o.userVersion, ErrDamaged))
	}
	return b.checkMark(o.own)
}

// adopt makes the file one of ours, whoever wrote it before, and checks it.
func (b *Backend) adopt() error {
	o, err := b.origin()
	switch {
	case err != nil:
		return err
	case o.userVersion == 0:
		return b.convert(o)
	case o.writer == Version:
		return b.verify(true)
	default:
		return b.readopt(o)
	}
}

// convert makes a file of ours from one of the reference, of format 0, or a new one.
func (b *Backend) convert(o origin) error {
	if o.reference {
		if err := b.pragmaSaysOK("integrity_check"); err != nil {
			return err
		}
	}
	if o.writer == Version {
		if err := b.backUp(0); err != nil {
			return err
		}
	}
	for _, sql := range schema {
		if err := b.exec(sql); err != nil {
			return err
		}
	}
	if err := b.rebuild(); err != nil {
		return err
	}
	if o.reference {
		b.o.Log.Info("the database gets checksums", "path", b.path, "written_by", o.writer, "format", Format, "entries", b.file.state.entries)
	}
	return b.sign()
}

// readopt takes a file of ours that the reference had open. Unless it has changed something, everything is still right.
func (b *Backend) readopt(o origin) error {
	if err := b.pragmaSaysOK("integrity_check"); err != nil {
		return err
	}
	err := b.verify(false)
	switch {
	case err == nil:
		b.o.Log.Warn("another program had the database open and changed nothing", "path", b.path, "written_by", o.writer)
		return b.sign()
	case !errors.Is(err, ErrDamaged) || errors.Is(err, sqlite3.CORRUPT):
		return err
	}
	b.file.failed = nil
	if err := b.rebuild(); err != nil {
		return err
	}
	b.o.Log.Warn("another program has changed the database: its checksums were made anew, and what was known of its history is gone",
		"path", b.path, "written_by", o.writer, "entries", b.file.state.entries)
	return b.sign()
}

// sign says that the file is ours.
func (b *Backend) sign() error {
	if err := b.exec(fmt.Sprintf("PRAGMA user_version = %d", mark|Format)); err != nil {
		return err
	}
	return b.exec("REPLACE INTO meta(key, value) VALUES('broker_version', '" + Version + "')")
}

// backUp copies the file as it is, before it is changed to a newer format, to one beside it.
func (b *Backend) backUp(format int) error {
	name := fmt.Sprintf("%s.format%d", b.path, format)
	for i := 2; ; i++ {
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			break
		}
		name = fmt.Sprintf("%s.format%d.%d", b.path, format, i)
	}
	if err := copyFile(b.path, name); err != nil {
		return b.fail("back up to "+name, err)
	}
	if err := copyFile(b.path+"-wal", name+"-wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return b.fail("back up to "+name+"-wal", err)
	}
	b.o.Log.Info("the database is of an older format; a backup was made", "path", b.path, "backup", name, "format", format)
	return nil
}
