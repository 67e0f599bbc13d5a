// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
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
// it. A clone that is to become the master is handed from one to the next.
type runningStore struct {
	wake func()
	log  *slog.Logger
	stop context.CancelFunc
	done sync.WaitGroup

	backups *backups // of a master; nil for a clone

	// copy is the clone that the store has, or is to take over from; of the
	// goroutine, and of who has waited for it.
	copy *replica

	mu struct {
		sync.Mutex
		config     nodeconfig.Store
		handle     handle    // nil while it is not open
		takingOver bool      // the handle is a clone that is to become the master
		err        error     // why it couldn't be opened, or taken over
		since      time.Time // when it was first tried, or first failed
		restore    *statusapi.Restore
		leave      bool // the clone outlives the goroutine
		lapse      *time.Timer
	}
}

// replica is a clone with the config that it was made by.
type replica struct {
	*store.Clone
	by nodeconfig.Store
}

// config is what the store runs by now.
func (r *runningStore) config() nodeconfig.Store {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.config
}

// turnStores closes the stores that the config no longer has or has
// otherwise, then opens those that it newly has.
func (e *engine) turnStores(c nodeconfig.Config) {
	want := make(map[string]nodeconfig.Store, len(c.Stores))
	for _, s := range c.Stores {
		want[s.StoreName] = s
	}
	e.mu.Lock()
	leaving := make(map[string]*runningStore)
	for name, r := range e.mu.stores {
		s, wanted := want[name]
		if wanted && r.turnTo(s) {
			delete(want, name)
			continue
		}
		r.mu.Lock()
		r.mu.leave = wanted && (s.Epoch != 0 || s.Role == nodeconfig.RoleClone)
		r.mu.Unlock()
		leaving[name] = r
		delete(e.mu.stores, name)
	}
	e.mu.Unlock()
	closeAll(leaving)
	// Only now: the new master of a name may need the files of the old one.
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, s := range want {
		var left *replica
		if r := leaving[name]; r != nil {
			left = r.copy
		}
		e.mu.stores[name] = e.runStore(s, left)
	}
}

func (e *engine) closeStores() {
	e.mu.Lock()
	leaving := e.mu.stores
	e.mu.stores = make(map[string]*runningStore)
	e.mu.Unlock()
	closeAll(leaving)
}

func closeAll(stores map[string]*runningStore) {
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

// runStore starts the store's goroutine. left is a clone of the store from
// before; nil if there is none.
func (e *engine) runStore(c nodeconfig.Store, left *replica) *runningStore {
	ctx, stop := context.WithCancel(context.Background())
	r := &runningStore{wake: e.wake, log: e.log.With("object", c.Object, "store", c.StoreName), stop: stop, copy: left}
	r.mu.config, r.mu.since = c, time.Now()
	if c.Role == nodeconfig.RoleMaster && !c.Remove {
		r.backups = newBackups(r, e.o.BackupDir, e.o.clock())
		r.done.Go(func() { r.backups.run(ctx) })
	}
	r.done.Go(func() {
		defer r.end()
		if r.open(ctx, func() (handle, error) { return e.openStore(ctx, r, c) }) {
			r.follow(ctx)
		}
	})
	return r
}

// open tries until the store is open; false if it is no longer wanted.
func (r *runningStore) open(ctx context.Context, open func() (handle, error)) bool {
	for pause := reopenFirst; ; pause = min(2*pause, reopenLast) {
		h, err := open()
		r.mu.Lock()
		if err != nil && r.mu.err == nil {
			r.mu.since = time.Now()
		}
		r.mu.err = err
		if err == nil {
			r.mu.handle, r.mu.takingOver = h, false
		}
		r.mu.Unlock()
		r.wake()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		r.log.Error("open the store", "error", err, "again in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// follow wakes the observer at each change of state.
func (r *runningStore) follow(ctx context.Context) {
	r.mu.Lock()
	h := r.mu.handle
	r.mu.Unlock()
	for {
		changed := h.Changed()
		r.wake()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// end closes what the store has, but a clone that goes to its successor.
func (r *runningStore) end() {
	r.mu.Lock()
	h, leave := r.mu.handle, r.mu.leave
	if r.mu.lapse != nil {
		r.mu.lapse.Stop()
	}
	r.mu.Unlock()
	if r.copy != nil && leave {
		return
	}
	var err error
	if r.copy != nil {
		err = r.copy.Close()
		r.copy = nil
	} else if h != nil {
		err = h.Close()
	}
	if err != nil {
		r.log.Error("close the store", "error", err)
	}
}

// openStore makes the master or clone of a config. The nil handle is a nil
// interface on every error.
func (e *engine) openStore(ctx context.Context, r *runningStore, c nodeconfig.Store) (handle, error) {
	if c.Role == nodeconfig.RoleClone {
		if err := e.attach(r, c); err != nil {
			return nil, err
		}
		return r.copy.Clone, nil
	}
	if c.Remove {
		return e.removeFiles(r, c)
	}
	be, err := e.openBackend(c, r.log)
	if err != nil {
		return nil, fmt.Errorf("open the backend: %w", err)
	}
	if err := e.restore(ctx, r, c, be); err != nil {
		return nil, errors.Join(err, be.Close())
	}
	return e.openMaster(ctx, r, c, be)
}

// attach sees to it that the store has a clone of a config.
func (e *engine) attach(r *runningStore, c nodeconfig.Store) error {
	if r.copy != nil && (r.copy.by == c || c.Role == nodeconfig.RoleMaster) {
		return nil
	}
	if r.copy != nil {
		if err := r.copy.Close(); err != nil {
			r.log.Error("close the clone", "error", err)
		}
		r.copy = nil
	}
	stale := store.RefuseStale
	if c.StaleReads == nodeconfig.StaleServe {
		stale = store.ServeStale
	}
	clone, err := store.NewClone(e.endpoint, c.StoreName, store.CloneOptions{
		StaleAfter: time.Duration(c.StaleAfterSeconds * float64(time.Second)),
		StaleReads: stale,
		QueueBytes: int(c.WriteQueueBytes),
		Logger:     r.log,
	})
	if err != nil {
		return fmt.Errorf("attach the clone: %w", err)
	}
	r.copy = &replica{clone, c}
	return nil
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
