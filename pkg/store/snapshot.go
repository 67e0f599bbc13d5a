// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Snapshot is the content of a store at one moment. It holds nobody up, and stays as it is until it is closed or the store is. Its
// methods may be called from any goroutine.
type Snapshot struct {
	number uint64
	of     *snapshots

	mu struct {
		sync.Mutex
		content backend.Snapshot // nil: closed
		// readers end the iterations that are under way.
		readers map[*entryReader]struct{}
	}
}

// errSnapshotClosed is the answer of a snapshot that is closed.
var errSnapshotClosed = errors.New("store: the snapshot is closed")

// Snapshot is the content of the store as it is now.
func (o *operations) Snapshot(ctx context.Context) (*Snapshot, error) {
	a, err := o.do(ctx, read{kind: snapshotRequest})
	return a.snapshot, err
}

// Number is the position of the snapshot in the history of the store: Watch with After says what happened since.
func (s *Snapshot) Number() uint64 { return s.number }

// Size tells how much there was.
func (s *Snapshot) Size() backend.Size {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.content == nil {
		return backend.Size{}
	}
	return s.mu.content.Size()
}

// Get is what was stored under a key. Error: code.NoSuchKey.
func (s *Snapshot) Get(key data.Value) (backend.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.content == nil {
		return backend.Entry{}, errSnapshotClosed
	}
	e, ok, err := s.mu.content.Get(data.Canonical(key))
	if err == nil && !ok {
		err = code.NoSuchKey
	}
	return e, err
}

// entriesAtOnce is how many entries are read under one lock.
const entriesAtOnce = 64

// Entries are all entries, in any order. The error backend.ErrSnapshotTooOld means that the store could not afford to keep the
// snapshot any longer.
func (s *Snapshot) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		r := s.reader()
		defer r.close()
		for {
			err := r.fill()
			for _, e := range r.entries {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(backend.Entry{}, err)
			}
			if err != nil || len(r.entries) == 0 {
				return
			}
		}
	}
}

// entryReader is an iteration under way. It reads some entries at a time with the snapshot's lock held.
type entryReader struct {
	of      *Snapshot
	next    func() (backend.Entry, error, bool)
	stop    func()
	entries []backend.Entry
}

func (s *Snapshot) reader() *entryReader {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &entryReader{of: s}
	if s.mu.content == nil {
		return r
	}
	r.next, r.stop = iter.Pull2(s.mu.content.Entries())
	if s.mu.readers == nil {
		s.mu.readers = map[*entryReader]struct{}{}
	}
	s.mu.readers[r] = struct{}{}
	return r
}

// fill reads the next entries; none without an error means that there are no more.
func (r *entryReader) fill() error {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.entries = r.entries[:0]
	if r.of.mu.content == nil {
		return errSnapshotClosed
	}
	for range entriesAtOnce {
		e, err, ok := r.next()
		if err != nil || !ok {
			return err
		}
		r.entries = append(r.entries, e)
	}
	return nil
}

func (r *entryReader) close() {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if _, open := r.of.mu.readers[r]; open {
		delete(r.of.mu.readers, r)
		r.stop()
	}
}

// Close releases what is kept for the snapshot. A second call does nothing.
func (s *Snapshot) Close() error {
	s.of.remove(s)
	return s.end()
}

func (s *Snapshot) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	content := s.mu.content
	if content == nil {
		return nil
	}
	for r := range s.mu.readers {
		r.stop()
	}
	s.mu.content, s.mu.readers = nil, nil
	return content.Close()
}

// snapshots are those of a frontend that are not closed.
type snapshots struct {
	mu struct {
		sync.Mutex
		open map[*Snapshot]struct{}
	}
}

// add makes a snapshot of a content.
func (o *snapshots) add(content backend.Snapshot, number uint64) *Snapshot {
	s := &Snapshot{number: number, of: o}
	s.mu.content = content
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.open == nil {
		o.mu.open = map[*Snapshot]struct{}{}
	}
	o.mu.open[s] = struct{}{}
	return s
}

func (o *snapshots) remove(s *Snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.mu.open, s)
}

// close closes all snapshots, as the backend below them demands it.
func (o *snapshots) close() {
	o.mu.Lock()
	open := o.mu.open
	o.mu.open = nil
	o.mu.Unlock()
	for s := range open {
		s.end()
	}
}
