// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// setAside keeps what SQLite holds under a key that is about to change, for the snapshots that need it.
func (b *Backend) setAside(c *change) error {
	var old *oldEntry
	for _, s := range b.file.snapshots {
		if s.gone || c.old.id > s.last {
			continue
		}
		key := b.batch.bytes(c.key)
		if _, known := s.old[string(key)]; known {
			continue
		}
		if old == nil {
			stmt := b.file.getRow
			if err := stmt.BindInt64(1, c.old.id); err != nil {
				return b.fail("read what is about to change", err)
			}
			stmt.Step()
			r, value, err := b.checked(stmt, key)
			if err != nil {
				return err
			}
			old = &oldEntry{id: r.id, key: bytes.Clone(key), value: bytes.Clone(value), deadline: r.deadline}
			if err := stmt.Reset(); err != nil {
				return b.fail("read what is about to change", err)
			}
		}
		s.keep(old)
	}
	return nil
}

// keep adds an old entry to what a snapshot has, or gives the snapshot up.
func (s *Snapshot) keep(old *oldEntry) {
	cost := int64(len(old.key)+len(old.value)) + asideCost
	if s.b.file.aside+cost > asideLimit {
		s.giveUp()
		return
	}
	s.aside += cost
	s.b.file.aside += cost
	s.old[string(old.key)] = old
	s.added = append(s.added, old)
}

// giveUp ends a snapshot that would have to keep too much.
func (s *Snapshot) giveUp() {
	s.b.file.aside -= s.aside
	s.old, s.added, s.aside, s.gone = nil, nil, 0, true
}

// setAllAside keeps everything that SQLite holds, before it is removed, for the snapshots that need it. Those for which it is too much are
// given up.
func (b *Backend) setAllAside() error {
	f := &b.file
	var needed []*Snapshot
	for _, s := range f.snapshots {
		if s.gone {
			continue
		}
		if s.size.Bytes+s.size.Entries*asideCost > asideLimit-f.aside {
			s.giveUp()
			continue
		}
		needed = append(needed, s)
	}
	if len(needed) == 0 {
		return nil
	}
	stmt := f.page
	defer stmt.Reset()
	if err := bind(stmt, int64(minRow), f.next); err != nil {
		return b.fail("read what is about to change", err)
	}
	for stmt.Step() {
		key := bytes.Clone(stmt.ColumnRawBlob(1))
		r, value, err := b.checked(stmt, key)
		if err != nil {
			return err
		}
		old := &oldEntry{id: r.id, key: key, value: bytes.Clone(value), deadline: r.deadline}
		for _, s := range needed {
			if _, known := s.old[string(key)]; !known && !s.gone && r.id <= s.last {
				s.keep(old)
			}
		}
	}
	if err := stmt.Err(); err != nil {
		return b.fail("read what is about to change", err)
	}
	return nil
}

// failure is an error of this file, nil for nil.
func (b *Backend) failure(act string, err error) error {
	if err == nil {
		return nil
	}
	return backend.Failure(b.path, act, withRemedy(err))
}

// fail is failure, after which nothing is done with the file any more. It needs the lock.
func (b *Backend) fail(act string, err error) error {
	if b.file.failed == nil {
		b.file.failed = b.failure(act, err)
	}
	return b.file.failed
}

// usable is why the file can't be used any more.
func (b *Backend) usable() error {
	b.file.Lock()
	defer b.file.Unlock()
	return b.file.failed
}
