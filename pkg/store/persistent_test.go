// SPDX-License-Identifier: Apache-2.0

package store

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// await waits until a condition holds, which is looked at again whenever the bus has published an event or some time has passed.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestRestart: what was acknowledged is there after a restart, with its expiry; what was due meanwhile goes on the first tick, with event
// and replay.
func TestRestart(t *testing.T) {
	for _, tt := range []struct {
		name string
		open func(dir string) (backend.Backend, error)
	}{
		{"SQLite", func(dir string) (backend.Backend, error) {
			return sqlite.Open(filepath.Join(dir, "s.sqlite"), sqlite.Options{})
		}},
		{"SQLite WAL", func(dir string) (backend.Backend, error) {
			return sqlite.Open(filepath.Join(dir, "s.sqlite"), sqlite.Options{JournalMode: sqlite.WAL, Synchronous: sqlite.Normal})
		}},
		{"Pebble", func(dir string) (backend.Backend, error) { return pebble.Open(dir, pebble.Options{}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			start := func(tick time.Duration) (*Master, *fakeBus) {
				be, err := tt.open(dir)
				must(t, err)
				bus := new(fabric).join()
				m, err := NewMaster(bus, "s", be, MasterOptions{TickInterval: tick})
				must(t, err)
				return m, bus
			}
			ctx := t.Context()
			m, _ := start(time.Hour)
			var group sync.WaitGroup
			for i := range 50 {
				group.Go(func() { must(t, m.Put(ctx, integer(int64(i)), data.Vector(str("value"), integer(int64(i))), 0)) })
			}
			group.Wait()
			must(t, m.Put(ctx, str("later"), integer(1), time.Hour))
			must(t, m.Put(ctx, str("soon"), integer(1), 400*time.Millisecond))
			must(t, m.Put(ctx, str("short"), integer(1), time.Nanosecond))
			must(t, m.Increment(ctx, str("n"), data.Count(1), 0))
			must(t, m.Erase(ctx, integer(0)))
			must(t, m.Close())

			m, bus := start(20 * time.Millisecond)
			if got := get(t, m, "n"); got != "1" {
				t.Errorf("n is %s", got)
			}
			if _, err := m.Get(ctx, integer(0)); !errors.Is(err, code.NoSuchKey) {
				t.Errorf("erased: %v", err)
			}
			if v, err := m.Get(ctx, integer(49)); err != nil || v.String() != "(value, 49)" {
				t.Errorf("%v, %v", v, err)
			}
			await(t, "two entries have expired", func() bool { return m.Status().Entries == 51 })
			must(t, m.AwaitIdle(ctx)) // events come after the status
			expectEvents(t, "after the restart", bus, "expire short", "expire soon")
			must(t, m.Close())

			m, _ = start(20 * time.Millisecond)
			if got := get(t, m, "later"); got != "1" || m.Status().Entries != 51 || len(m.deadlines.queue) != 1 {
				t.Errorf("later is %s, %+v, %d deadlines", got, m.Status(), len(m.deadlines.queue))
			}
			must(t, m.Clear(ctx))
			must(t, m.Close())
			m, _ = start(20 * time.Millisecond)
			if keys, err := m.Keys(ctx); err != nil || keys.Len() != 0 {
				t.Errorf("keys %v, %v", keys, err)
			}
			must(t, m.Close())
		})
	}
}

// TestFileOfTheReference: a master on a database that C++ Broker wrote holds what is in it, less the expired.
func TestFileOfTheReference(t *testing.T) {
	packed, err := os.Open("backend/sqlite/testdata/plain.sqlite.gz")
	must(t, err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	must(t, err)
	content, err := io.ReadAll(unpacked)
	must(t, err)
	path := filepath.Join(t.TempDir(), "plain.sqlite")
	must(t, os.WriteFile(path, content, 0o600))
	be, err := sqlite.Open(path, sqlite.Options{})
	must(t, err)
	due := int64(0)
	for e, err := range be.Expiring() {
		must(t, err)
		if e.Deadline.Passed(time.Now()) {
			due++
		}
	}
	m, err := NewMaster(new(fabric).join(), "s", be, MasterOptions{TickInterval: time.Millisecond})
	must(t, err)
	await(t, "the expired are gone", func() bool { return m.Status().State == StateServing && m.Status().Entries == 270-due })
	keys, err := m.Keys(t.Context())
	must(t, err)
	for key := range keys.Elements() {
		if _, err := m.Get(t.Context(), key); err != nil {
			t.Errorf("%v: %v", key, err)
		}
	}
	if int64(keys.Len()) != 270-due {
		t.Errorf("%d keys", keys.Len())
	}
	must(t, m.Close())
}

// TestGroupCommit: writes that come together are committed together.
func TestGroupCommit(t *testing.T) {
	be, err := sqlite.Open(filepath.Join(t.TempDir(), "s.sqlite"), sqlite.Options{})
	must(t, err)
	counted := &countingBackend{Backend: be}
	m, err := NewMaster(new(fabric).join(), "s", counted, MasterOptions{})
	must(t, err)
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() { must(t, m.Put(t.Context(), integer(int64(i)), integer(0), 0)) })
	}
	group.Wait()
	must(t, m.Close())
	if counted.commits < 1 || counted.commits > 150 {
		t.Errorf("%d commits for 200 writes", counted.commits)
	}
}

// countingBackend counts commits.
type countingBackend struct {
	backend.Backend
	commits int
}

func (b *countingBackend) Commit() error {
	b.commits++
	return b.Backend.Commit()
}
