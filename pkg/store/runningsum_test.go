// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// TestRunningSum: the checksum that a master keeps for a handover is that of its content, whatever was written while it was worked out and
// since; and it is forgotten when no handover comes.
func TestRunningSum(t *testing.T) {
	for name, open := range map[string]func() (backend.Backend, error){
		"memory": func() (backend.Backend, error) { return memory.New(), nil },
		"sqlite": func() (backend.Backend, error) { return sqlite.Open(filepath.Join(t.TempDir(), "s"), sqlite.Options{}) },
		"pebble": func() (backend.Backend, error) { return pebble.Open(filepath.Join(t.TempDir(), "p"), pebble.Options{}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed.For(t), 1))
			be, err := open()
			must(t, err)
			m, err := NewMaster(new(fabric).join(), "s", be, MasterOptions{TickInterval: time.Millisecond})
			must(t, err)
			defer m.Close()
			for i := range fewEntries + 1000 {
				m.PutAsync(integer(int64(i)), str("some value"), 0)
			}
			for round := range 5 {
				expectSum(t, m)
				var writes []*Pending
				for range 300 {
					writes = append(writes, m.WriteAsync(randomWrite(r, round)))
				}
				for _, w := range writes {
					must(t, w.Wait(t.Context()))
				}
				compareSums(t, m)
			}
		})
	}
}

// randomWrite is a write to one of a few keys, now and then to all.
func randomWrite(r *rand.Rand, round int) Write {
	key, expiry := integer(r.Int64N(300)), time.Duration(r.IntN(3))*time.Millisecond
	switch n := r.IntN(1000); {
	case n < 2 && round > 2:
		return WriteClear()
	case n < 400:
		return WritePut(key, str(fmt.Sprint(n)), expiry)
	case n < 600:
		return WriteErase(key)
	default:
		return WriteAdd(str(fmt.Sprint("n", n%100)), data.Count(1), data.KindCount, 0)
	}
}

// expectSum is what a target's first question makes of a master.
func expectSum(t *testing.T, m *Master) {
	t.Helper()
	m.turn.Lock()
	defer m.turn.Unlock()
	m.expectHandover()
	must(t, m.failed)
}

// compareSums compares the checksum that a master keeps with that of what its backend has.
func compareSums(t *testing.T, m *Master) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		m.turn.Lock()
		if m.sum.ready.Load() || time.Now().After(deadline) {
			break
		}
		m.turn.Unlock()
		_, err := m.Size(t.Context())
		must(t, err)
	}
	defer m.turn.Unlock()
	content, err := m.snapshot()
	must(t, err)
	sum, count, err := contentSum(t.Context(), content)
	must(t, err)
	must(t, content.Close())
	if s, n := m.sum.total(); !m.sum.ready.Load() || s != sum || n != count {
		t.Errorf("the sum is %x of %d entries, kept was %x of %d", sum, count, s, n)
	}
}

// TestSumIsForgotten: a master keeps a checksum up to date only as long as a handover may come.
func TestSumIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startMaster(t, new(fabric).join(), "s")
		expectSum(t, m)
		kept := func() bool {
			m.turn.Lock()
			defer m.turn.Unlock()
			return m.sum != nil
		}
		time.Sleep(sumPatience - time.Second)
		if !kept() {
			t.Error("it is forgotten already")
		}
		time.Sleep(2 * time.Second)
		if kept() {
			t.Error("it is still kept")
		}
	})
}

// TestTakeOverLarge: a store with more entries than are summed up at once moves while somebody writes, to each backend.
func TestTakeOverLarge(t *testing.T) {
	for name, open := range map[string]func(dir string) (backend.Backend, error){
		"memory": func(string) (backend.Backend, error) { return keep(memory.New()), nil },
		"sqlite": func(dir string) (backend.Backend, error) {
			return sqlite.Open(filepath.Join(dir, "s"), sqlite.Options{})
		},
		"pebble": func(dir string) (backend.Backend, error) {
			return pebble.Open(filepath.Join(dir, "p"), pebble.Options{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(fabric)
			old := begin(t, f.join(), memory.New(), MasterOptions{})
			for i := range fewEntries + 1000 {
				old.PutAsync(integer(int64(i)), str("some value"), 0)
			}
			c := startClone(t, f.join(), "s", CloneOptions{})
			must(t, old.AwaitIdle(t.Context()))
			w := gather(t, func() time.Duration { return 100 * time.Microsecond })
			w.join("at the master", old, true)
			be, err := open(t.TempDir())
			must(t, err)
			m, err := c.TakeOver(t.Context(), be, TakeOverOptions{})
			must(t, err)
			t.Cleanup(func() { m.Close() })
			w.check(m)
			if n, err := m.Size(t.Context()); err != nil || n.Entries < fewEntries+1000 {
				t.Errorf("%+v, %v", n, err)
			}
		})
	}
}
