// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"errors"
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// held is a snapshot and what it has to show.
type held struct {
	s    backend.Snapshot
	want map[uint64]uint64
}

func (h *held) check(t *testing.T, keys uint64) {
	t.Helper()
	seen := 0
	for e, err := range h.s.Entries() {
		key, _ := e.Key.AsCount()
		value, _ := e.Value.AsCount()
		if want, ok := h.want[key]; err != nil || !ok || want != value {
			t.Fatalf("%v: %v, %v; want %d, %v", e.Key, e.Value, err, want, ok)
		}
		seen++
	}
	for key := range keys {
		e, ok, err := h.s.Get(data.Count(key))
		value, _ := e.Value.AsCount()
		if want, exists := h.want[key]; err != nil || ok != exists || value != want {
			t.Fatalf("get %d: %d, %v, %v; want %d, %v", key, value, ok, err, want, exists)
		}
	}
	if n := h.s.Size().Entries; seen != len(h.want) || n != int64(seen) {
		t.Fatalf("%d entries, size %d, want %d", seen, n, len(h.want))
	}
}

// TestManyKeysAndSnapshots compares with a map: enough keys for many groups, and snapshots that stay open, many of them taken in the
// middle of a transaction.
func TestManyKeysAndSnapshots(t *testing.T) {
	for _, s := range seed.Several(t, 2) {
		rng := rand.New(rand.NewPCG(s, 0))
		const keys = 3000
		b := New()
		now, committed := map[uint64]uint64{}, map[uint64]uint64{}
		var open []*held
		for step := range 20_000 {
			key := rng.Uint64N(keys)
			switch action := rng.IntN(10_000); {
			case action < 6500:
				value := rng.Uint64()
				must(t, b.Put(backend.Entry{Key: data.Count(key), Value: data.Count(value), Deadline: backend.Deadline(value >> 1)}))
				now[key] = value
			case action < 9800:
				_, want := now[key]
				if ok, err := b.Erase(data.Count(key)); ok != want || err != nil {
					t.Fatalf("erase: %v, %v, want %v", ok, err, want)
				}
				delete(now, key)
			case action < 9803:
				must(t, b.Clear())
				clear(now)
			case action < 9980:
				must(t, b.Commit())
				committed = maps.Clone(now)
			case len(open) < 6:
				taken, err := b.Snapshot()
				must(t, err)
				open = append(open, &held{taken, maps.Clone(committed)})
			default:
				i := rng.IntN(len(open))
				open[i].check(t, keys)
				must(t, open[i].s.Close())
				open = append(open[:i], open[i+1:]...)
			}
			if step%5_000 == 0 {
				must(t, b.Commit())
				committed = maps.Clone(now)
				taken, err := b.Snapshot()
				must(t, err)
				(&held{taken, committed}).check(t, keys)
			}
		}
		expiring := 0
		for range b.Expiring() {
			expiring++
		}
		if expiring != len(now) {
			t.Fatalf("%d expiring, want %d", expiring, len(now))
		}
		for _, h := range open {
			h.check(t, keys)
		}
	}
}

// TestCrowded: when too many keys have the same hash no more are taken; nothing grows without end.
func TestCrowded(t *testing.T) {
	table := newTable()
	var err error
	for i := range uint64(groupSize + 1) {
		key := string(data.Count(i).AppendBinary(nil))
		g, at := table.find(7<<40, []byte(key))
		if at >= 0 {
			t.Fatal("found what is not there")
		}
		must(t, err)
		err = table.insert(g, 7<<40, record{data: key, keySize: uint32(len(key)), deadline: never})
	}
	if !errors.Is(err, errCrowded) || table.count != groupSize || len(table.dir) > leastCrowded {
		t.Fatalf("%v; %d entries, %d places", err, table.count, len(table.dir))
	}
}

func TestMaxBytes(t *testing.T) {
	b := Open(Options{MaxBytes: 10 * (EntryBytes + 18)})
	put := func(i, v uint64) error {
		return b.Put(backend.Entry{Key: data.Count(i), Value: data.Count(v), Deadline: backend.Never})
	}
	for i := range uint64(10) {
		must(t, put(i, 1))
	}
	if room, ok := b.Room(); room != 0 || !ok {
		t.Errorf("room %d, %v", room, ok)
	}
	if err := put(10, 1); !errors.Is(err, backend.ErrFull) {
		t.Errorf("an eleventh: %v", err)
	}
	must(t, put(3, 2)) // takes no more than before
	if err := b.Put(backend.Entry{Key: data.Count(3), Value: data.String("longer than before"), Deadline: backend.Never}); !errors.Is(err, backend.ErrFull) {
		t.Errorf("a longer value: %v", err)
	}
	if e, ok, err := b.Get(data.Count(3)); !ok || err != nil || e.Value.String() != "2" {
		t.Errorf("%v, %v, %v", e, ok, err)
	}
	if _, err := b.Erase(data.Count(0)); err != nil {
		t.Error(err)
	}
	must(t, put(10, 1))
	if b.Size() != (backend.Size{Entries: 10, Bytes: 180}) {
		t.Errorf("%+v", b.Size())
	}
	if _, bounded := New().Room(); bounded {
		t.Error("New has bounds")
	}
}

func TestSwap(t *testing.T) {
	b := New()
	for i, want := range []string{"", "0", "1"} {
		old, ok, err := b.Swap(backend.Entry{Key: data.Count(1), Value: data.Count(uint64(i)), Deadline: backend.Never})
		must(t, err)
		if ok != (want != "") || ok && old.Value.String() != want {
			t.Errorf("%d: %v, %v", i, old, ok)
		}
	}
}

// TestOverhead: an entry takes fewer than 200 bytes besides its key and value.
func TestOverhead(t *testing.T) {
	const n = 200_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := New()
	for i := range uint64(n) {
		must(t, b.Put(backend.Entry{Key: data.Count(i), Value: value(i), Deadline: backend.Never}))
	}
	must(t, b.Commit())
	runtime.GC()
	runtime.ReadMemStats(&after)
	overhead := (float64(after.HeapAlloc) - float64(before.HeapAlloc) - float64(b.Size().Bytes)) / n
	t.Logf("%.0f bytes an entry besides its %d", overhead, b.Size().Bytes/n)
	if overhead > 200 {
		t.Error("that is too much")
	}
	runtime.KeepAlive(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
