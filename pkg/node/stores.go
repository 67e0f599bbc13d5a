// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// The pause between attempts to open a store's backend grows between these.
const (
	reopenFirst = 500 * time.Millisecond
	reopenLast  = 30 * time.Second
)

// handle is what masters and clones have in common for a node.
type handle interface {
	Status() store.Status
	Changed() <-chan struct{}
	Close() error
}

// runningStore is one master or clone from its config until it is removed. A
// goroutine of its own opens it, opens it again after a failure, and closes
// it.
type runningStore struct {
	config nodeconfig.Store
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu struct {
		sync.Mutex
		handle handle    // nil while it is not open
		err    error     // why it couldn't be opened
		since  time.Time // when it was first tried, or first failed
	}
}

// turnStores closes the stores that the config no longer has or has
// otherwise, then opens those that it newly has.
func (e *engine) turnStores(c nodeconfig.Config) {
	want := make(map[string]nodeconfig.Store, len(c.Stores))
	for _, s := range c.Stores {
		want[s.StoreName] = s
	}
	e.mu.Lock()
	var leaving []*runningStore
	for name, r := range e.mu.stores {
		if want[name] == r.config {
			delete(want, name)
			continue
		}
		leaving = append(leaving, r)
		delete(e.mu.stores, name)
	}
	e.mu.Unlock()
	closeAll(leaving)
	// Only now: the new master of a name may need the files of the old one.
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, s := range want {
		e.mu.stores[name] = e.runStore(s)
	}
}

func (e *engine) closeStores() {
	e.mu.Lock()
	var leaving []*runningStore
	for name, r := range e.mu.stores {
		leaving = append(leaving, r)
		delete(e.mu.stores, name)
	}
	e.mu.Unlock()
	closeAll(leaving)
}

func closeAll(stores []*runningStore) {
	for _, r := range stores {
		r.stop()
	}
	for _, r := range stores {
		r.done.Wait()
	}
}

// runningStores is a copy of the list for the observer.
func (e *engine) runningStores() []*runningStore {
	e.mu.Lock()
	defer e.mu.Unlock()
	stores := make([]*runningStore, 0, len(e.mu.stores))
	for _, r := range e.mu.stores {
		stores = append(stores, r)
	}
	return stores
}

// runStore starts the store's goroutine.
func (e *engine) runStore(c nodeconfig.Store) *runningStore {
	ctx, stop := context.WithCancel(context.Background())
	r := &runningStore{config: c, stop: stop}
	r.mu.since = time.Now()
	log := e.log.With("object", c.Object)
	r.done.Go(func() {
		h := r.open(ctx, func() (handle, error) { return e.openStore(c, log) }, e.wake, log)
		if h == nil {
			return
		}
		r.follow(ctx, h, e.wake)
		if err := h.Close(); err != nil {
			log.Error("close the store", "store", c.StoreName, "error", err)
		}
	})
	return r
}

// open tries until the store is open; nil if it is no longer wanted.
func (r *runningStore) open(ctx context.Context, open func() (handle, error), wake func(), log *slog.Logger) handle {
	for pause := reopenFirst; ; pause = min(2*pause, reopenLast) {
		h, err := open()
		r.mu.Lock()
		if err != nil && r.mu.err == nil {
			r.mu.since = time.Now()
		}
		r.mu.handle, r.mu.err = h, err
		r.mu.Unlock()
		wake()
		if err == nil {
			return h
		}
		log.Error("open the store", "store", r.config.StoreName, "error", err, "again in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// follow wakes the observer at each change of state.
func (r *runningStore) follow(ctx context.Context, h handle, wake func()) {
	for {
		changed := h.Changed()
		wake()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// openStore makes the master or clone of a config. The nil handle is a nil
// interface on every error.
func (e *engine) openStore(c nodeconfig.Store, log *slog.Logger) (handle, error) {
	if c.Role == nodeconfig.RoleClone {
		stale := store.RefuseStale
		if c.StaleReads == nodeconfig.StaleServe {
			stale = store.ServeStale
		}
		clone, err := store.NewClone(e.endpoint, c.StoreName, store.CloneOptions{
			StaleAfter: time.Duration(c.StaleAfterSeconds * float64(time.Second)),
			StaleReads: stale,
			QueueBytes: int(c.WriteQueueBytes),
			Logger:     log,
		})
		if err != nil {
			return nil, fmt.Errorf("attach the clone: %w", err)
		}
		return clone, nil
	}
	be, err := e.openBackend(c, log)
	if err != nil {
		return nil, fmt.Errorf("open the backend: %w", err)
	}
	master, err := store.NewMaster(e.endpoint, c.StoreName, be, store.MasterOptions{
		MaxEntryBytes: int(c.EntryBytes), HistoryBytes: int(c.HistoryBytes), Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("attach the master: %w", err)
	}
	return master, nil
}

func (e *engine) openBackend(c nodeconfig.Store, log *slog.Logger) (backend.Backend, error) {
	if c.Backend == nodeconfig.BackendMemory {
		return memory.Open(memory.Options{MaxBytes: c.MemoryBytes}), nil
	}
	path := storePath(e.o.DataDir, c)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if c.Backend == nodeconfig.BackendPebble {
		return orNil(pebble.Open(path, pebble.Options{Sync: pebble.Sync(strings.ToLower(c.Synchronous)), CacheBytes: c.CacheBytes}))
	}
	return orNil(sqlite.Open(path, sqlite.Options{
		Synchronous:     sqlite.Synchronous(c.Synchronous),
		JournalMode:     sqlite.JournalMode(c.JournalMode),
		IntegrityCheck:  c.IntegrityCheck,
		DeleteOnFailure: c.FailureMode == nodeconfig.FailureDelete,
		Log:             log.With("store", c.StoreName),
	}))
}

// orNil keeps a nil pointer out of the interface.
func orNil[B backend.Backend](b B, err error) (backend.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}
