// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"
	sqlite3 "github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

const (
	// markSuffix is what the name of a file's mark has behind the file's own.
	markSuffix = "-mark"
	markMagic  = 0x424d4d53 // BMMS
	markSize   = 32
	// markDistance keeps the two places of a mark in different sectors.
	markDistance = 4096
)

// errLost is the error of a file that lacks commits which were acknowledged.
var errLost = fmt.Errorf("%w: commits are missing", ErrDamaged)

// commitMark knows outside of the database how many commits were acknowledged. SQLite takes the first page of a log or a journal that doesn't
// match its checksum for its end, as if the power had gone there, and never misses what was behind it.
//
// The file is there from opening the database to closing it, so after that only if the process was killed. It is written after each commit,
// in two places in turn, so that a torn write leaves the number before; it is not synced. After a loss of power it may be behind. It is
// never ahead of what is on the disk, except where commits aren't synced: there it counts only until the machine starts anew.
type commitMark struct {
	file markFile
	claim
}

// claim is what a mark says.
type claim struct {
	// identity is that of the database file, commits how many it has at least.
	identity, commits uint64
	// boot is that of the machine for which it counts, 0: any.
	boot uint64
}

// markFile is what is needed of a file.
type markFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

func (c claim) append(b []byte) []byte {
	from := len(b)
	b = binary.BigEndian.AppendUint32(b, markMagic)
	for _, x := range []uint64{c.identity, c.commits, c.boot} {
		b = binary.BigEndian.AppendUint64(b, x)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

func parseClaim(b []byte) (c claim, ok bool) {
	const body = markSize - 4
	if len(b) != markSize || binary.BigEndian.Uint32(b) != markMagic || binary.BigEndian.Uint32(b[body:]) != crc32.Checksum(b[:body], castagnoli) {
		return claim{}, false
	}
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	return claim{identity: u64(4), commits: u64(12), boot: u64(20)}, true
}

// readClaims are what a mark's places say. One that holds nothing was not written yet, or the power was lost; one that is damaged is a
// write that was torn. Damage in both is refused.
func readClaims(f io.ReaderAt) (found []claim, err error) {
	damaged := 0
	for i := range int64(2) {
		var buf [markSize]byte
		n, err := f.ReadAt(buf[:], i*markDistance)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if buf == [markSize]byte{} {
			continue
		}
		if c, ok := parseClaim(buf[:n]); ok {
			found = append(found, c)
		} else {
			damaged++
		}
	}
	if damaged == 2 {
		return nil, fmt.Errorf("%w: so is its mark", errLost)
	}
	return found, nil
}

// set notes that there is one more commit.
func (m *commitMark) set() error {
	m.commits++
	_, err := m.file.WriteAt(m.append(nil), int64(m.commits%2*markDistance))
	return err
}

// numbered is what the file says about itself, in the second row of brokermesh_state: its identity, which it gets when it is opened first,
// and how many commits it has had since. In the same page as the totals, which change with each commit anyway, it costs nothing.
type numbered struct{ identity, commits uint64 }

func (n numbered) checksum() uint64 {
	return xxhash.Sum64(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte("numbered"), n.identity), n.commits))
}

// readNumbered finds the row; without it there is no identity.
func (b *Backend) readNumbered() (n numbered, err error) {
	sum := n.checksum()
	err = b.query("SELECT bytes, entries, checksum FROM brokermesh_state WHERE id = 2", func(stmt *sqlite3.Stmt) error {
		n = numbered{identity: uint64(stmt.ColumnInt64(0)), commits: uint64(stmt.ColumnInt64(1))}
		sum = uint64(stmt.ColumnInt64(2))
		return nil
	})
	if err == nil && sum != n.checksum() {
		err = b.damaged("the number of commits does not match its checksum")
	}
	return n, err
}

// checkMark looks whether every commit that was acknowledged is there, before anything of the file is changed. own tells that the
// file has tables of ours.
func (b *Backend) checkMark(own bool) (err error) {
	f := &b.file
	if own {
		if f.numbered, err = b.readNumbered(); err != nil {
			return err
		}
	}
	claims, err := b.claims()
	if err != nil {
		return b.fail("read "+b.path+markSuffix, err)
	}
	acknowledged := uint64(0)
	for _, c := range claims {
		switch {
		case c.boot != 0 && c.boot != b.o.boot:
		case f.numbered.identity != 0 && c.identity != f.numbered.identity:
			b.o.Log.Warn("a mark belongs to another database, and is not looked at", "path", b.path+markSuffix)
		default:
			acknowledged = max(acknowledged, c.commits)
		}
	}
	if acknowledged > f.numbered.commits {
		return b.fail("open", fmt.Errorf("%w: by %s %d were acknowledged, %d are there",
			errLost, filepath.Base(b.path+markSuffix), acknowledged, f.numbered.commits))
	}
	if f.numbered.identity == 0 {
		f.numbered = numbered{identity: newIdentity()}
	}
	return nil
}

// claims are what the mark that was found says. That of a database which somebody has removed counts for nothing.
func (b *Backend) claims() ([]claim, error) {
	if !b.existed {
		return nil, nil
	}
	f, err := b.disk().side(b.path+markSuffix, false)
	if f == nil || err != nil {
		return nil, err
	}
	found, err := readClaims(f)
	return found, errors.Join(err, f.Close())
}

func newIdentity() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return max(binary.BigEndian.Uint64(b[:]), 1)
}

// startMark begins a mark that says what was found. That it is synced nobody knows.
func (b *Backend) startMark() error {
	f := &b.file
	synced, err := b.commitsAreSynced()
	if err != nil {
		return err
	}
	path := b.path + markSuffix
	if !synced && b.o.boot == 0 {
		return b.removeMark() // nothing could be said
	}
	m := &commitMark{claim: claim{identity: f.numbered.identity, commits: f.numbered.commits, boot: b.o.boot}}
	if m.boot == 0 {
		m.commits = 0
	}
	if m.file, err = b.disk().side(path, true); err != nil {
		return b.fail("make "+path, err)
	}
	f.mark = m // so that it is closed
	for i := range int64(2) {
		if _, err := m.file.WriteAt(m.append(nil), i*markDistance); err != nil {
			return b.fail("write "+path, err)
		}
	}
	if err := m.file.Sync(); err != nil {
		return b.fail("sync "+path, err)
	}
	m.commits = f.numbered.commits
	if synced {
		m.boot = 0
	}
	return nil
}

// commitsAreSynced tells whether what was committed outlives a loss of power.
func (b *Backend) commitsAreSynced() (synced bool, err error) {
	err = b.query("PRAGMA journal_mode", func(stmt *sqlite3.Stmt) error {
		log := stmt.ColumnText(0) == "wal"
		synced = b.o.Synchronous != Off && (!log || b.o.Synchronous != Normal)
		return nil
	})
	return synced, err
}

// closeMark closes the mark, and removes it if everything is sound and in the database file.
func (b *Backend) closeMark(conn *sqlite3.Conn, sound bool) error {
	m := b.file.mark
	b.file.mark = nil
	if m == nil {
		return nil
	}
	err := m.file.Close()
	if err != nil || !sound {
		return b.failure("close "+b.path+markSuffix, err)
	}
	if logged, moved, walErr := conn.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE); walErr != nil || logged != moved {
		return nil // closing tries it again, and tells
	}
	return b.removeMark()
}

func (b *Backend) removeMark() error {
	if err := b.disk().Delete(b.path+markSuffix, true); err != nil && !errors.Is(err, sqlite3.IOERR_DELETE_NOENT) && !errors.Is(err, os.ErrNotExist) {
		return b.failure("remove "+b.path+markSuffix, err)
	}
	return nil
}

func (b *Backend) disk() disk { return vfs.Find(b.o.vfs).(disk) }

// side opens a file of ours beside the database; nil if it isn't there and is not to be made.
func (d disk) side(path string, create bool) (markFile, error) {
	if _, system := d.VFS.(vfs.VFSFilename); !system {
		if there, err := d.Access(path, vfs.ACCESS_EXISTS); err != nil || !there && !create {
			return nil, err
		}
		f, _, err := d.VFS.Open(path, vfs.OPEN_READWRITE|vfs.OPEN_CREATE|vfs.OPEN_MAIN_JOURNAL)
		return sideFile{f}, err
	}
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o644)
	switch {
	case err == nil:
		return f, nil
	case !create && errors.Is(err, os.ErrNotExist):
		return nil, nil
	}
	return nil, err
}

// sideFile is a file of another file system than the system's.
type sideFile struct{ vfs.File }

// Sync brings it to the disk.
func (f sideFile) Sync() error { return f.File.Sync(vfs.SYNC_NORMAL) }

// thisBoot is a number for the time since the machine was started; 0 where there is none to be had.
func thisBoot() uint64 {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(strings.TrimSpace(string(id))) == 0 {
		return 0
	}
	return max(xxhash.Sum64(id), 1)
}
