// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// DefaultWriters is how many goroutines write unless said otherwise.
const DefaultWriters = 1

// StoreOptions say what [Store] writes to.
type StoreOptions struct {
	// Backend is memory, sqlite or pebble.
	Backend string
	// Dir is the folder for what the last two keep. It must not hold anything
	// of an earlier run.
	Dir string
	// Sync is what an acknowledged write promises: full (the default; it is on
	// disk), normal or off. SQLite keeps a rollback journal with full and a
	// write-ahead log else. Pebble knows full only; for memory it means nothing.
	Sync string
	// Count is the number of writes, Writers how many goroutines share them.
	// None waits for a single write, but all for the last.
	Count, Writers int
}

// StoreResult is what a store prints.
type StoreResult struct {
	Result
	Backend string `json:"backend"`
	Sync    string `json:"sync,omitempty"`
	Writers int    `json:"writers"`
	// FirstGet is how long the read after the last write took, and Get half of
	// a thousand reads at most that follow it, of entries all over the store, in
	// microseconds.
	FirstGet float64 `json:"first_get_us"`
	Get      float64 `json:"get_us"`
}

// Store puts entries into a master that has no clones, waits until the last
// one is acknowledged, and reads some back.
func Store(ctx context.Context, o StoreOptions) (result StoreResult, err error) {
	be, err := o.open()
	if err != nil {
		return StoreResult{}, err
	}
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	if err != nil {
		return StoreResult{}, errors.Join(fmt.Errorf("make an endpoint: %w", err), be.Close())
	}
	defer func() { err = errors.Join(err, shut(ctx, e)) }()
	s, err := store.NewMaster(e, StoreName, be, store.MasterOptions{})
	if err != nil {
		return StoreResult{}, fmt.Errorf("make a master: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m := startMeter()
	if err := putAll(ctx, s, 0, o.Count, o.Writers); err != nil {
		return StoreResult{}, err
	}
	if size, err := s.Size(ctx); err != nil || size.Entries != int64(o.Count) {
		return StoreResult{}, fmt.Errorf("there are %d entries of %d: %w", size.Entries, o.Count, err)
	}
	first, err := timedGet(ctx, s, uint64(o.Count-1))
	if err != nil {
		return StoreResult{}, err
	}
	result = StoreResult{Result: m.stop(o.Count), Backend: o.Backend, Sync: o.Sync, Writers: o.Writers, FirstGet: first}
	result.Get, err = medianGet(ctx, s, o.Count)
	return result, err
}

// gets is how many entries are read one after the other, all over the store.
const gets = 1001

func medianGet(ctx context.Context, s *store.Master, count int) (us float64, err error) {
	all := make([]float64, gets)
	for i := range all {
		if all[i], err = timedGet(ctx, s, uint64(i)*7_919_000_003%uint64(count)); err != nil {
			return 0, err
		}
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// timedGet reads an entry and answers how many microseconds that took.
func timedGet(ctx context.Context, s *store.Master, i uint64) (us float64, err error) {
	key := data.Count(i)
	began := time.Now()
	v, err := s.Get(ctx, key)
	took := time.Since(began)
	if err != nil || !data.Equal(v, entryValue(i)) {
		return 0, fmt.Errorf("entry %d is %s: %w", i, v, err)
	}
	return float64(took.Nanoseconds()) / 1e3, nil
}

// Validate says what is wrong with the options.
func (o *StoreOptions) Validate() error {
	switch o.Sync {
	case "full", "normal", "off":
	default:
		return fmt.Errorf("sync %q: allowed: full, normal, off", o.Sync)
	}
	switch o.Backend {
	case "memory":
		return nil
	case "pebble":
		if o.Sync != "full" {
			return fmt.Errorf("sync %q: pebble always syncs; allowed: full", o.Sync)
		}
	case "sqlite":
	default:
		return fmt.Errorf("backend %q: allowed: memory, sqlite, pebble", o.Backend)
	}
	if o.Dir == "" {
		return fmt.Errorf("backend %s needs a folder", o.Backend)
	}
	return nil
}

// open makes the backend.
func (o *StoreOptions) open() (backend.Backend, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Backend == "memory" {
		o.Sync = ""
		return memory.New(), nil
	}
	path := filepath.Join(o.Dir, "bench."+o.Backend)
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s is there already", path)
	}
	be, err := o.openAt(path)
	if err != nil {
		return nil, fmt.Errorf("open the backend: %w", err)
	}
	return be, nil
}

func (o *StoreOptions) openAt(path string) (backend.Backend, error) {
	if o.Backend == "pebble" {
		be, err := pebble.Open(path, pebble.Options{Sync: pebble.Sync(o.Sync)})
		if err != nil {
			return nil, err
		}
		return be, nil
	}
	journal := sqlite.WAL
	if o.Sync == "full" {
		journal = sqlite.Delete
	}
	synchronous := sqlite.Synchronous(strings.ToUpper(o.Sync[:1]) + o.Sync[1:])
	be, err := sqlite.Open(path, sqlite.Options{Synchronous: synchronous, JournalMode: journal})
	if err != nil {
		return nil, err
	}
	return be, nil
}

// entryValue is what is stored under a count.
func entryValue(i uint64) data.Value { return data.Vector(data.String("value"), data.Count(i)) }

// putAll puts the entries from first on, by several goroutines, and returns
// when all are acknowledged.
func putAll(ctx context.Context, s *store.Master, first, count, writers int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			if err := putSome(ctx, s, first+w, first+count, writers); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// checkEvery is how many writes are begun between two looks at an outcome. A
// store that failed refuses everything, so that the last one tells of all.
const checkEvery = 4096

// putSome puts every step-th entry of a range.
func putSome(ctx context.Context, s *store.Master, first, end, step int) error {
	var last *store.Pending
	for n, i := 0, first; i < end; n, i = n+1, i+step {
		if n%checkEvery == 0 {
			if err := errors.Join(ctx.Err(), outcome(last)); err != nil {
				return err
			}
		}
		last = s.PutAsync(data.Count(uint64(i)), entryValue(uint64(i)), 0)
	}
	if last == nil {
		return nil
	}
	return last.Wait(ctx)
}

// outcome is the error of a write that is done.
func outcome(p *store.Pending) error {
	if p == nil {
		return nil
	}
	select {
	case <-p.Done():
		return p.Wait(context.Background())
	default:
		return nil
	}
}
