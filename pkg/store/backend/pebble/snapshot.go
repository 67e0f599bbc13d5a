// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"iter"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// snapshots are those that are open.
type snapshots struct {
	mu struct {
		sync.Mutex
		open map[*snapshot]struct{}
	}
}

// snapshot is one of Pebble. Closing the backend from another goroutine ends it between two steps of its reader.
type snapshot struct {
	path string
	size backend.Size
	fs   *guard
	all  *snapshots
	mu   struct {
		sync.Mutex
		snap *pebble.Snapshot
		// its are the iterators that are under way.
		its map[*pebble.Iterator]struct{}
	}
}

// Snapshot is the content as of the last Commit. It costs no memory; what it keeps from being deleted is on the disk.
func (b *Backend) Snapshot() (backend.Snapshot, error) {
	if err := b.usable(); err != nil {
		return nil, err
	}
	s := &snapshot{path: b.path, size: b.committed.size, fs: b.fs, all: &b.snapshots}
	s.mu.snap = b.db.NewSnapshot()
	s.mu.its = map[*pebble.Iterator]struct{}{}
	b.snapshots.mu.Lock()
	defer b.snapshots.mu.Unlock()
	if b.snapshots.mu.open == nil {
		b.snapshots.mu.open = map[*snapshot]struct{}{}
	}
	b.snapshots.mu.open[s] = struct{}{}
	return s, nil
}

func (s *snapshots) closeAll() {
	for s := range s.take() {
		_ = s.close()
	}
}

// take is the set of those that are open, which it forgets.
func (s *snapshots) take() map[*snapshot]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.mu.open
	s.mu.open = nil
	return open
}

// Size tells how much there was.
func (s *snapshot) Size() backend.Size { return s.size }

// Close releases what is kept for the snapshot.
func (s *snapshot) Close() error {
	s.all.mu.Lock()
	delete(s.all.mu.open, s)
	s.all.mu.Unlock()
	return s.failure("close snapshot", s.close())
}

func (s *snapshot) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.snap == nil {
		return nil
	}
	var err error
	for it := range s.mu.its {
		err = errors.Join(err, it.Close())
	}
	clear(s.mu.its)
	err = errors.Join(err, s.mu.snap.Close())
	s.mu.snap = nil
	return err
}

// Get answers what was stored under a key.
func (s *snapshot) Get(key data.Value) (backend.Entry, bool, error) {
	const act = "get from snapshot"
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.snap == nil {
		return backend.Entry{}, false, s.failure(act, errSnapshotClosed)
	}
	encoded := key.AppendBinary([]byte{entryPrefix})
	raw, closer, err := s.mu.snap.Get(encoded)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return backend.Entry{}, false, nil
	case err != nil:
		return backend.Entry{}, false, s.failure(act, err)
	}
	defer closer.Close()
	e := backend.Entry{Key: key}
	if e.Value, e.Deadline, err = decodeBody(encoded, raw); err != nil {
		return backend.Entry{}, false, s.failure(act, err)
	}
	return e, true, nil
}

var errSnapshotClosed = errors.New("the snapshot is closed")

// Entries are all entries, in the order of their keys' bytes.
func (s *snapshot) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		it, err := s.begin()
		if err != nil {
			yield(backend.Entry{}, s.failure("read snapshot", err))
			return
		}
		defer s.end(it)
		for step := (*pebble.Iterator).First; ; step = (*pebble.Iterator).Next {
			e, ok, err := s.step(it, step)
			if err != nil {
				yield(backend.Entry{}, s.failure("read snapshot", err))
				return
			}
			if !ok || !yield(e, nil) {
				return
			}
		}
	}
}

func (s *snapshot) begin() (*pebble.Iterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.snap == nil {
		return nil, errSnapshotClosed
	}
	it, err := s.mu.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{entryPrefix}, UpperBound: []byte{entryPrefix + 1}})
	if err == nil {
		s.mu.its[it] = struct{}{}
	}
	return it, err
}

func (s *snapshot) step(it *pebble.Iterator, move func(*pebble.Iterator) bool) (e backend.Entry, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.snap == nil {
		return e, false, errSnapshotClosed
	}
	if !move(it) {
		return e, false, it.Error()
	}
	e, err = decodeEntry(it.Key(), it.Value())
	return e, err == nil, err
}

func (s *snapshot) end(it *pebble.Iterator) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.mu.its[it]; ok {
		delete(s.mu.its, it)
		_ = it.Close()
	}
}

func (s *snapshot) failure(act string, err error) error {
	return describe(s.path, act, s.fs.cause(err))
}
