// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// TestSnapshot: it shows one moment, whatever happens while it is read.
func TestSnapshot(t *testing.T) {
	m := startMaster(t, new(fabric).join(), "s")
	ctx := t.Context()
	const n = 500
	for i := range int64(n) {
		m.PutAsync(integer(i), integer(i), 0)
	}
	s, err := m.Snapshot(ctx)
	must(t, err)
	if s.Number() != n+1 || s.Size().Entries != n {
		t.Errorf("number %d, %+v", s.Number(), s.Size())
	}
	seen := 0
	for e, err := range s.Entries() {
		must(t, err)
		if e.Key.String() != e.Value.String() {
			t.Errorf("%v is %v", e.Key, e.Value)
		}
		seen++
		must(t, m.Put(ctx, integer(int64(seen)), str("new"), 0))
		must(t, m.Erase(ctx, integer(int64(n-seen))))
	}
	if seen != n {
		t.Errorf("%d entries", seen)
	}
	if e, err := s.Get(integer(7)); err != nil || e.Value.String() != "7" {
		t.Errorf("%v, %v", e, err)
	}
	if _, err := s.Get(integer(n)); !errors.Is(err, code.NoSuchKey) {
		t.Errorf("%v", err)
	}
	for range s.Entries() {
		break
	}
	must(t, s.Close())
	must(t, s.Close())
	if _, err := s.Get(integer(7)); !errors.Is(err, errSnapshotClosed) {
		t.Errorf("closed: %v", err)
	}
	if size, err := m.Size(ctx); err != nil || size.Entries != m.Status().Entries {
		t.Errorf("%+v, %v", size, err)
	}
}

// TestSnapshotEndsWithTheStore, also for who is reading it.
func TestSnapshotEndsWithTheStore(t *testing.T) {
	m, err := NewMaster(new(fabric).join(), "s", memory.New(), MasterOptions{})
	must(t, err)
	for i := range int64(500) {
		m.PutAsync(integer(i), integer(i), 0)
	}
	s, err := m.Snapshot(t.Context())
	must(t, err)
	var last error
	for _, err := range s.Entries() {
		if last = err; err == nil {
			must(t, m.Close())
		}
	}
	if !errors.Is(last, errSnapshotClosed) {
		t.Errorf("%v", last)
	}
	for _, err := range s.Entries() {
		if !errors.Is(err, errSnapshotClosed) {
			t.Errorf("%v", err)
		}
	}
}

// givenUp is a backend whose first snapshot can't be kept.
type givenUp struct {
	*memory.Backend
	once *atomic.Bool
}

type givenUpSnapshot struct {
	backend.Snapshot
	once *atomic.Bool
}

func (b givenUp) Snapshot() (backend.Snapshot, error) {
	s, err := b.Backend.Snapshot()
	return givenUpSnapshot{s, b.once}, err
}

// Entries fails in the first snapshot's middle.
func (s givenUpSnapshot) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		read := 0
		for e := range s.Snapshot.Entries() {
			if read++; read == 50 && s.once.CompareAndSwap(false, true) {
				yield(backend.Entry{}, backend.ErrSnapshotTooOld)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestKeysOfAGivenUpSnapshot: if keys can't be read beside the writers they are read in front of them.
func TestKeysOfAGivenUpSnapshot(t *testing.T) {
	be := givenUp{memory.New(), new(atomic.Bool)}
	m, err := NewMaster(new(fabric).join(), "s", be, MasterOptions{})
	must(t, err)
	defer m.Close()
	for i := range int64(100) {
		m.PutAsync(integer(i), integer(i), 0)
	}
	keys, err := m.Keys(t.Context())
	if err != nil || keys.Len() != 100 || !be.once.Load() {
		t.Errorf("%d keys, %v, given up: %v", keys.Len(), err, be.once.Load())
	}
	m.snapshots.mu.Lock()
	defer m.snapshots.mu.Unlock()
	if n := len(m.snapshots.mu.open); n != 0 {
		t.Errorf("%d snapshots are left open", n)
	}
}
