// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// watchedBackend counts what is asked of it.
type watchedBackend struct {
	*memory.Backend
	calls, expiring int
	kept            bool
}

func (b *watchedBackend) Get(key data.Value) (backend.Entry, bool, error) {
	b.calls++
	return b.Backend.Get(key)
}

func (b *watchedBackend) Snapshot() (backend.Snapshot, error) {
	b.calls++
	return b.Backend.Snapshot()
}

func (b *watchedBackend) Expiring() iter.Seq2[backend.Entry, error] {
	b.expiring++
	return b.Backend.Expiring()
}

func (b *watchedBackend) Commit() error {
	b.calls++
	return b.Backend.Commit()
}

func (b *watchedBackend) Close() error {
	if b.kept { // as if it were on a disk
		return nil
	}
	return b.Backend.Close()
}

// TestExpiryIsExact: an entry is there until its time has come and gone a tick later, also if the master was started anew in between;
// and until then its deadline costs nothing.
func TestExpiryIsExact(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			be := &watchedBackend{Backend: memory.New(), kept: restart}
			start := func() *Master {
				m, err := NewMaster(new(fabric).join(), "s", be, MasterOptions{})
				must(t, err)
				synctest.Wait()
				return m
			}
			m := start()
			must(t, m.Put(t.Context(), str("k"), integer(1), 10*time.Second))
			for i := range int64(5000) {
				m.PutAsync(integer(i), integer(i), time.Hour)
			}
			must(t, m.Put(t.Context(), str("k2"), integer(1), 0))
			if restart {
				time.Sleep(5 * time.Second)
				must(t, m.Close())
				m = start()
				time.Sleep(5 * time.Second)
			} else {
				before := be.calls
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if be.calls != before || be.expiring != 1 {
					t.Errorf("%d calls while nothing happens, %d scans", be.calls-before, be.expiring)
				}
			}
			if got := get(t, m, "k"); got != "1" {
				t.Errorf("at its time: %s", got)
			}
			time.Sleep(100*time.Millisecond + time.Nanosecond)
			synctest.Wait()
			if got := get(t, m, "k"); got != code.NoSuchKey.Error() {
				t.Errorf("a tick later: %s", got)
			}
			be.kept = false
			must(t, m.Close())
		})
	}
}

// TestManyExpireAtOnce: more than go into one group.
func TestManyExpireAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := new(fabric).join()
		m := startMaster(t, bus, "s")
		const n = 2*expiredAtOnce + 100
		for i := range int64(n) {
			m.PutAsync(integer(i), integer(i), time.Second)
		}
		must(t, m.Put(t.Context(), str("stays"), integer(1), 0))
		synctest.Wait()
		bus.takeEvents()
		time.Sleep(1100*time.Millisecond + time.Nanosecond)
		synctest.Wait()
		if s := m.Status(); s.Entries != 1 || s.Sequence != 2*n+2 {
			t.Errorf("%+v", s)
		}
		if events := bus.takeEvents(); len(events) != n {
			t.Errorf("%d events", len(events))
		}
		if len(m.deadlines.byKey) != 0 {
			t.Errorf("%d deadlines are left", len(m.deadlines.byKey))
		}
	})
}

// TestWrittenAgain: any change of an entry replaces its deadline.
func TestWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startMaster(t, new(fabric).join(), "s")
		ctx, k := t.Context(), str("k")
		for name, again := range map[string]func() error{
			"put":      func() error { return m.Put(ctx, k, integer(2), 0) },
			"add":      func() error { return m.Increment(ctx, k, integer(1), 0) },
			"subtract": func() error { return m.Decrement(ctx, k, integer(1), 0) },
			"later":    func() error { return m.Put(ctx, k, integer(2), time.Minute) },
			"erased":   func() error { return errors.Join(m.Erase(ctx, k), m.Put(ctx, k, integer(2), 0)) },
			"cleared":  func() error { return errors.Join(m.Clear(ctx), m.Put(ctx, k, integer(2), 0)) },
			"batch":    func() error { return m.Apply(ctx, Batch{Writes: []Write{WriteErase(k), WritePut(k, integer(2), 0)}}) },
		} {
			must(t, m.Put(ctx, k, integer(1), time.Second))
			must(t, again())
			time.Sleep(2 * time.Second)
			if ok, err := m.Exists(ctx, k); !ok || err != nil {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
		}
	})
}
