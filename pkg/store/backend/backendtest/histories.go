// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// taken is a snapshot under test, with what it has to show.
type taken struct {
	s    backend.Snapshot
	want map[uint64]backend.Entry
	// next goes on with a reading that was begun earlier, got is what it has shown, ended that it has come to its end.
	next  func() (backend.Entry, error, bool)
	stop  func()
	got   map[string]bool
	ended bool
}

// testSnapshotsInAHistory takes snapshots at random points of a random history, reads them piece by piece while the history goes on, and
// finds in each what there was when it was taken.
func testSnapshotsInAHistory(t *testing.T, k Kind) {
	rng := rand.New(rand.NewPCG(seed.For(t), 0))
	b := open(t, k)
	model, committed := map[uint64]backend.Entry{}, map[uint64]backend.Entry{}
	var open []*taken
	for range 1500 {
		i := rng.Uint64N(60)
		switch action := rng.IntN(100); {
		case action < 45:
			e := entry(data.Count(i), data.String(strings.Repeat("x", rng.IntN(100))))
			if rng.IntN(3) == 0 {
				e.Deadline = backend.Deadline(rng.Uint64N(1000))
			}
			put(t, b, e.Key, e.Value, e.Deadline)
			model[i] = e
		case action < 60:
			_, want := model[i]
			erase(t, b, data.Count(i), want)
			delete(model, i)
		case action == 60:
			if err := b.Clear(); err != nil {
				t.Fatal(err)
			}
			clear(model)
		case action < 75:
			commit(t, b)
			committed = maps.Clone(model)
		case action < 80 && len(open) < 6:
			open = append(open, take(t, b, committed))
		case action < 98 && len(open) > 0:
			open[rng.IntN(len(open))].read(t, rng, rng.Uint64N(60))
		case len(open) > 0:
			n := rng.IntN(len(open))
			open[n].finish(t)
			open = append(open[:n], open[n+1:]...)
		}
	}
	for _, s := range open {
		s.finish(t)
	}
	commit(t, b)
	expect(t, b, entriesOf(model)...)
}

func take(t *testing.T, b backend.Backend, want map[uint64]backend.Entry) *taken {
	t.Helper()
	s := &taken{s: snapshot(t, b), want: maps.Clone(want), got: map[string]bool{}}
	s.next, s.stop = iter.Pull2(s.s.Entries())
	return s
}

// read goes on a little, and looks one key up.
func (s *taken) read(t *testing.T, rng *rand.Rand, key uint64) {
	t.Helper()
	for range rng.IntN(5) {
		s.advance(t)
	}
	e, ok, err := s.s.Get(data.Count(key))
	want, there := s.want[key]
	if err != nil || ok != there || ok && show(e) != show(want) {
		t.Fatalf("key %d in a snapshot: %s, %v, %v; want %s, %v", key, show(e), ok, err, show(want), there)
	}
}

func (s *taken) advance(t *testing.T) {
	t.Helper()
	e, err, ok := s.next()
	switch {
	case err != nil:
		t.Fatalf("entries of a snapshot: %v", err)
	case !ok:
		s.ended = true
	case s.got[show(e)]:
		t.Fatalf("%s comes twice in a snapshot", show(e))
	default:
		s.got[show(e)] = true
	}
}

// finish reads to the end and compares.
func (s *taken) finish(t *testing.T) {
	t.Helper()
	for !s.ended {
		s.advance(t)
	}
	s.stop()
	for _, e := range s.want {
		if !s.got[show(e)] {
			t.Fatalf("%s is missing in a snapshot", show(e))
		}
	}
	if len(s.got) != len(s.want) {
		t.Fatalf("%d entries in a snapshot, want %d", len(s.got), len(s.want))
	}
	expectSnapshot(t, s.s, entriesOf(s.want)...)
	closeSnapshot(t, s.s)
}

func entriesOf(m map[uint64]backend.Entry) (entries []backend.Entry) {
	for _, e := range m {
		entries = append(entries, e)
	}
	return entries
}

// testOneTransaction changes the same keys many times before a commit, with clearing in between, and checks every figure on the way.
func testOneTransaction(t *testing.T, k Kind) {
	dir := t.TempDir()
	b := k.Open(t, dir)
	a, c, d := data.String("a"), data.String("c"), data.String("d")
	put(t, b, a, data.Count(1), 5)
	put(t, b, c, data.Count(2), backend.Never)
	commit(t, b)
	erase(t, b, a, true)
	erase(t, b, a, false)
	put(t, b, a, data.String("longer than it was"), backend.Never)
	expect(t, b, entry(a, data.String("longer than it was")), entry(c, data.Count(2)))
	put(t, b, d, data.Count(4), 9)
	erase(t, b, d, true)
	expect(t, b, entry(a, data.String("longer than it was")), entry(c, data.Count(2)))
	if err := b.Clear(); err != nil {
		t.Fatal(err)
	}
	expect(t, b)
	erase(t, b, c, false)
	put(t, b, c, data.Count(5), 11)
	put(t, b, d, data.Count(6), backend.Never)
	erase(t, b, d, true)
	setMeta(t, b, "m", []byte("1"))
	setMeta(t, b, "m", nil)
	expect(t, b, until(c, data.Count(5), 11))
	commit(t, b)
	expect(t, b, until(c, data.Count(5), 11))
	put(t, b, a, data.Count(7), 12)
	put(t, b, a, data.Count(7), backend.Never)
	commit(t, b)
	if k.Persistent {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = k.Open(t, dir)
	}
	expect(t, b, until(c, data.Count(5), 11), entry(a, data.Count(7)))
	if v, err := b.Meta("m"); v != nil || err != nil {
		t.Errorf("a meta that was removed: %q, %v", v, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// testLargeTransaction replaces more in one transaction than a backend may want to keep in memory, while a snapshot is open. The snapshot
// shows what was there before, or says that this is too much.
func testLargeTransaction(t *testing.T, k Kind) {
	dir := t.TempDir()
	b := k.Open(t, dir)
	const n = 32
	fill := func(letter string, d backend.Deadline) (all []backend.Entry) {
		for i := range n {
			e := until(data.Count(uint64(i)), data.String(strings.Repeat(letter, 300_000+i)), d)
			put(t, b, e.Key, e.Value, e.Deadline)
			all = append(all, e)
		}
		return all
	}
	before := fill("o", 7)
	commit(t, b)
	s := snapshot(t, b)
	after := fill("n", backend.Never)
	expect(t, b, after...)
	inside, err := b.Snapshot()
	if err != nil && !errors.Is(err, backend.ErrSnapshotTooOld) {
		t.Fatal(err)
	}
	commit(t, b)
	for _, s := range []backend.Snapshot{s, inside} {
		if s == nil {
			continue
		}
		if _, _, err := s.Get(data.Count(0)); !errors.Is(err, backend.ErrSnapshotTooOld) {
			expectSnapshot(t, s, before...)
		}
	}
	if inside != nil {
		closeSnapshot(t, inside)
	}
	fill("x", backend.Never) // not committed
	closeSnapshot(t, s)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if k.Persistent {
		b = k.Open(t, dir)
		defer b.Close()
		expect(t, b, after...)
	}
}
