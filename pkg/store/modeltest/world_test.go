// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
)

const storeName = "model"

// frontend is what masters and clones have in common.
type frontend interface {
	WriteAsync(w store.Write) *store.Pending
	PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error)
	CompareAndSet(ctx context.Context, key, old data.Value, present bool, value data.Value, expiry time.Duration) (bool, error)
	Apply(ctx context.Context, b store.Batch) error
	Get(ctx context.Context, key data.Value) (data.Value, error)
	Watch(ctx context.Context, o store.WatchOptions) iter.Seq2[store.Change, error]
	Snapshot(ctx context.Context) (*store.Snapshot, error)
	AwaitIdle(ctx context.Context) error
	Status() store.Status
	Close() error
}

// process is a frontend with the endpoint that it lives on.
type process struct {
	frontend
	at *endpoint
	// dead processes may still answer, but nobody hears it.
	dead atomic.Bool
}

// world is a history under way.
type world struct {
	net     *network
	disk    disk
	masterI data.EndpointID // persistent masters keep their endpoint's ID
	rec     *record
	ops     sync.WaitGroup
	// present are the processes by place, nil where there is none; leftovers are dead ones that were not closed yet.
	mu        sync.Mutex
	present   [endpoints]*process
	leftovers []*process
	backs     [endpoints]time.Time
	failure   error
	// history is the HistoryBytes of masters. outside are the outsiders that live, if there are any, everOutside all that ever did.
	history     int
	outside     [outsiders]*outsider
	everOutside []*outsider
}

func newWorld(seed uint64, s storage, dir string) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{net: newNetwork(rng), disk: s.open(seed, dir), masterI: data.NewEndpointID(), rec: newRecord()}
	if s.foreign && seed%3 == 0 {
		w.history = littleHistory
	}
	return w
}

// fail keeps the first thing that is wrong.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
	}
}

func (w *world) at(place int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.present[place]
}

// start starts the process of a place.
func (w *world) start(place int) {
	p := &process{}
	if place == 0 {
		be, err := w.disk.open()
		if err != nil {
			w.fail("the master's backend does not open: %w", err)
			return
		}
		p.at = w.net.join(place, w.masterI)
		m, err := store.NewMaster(p.at, storeName, be, store.MasterOptions{HistoryBytes: w.history})
		if err != nil {
			w.fail("the master does not start: %w", err)
			return
		}
		p.frontend = m
		w.rec.follow(w, p, m)
	} else {
		p.at = w.net.join(place, data.NewEndpointID())
		c, err := store.NewClone(p.at, storeName, store.CloneOptions{StaleAfter: staleAfter})
		if err != nil {
			w.fail("the clone does not start: %w", err)
			return
		}
		p.frontend = c
		w.rec.watch(place, c)
	}
	w.mu.Lock()
	w.present[place], w.backs[place] = p, time.Time{}
	w.mu.Unlock()
}

// kill makes the process of a place dead without a word. It is back after a while.
func (w *world) kill(place int, back time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.present[place]
	if p == nil {
		return
	}
	p.dead.Store(true)
	p.at.die()
	w.present[place], w.backs[place] = nil, time.Now().Add(back)
	w.leftovers = append(w.leftovers, p)
}

// bury closes what is dead.
func (w *world) bury() {
	w.mu.Lock()
	dead := w.leftovers
	w.leftovers = nil
	w.mu.Unlock()
	for _, p := range dead {
		_ = p.Close()
	}
}

// revive starts the processes whose time has come, or all.
func (w *world) revive(all bool) {
	for place := range endpoints {
		w.mu.Lock()
		due := w.present[place] == nil && (all || !time.Now().Before(w.backs[place]))
		w.mu.Unlock()
		if due {
			w.bury()
			w.start(place)
		}
	}
}

// do carries out an action.
func (w *world) do(a action) {
	w.revive(false)
	var p *process
	if a.place < endpoints {
		p = w.at(a.place)
	}
	switch a.kind {
	case doWriteOutside, doLookOutside, doCrashOutside:
		w.doOutside(a)
	case doWait:
		w.wait(a.d)
	case doHeal:
		w.net.heal()
	case doLink:
		if a.place != a.other {
			w.net.both(a.place, a.other, func(l *link) { l.cut, l.loss, l.delay = a.loss == 100, a.loss, a.d })
		}
	case doCrashClone:
		w.kill(a.place, a.d)
		w.bury()
	case doCrashMaster:
		w.crashMaster(a.d)
	case doCrashWriting:
		if p != nil {
			w.disk.crashAt(a.n, func() { w.kill(0, a.d) })
		}
	case doRestartMaster:
		w.restartMaster(p, a.d)
	case doLook:
		if p != nil {
			w.rec.look(a.place, p)
		}
	default:
		if p != nil {
			w.write(a, p)
		}
	}
}

// wait lets time pass, and brings back who is due meanwhile.
func (w *world) wait(d time.Duration) {
	const step = 500 * time.Millisecond
	for ; d > 0; d -= step {
		time.Sleep(min(d, step))
		w.revive(false)
	}
}

// crashMaster kills the master between two batches.
func (w *world) crashMaster(back time.Duration) {
	synctest.Wait()
	if w.at(0) == nil {
		return
	}
	w.kill(0, back)
	w.disk.crash()
	w.bury()
}

// restartMaster closes the master in good order.
func (w *world) restartMaster(p *process, back time.Duration) {
	if p == nil {
		return
	}
	if err := p.Close(); err != nil && !p.dead.Load() {
		w.fail("closing the master: %w", err)
	}
	synctest.Wait() // its last answers are heard, and its last changes seen
	w.kill(0, back)
	w.bury()
}

// finish ends all faults, waits until nobody waits any more, and closes everything.
func (w *world) finish() {
	w.net.heal()
	w.disk.crashAt(0, nil) // a crash that was to come does not
	w.revive(true)
	if w.failure == nil {
		done := make(chan struct{})
		go func() {
			w.ops.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(patience):
			w.fail("%v after everything was mended, writes still wait: %s%s", patience, w.rec.unfinished(), w.statuses())
		}
		w.settle()
	}
	w.endOutside()
	for place := range endpoints {
		w.kill(place, 0)
	}
	w.bury()
	w.ops.Wait()
	w.rec.followers.Wait()
}

// statuses are those of all frontends.
func (w *world) statuses() string {
	var all strings.Builder
	for place := range endpoints {
		if p := w.at(place); p != nil {
			fmt.Fprintf(&all, "\n\tstatus at %d: %+v", place, p.Status())
		}
	}
	return all.String()
}

// patience is how long everything may take once all faults have ended.
const patience = 5 * time.Minute

// settle waits until all frontends are idle, and has a last look at them.
func (w *world) settle() {
	time.Sleep(20 * time.Second) // the longest expiry has passed
	for place := range endpoints {
		p := w.at(place)
		if p == nil {
			w.fail("place %d is empty in the end", place)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := p.AwaitIdle(ctx); err != nil {
			w.fail("the frontend at %d is not idle in the end: %w; status %+v", place, err, p.Status())
		}
		cancel()
	}
	time.Sleep(3 * time.Second)
	synctest.Wait()
	w.judgeOutside()
	for place := range endpoints {
		if p := w.at(place); p != nil {
			w.rec.look(place, p)
		}
	}
}
