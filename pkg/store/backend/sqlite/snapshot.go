// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"container/heap"
	"iter"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

const (
	// asideLimit is how much the snapshots of a backend may keep in memory of what was changed behind them.
	asideLimit = 64 << 20
	// asideCost is what an entry takes there besides key and value.
	asideCost = 200
	// pageRows and pageBytes are how much of the file is read for a snapshot before others get their turn.
	pageRows  = 256
	pageBytes = 256 << 10
)

// Snapshot is the content of the file at one moment. There is but one connection, so a snapshot reads what the file has now, a page at a
// time, and what was changed since was set aside for it in memory. Rows that came after it have IDs above its last one.
type Snapshot struct {
	b    *Backend
	last int64
	size backend.Size

	// The rest is covered by the lock of the backend.

	// old has what was changed, by key; added is the same in the order of coming.
	old   map[string]*oldEntry
	added []*oldEntry
	aside int64
	// gone tells that it would have had to keep too much, closed that it was closed.
	gone, closed bool
}

// oldEntry is an entry of a snapshot that is no longer in the file.
type oldEntry struct {
	id         int64
	key, value []byte
	deadline   backend.Deadline
}

var _ backend.Snapshot = (*Snapshot)(nil)

// Snapshot is the content as of the last Commit. It is ErrSnapshotTooOld where the open transaction has already changed more of it than may
// be kept in memory.
func (b *Backend) Snapshot() (backend.Snapshot, error) {
	b.file.Lock()
	defer b.file.Unlock()
	f := &b.file
	if f.failed != nil {
		return nil, f.failed
	}
	if f.base == nil {
		return b.newSnapshot(), nil
	}
	if f.base.gone || f.aside+f.base.aside > asideLimit {
		return nil, backend.ErrSnapshotTooOld
	}
	s := b.newSnapshot()
	s.last = f.base.last
	for _, old := range f.base.added {
		s.keep(old)
	}
	return s, nil
}

// newSnapshot is a snapshot of what SQLite holds. It needs the lock, as what follows.
func (b *Backend) newSnapshot() *Snapshot {
	f := &b.file
	s := &Snapshot{b: b, last: f.next - 1, size: f.committed, old: map[string]*oldEntry{}}
	f.snapshots = append(f.snapshots, s)
	return s
}

// removeSnapshot releases a snapshot.
func (b *Backend) removeSnapshot(s *Snapshot) {
	s.release()
	b.file.snapshots = slices.DeleteFunc(b.file.snapshots, func(o *Snapshot) bool { return o == s })
}

// Size tells how much there was.
func (s *Snapshot) Size() backend.Size { return s.size }

// Close releases what is kept.
func (s *Snapshot) Close() error {
	s.b.file.Lock()
	defer s.b.file.Unlock()
	s.b.removeSnapshot(s)
	return nil
}

func (s *Snapshot) release() {
	s.b.file.aside -= s.aside
	s.old, s.added, s.aside, s.closed = nil, nil, 0, true
}

// usable is why it can't be read. It needs the lock.
func (s *Snapshot) usable() error {
	switch {
	case s.b.file.failed != nil:
		return s.b.file.failed
	case s.closed:
		return backend.Failure(s.b.path, "read a snapshot", errClosed)
	case s.gone:
		return backend.ErrSnapshotTooOld
	}
	return nil
}

// Get answers what was stored under a key.
func (s *Snapshot) Get(key data.Value) (backend.Entry, bool, error) {
	encoded := key.AppendBinary(nil)
	s.b.file.Lock()
	defer s.b.file.Unlock()
	if err := s.usable(); err != nil {
		return backend.Entry{}, false, err
	}
	var value []byte
	e := backend.Entry{Key: key}
	if old, ok := s.old[string(encoded)]; ok {
		value, e.Deadline = old.value, old.deadline
	} else {
		r, raw, err := s.b.find(encoded, xxhash.Sum64(encoded), nil)
		if err != nil || !r.exists || r.id > s.last {
			return backend.Entry{}, false, err
		}
		value, e.Deadline = raw, r.deadline
	}
	var err error
	if e.Value, err = data.Decode(value); err != nil {
		return backend.Entry{}, false, s.b.failure("read a snapshot", err)
	}
	return e, true, nil
}

// Entries are all entries in the order of their row IDs.
func (s *Snapshot) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		r := reader{s: s, after: minRow}
		for r.after < s.last {
			page, err := r.read()
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(backend.Entry{}, err)
				return
			}
		}
	}
}

// minRow is below all row IDs.
const minRow = -1 << 63

// reader goes through a snapshot once.
type reader struct {
	s *Snapshot
	// after is the row up to which everything was read.
	after int64
	// taken are how many of the snapshot's added entries are in waiting, which has those that lie ahead.
	taken   int
	waiting byID
}

// read reads a page of rows and of what was set aside of the same range.
func (r *reader) read() (page []backend.Entry, err error) {
	s := r.s
	s.b.file.Lock()
	defer s.b.file.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	for ; r.taken < len(s.added); r.taken++ {
		if old := s.added[r.taken]; old.id > r.after {
			heap.Push(&r.waiting, old)
		}
	}
	stmt := s.b.file.page
	defer stmt.Reset()
	if err := bind(stmt, r.after, s.last); err != nil {
		return nil, s.b.fail("read a snapshot", err)
	}
	last, size, ended := r.after, 0, false
	for n := 0; n < pageRows && size < pageBytes; n++ {
		if !stmt.Step() {
			ended = true
			break
		}
		last = stmt.ColumnInt64(0)
		key := stmt.ColumnRawBlob(1)
		row, value, err := s.b.checked(stmt, key)
		if err != nil {
			return nil, err
		}
		size += len(key) + len(value)
		if _, changed := s.old[string(key)]; changed {
			continue
		}
		if page, err = r.emit(page, key, value, row.deadline); err != nil {
			return page, err
		}
	}
	if err := stmt.Err(); err != nil {
		return nil, s.b.fail("read a snapshot", err)
	}
	if ended {
		last = s.last
	}
	for len(r.waiting) > 0 && r.waiting[0].id <= last {
		old := heap.Pop(&r.waiting).(*oldEntry)
		if page, err = r.emit(page, old.key, old.value, old.deadline); err != nil {
			return page, err
		}
	}
	r.after = last
	return page, nil
}

func (r *reader) emit(page []backend.Entry, key, value []byte, d backend.Deadline) ([]backend.Entry, error) {
	k, err := data.Decode(key)
	if err != nil {
		return page, r.s.b.failure("read a snapshot: decode key", err)
	}
	v, err := data.Decode(value)
	if err != nil {
		return page, r.s.b.failure("read a snapshot: decode value", err)
	}
	return append(page, backend.Entry{Key: k, Value: v, Deadline: d}), nil
}

// byID is a heap.
type byID []*oldEntry

func (h byID) Len() int           { return len(h) }
func (h byID) Less(i, k int) bool { return h[i].id < h[k].id }
func (h byID) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *byID) Push(x any)        { *h = append(*h, x.(*oldEntry)) }
func (h *byID) Pop() any {
	old := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return old
}
