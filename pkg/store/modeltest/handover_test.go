// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// handoverHistories is how many are tried.
const handoverHistories = 200

// moving is a history in which the master moves from place to place, while processes die, messages are lost, and everybody writes.
type moving struct {
	net   *network
	rng   *rand.Rand
	seats [endpoints]*seat
	// home is where the master is, as everybody who starts a process believes; target is where a handover is under way, else -1.
	// wanted is the epoch that the target begins.
	home, target int
	wanted       uint64
	moves        int
	// calm is the end, when nothing goes wrong any more.
	calm bool
	// last is why the last handover that was left undecided was so.
	last error
	ops  sync.WaitGroup

	mu      sync.Mutex
	failure error
	writes  []*movedWrite
	// taken are the handovers that have come to their end.
	taken []taken
}

type taken struct {
	epoch uint64
	at    time.Time
}

// movedWrite is a write. epoch is that of the master that it was given to; 0: it was a clone.
type movedWrite struct {
	id        int
	increment bool
	epoch     uint64
	began     time.Time
	ended     time.Time
	outcome   outcome
	place     int
	err       error
}

// seat is a place with its disk. A process that died may still be there to be closed.
type seat struct {
	disk disk
	id   data.EndpointID
	proc *seated
	back time.Time
}

type seated struct {
	frontend
	at     *endpoint
	ctx    context.Context
	cancel context.CancelFunc
	dead   atomic.Bool
	master bool
}

func (w *moving) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
	}
}

func (w *moving) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

// start starts what belongs to a place: the master at home, clones elsewhere.
func (w *moving) start(place int) {
	s := w.seats[place]
	if place == w.target && w.concluded(s) {
		w.arrived(place, w.wanted)
	}
	p := &seated{at: w.net.join(place, s.id), master: place == w.home}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if !p.master {
		c, err := store.NewClone(p.at, storeName, store.CloneOptions{})
		if err != nil {
			w.fail("a clone does not start: %w", err)
			return
		}
		p.frontend, s.proc = c, p
		return
	}
	be, err := s.disk.open()
	if err != nil {
		w.fail("the master's database does not open: %w", err)
		return
	}
	m, err := store.NewMaster(p.at, storeName, be, store.MasterOptions{})
	if err != nil {
		w.fail("the master does not start: %w", err)
		return
	}
	p.frontend, s.proc = m, p
}

// concluded tells whether the process that died at the target had come to the end of its handover.
func (w *moving) concluded(s *seat) bool {
	be, err := s.disk.open()
	if err != nil {
		w.fail("the database of the target does not open: %w", err)
		return false
	}
	found, err := store.Inspect(be)
	if err = errors.Join(err, be.Close()); err != nil {
		w.fail("the database of the target can't be read: %w", err)
	}
	return err == nil && !found.Unfinished && found.Epoch >= w.wanted && found.Fenced == 0
}

// arrived notes that the master is at another place.
func (w *moving) arrived(place int, epoch uint64) {
	w.mu.Lock()
	w.taken = append(w.taken, taken{epoch, time.Now()})
	w.mu.Unlock()
	w.home, w.target = place, -1
	w.moves++
}

// kill ends the process of a place without a word.
func (w *moving) kill(place int, back time.Duration) {
	s := w.seats[place]
	if s.proc == nil {
		return
	}
	synctest.Wait()
	p := s.proc
	p.dead.Store(true)
	p.at.die()
	s.disk.crash()
	p.cancel()
	s.proc, s.back = nil, time.Now().Add(back)
	_ = p.Close()
}

// tend starts who is due, and goes on with a handover that broke off.
func (w *moving) tend(all bool) {
	for place, s := range w.seats {
		if s.proc == nil && (all || !time.Now().Before(s.back)) {
			w.start(place)
		}
	}
}

// move has the clone at a place take the store over, and does so again until it is certain what came of it.
func (w *moving) move(place int) {
	if w.target >= 0 || place == w.home || w.seats[w.home].proc == nil {
		return
	}
	if before := w.seats[place].proc; before != nil && before.master { // one that was fenced
		_ = before.Close()
		w.start(place)
	}
	w.target, w.wanted = place, w.seats[w.home].proc.Status().Epoch+1
	w.attempt()
}

// attempt is one TakeOver. It ends the handover, or leaves it to the next attempt.
func (w *moving) attempt() {
	place := w.target
	if place < 0 || w.seats[place].proc == nil {
		return
	}
	p := w.seats[place].proc
	clone, ok := p.frontend.(*store.Clone)
	if !ok {
		return
	}
	be, err := w.seats[place].disk.open()
	if err != nil {
		w.fail("the database of the target does not open: %w", err)
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	done := make(chan struct{})
	var m *store.Master
	go func() {
		defer close(done)
		m, err = clone.TakeOver(ctx, be, store.TakeOverOptions{})
	}()
	// Meanwhile others write, and things go wrong.
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-time.After(20 * time.Millisecond):
			w.trouble(place)
		}
	}
	w.ended(place, p, m, err)
}

// trouble is what may happen during a handover.
func (w *moving) trouble(target int) {
	if w.calm {
		return
	}
	switch w.rng.IntN(60) {
	case 0:
		w.kill(target, time.Second)
	case 1:
		w.kill(w.home, time.Duration(w.rng.IntN(3000))*time.Millisecond)
	case 2:
		w.net.both(w.home, target, func(l *link) { l.loss = []int{0, 30, 100}[w.rng.IntN(3)] })
	case 3:
		w.net.heal()
	default:
		w.write(w.rng.IntN(endpoints))
	}
	w.tend(false)
}

// ended notes what came of a TakeOver.
func (w *moving) ended(place int, p *seated, m *store.Master, err error) {
	switch {
	case p.dead.Load():
		if m != nil {
			_ = m.Close()
		}
		return // whoever starts there takes it up again
	case errors.Is(err, store.ErrNotEqual):
		w.fail("a handover found contents that differ: %w", err)
		return
	case errors.Is(err, store.ErrUndecided):
		w.last = err
		return
	case err != nil:
		w.last, w.target = err, -1
		return
	}
	old := w.home
	w.arrived(place, m.Status().Epoch)
	next := &seated{frontend: m, at: p.at, ctx: p.ctx, cancel: p.cancel, master: true}
	w.seats[place].proc = next
	if before := w.seats[old].proc; before != nil && w.rng.IntN(2) == 0 { // or it stays, fenced, until it is restarted
		_ = before.Close()
		w.seats[old].proc = nil
		w.start(old)
	}
}

// write begins a write at a place.
func (w *moving) write(place int) {
	p := w.seats[place].proc
	if p == nil {
		return
	}
	w.mu.Lock()
	o := &movedWrite{id: len(w.writes) + 1, increment: w.rng.IntN(2) == 0, began: time.Now(), place: place}
	w.writes = append(w.writes, o)
	w.mu.Unlock()
	if p.master {
		o.epoch = p.Status().Epoch
	}
	write := store.WritePut(data.String(fmt.Sprintf("put/%d", o.id)), data.Count(uint64(o.id)), 0)
	if o.increment {
		write = store.WriteAdd(data.String("counter"), data.Count(1), data.KindCount, 0)
	}
	pending := p.WriteAsync(write)
	w.ops.Go(func() {
		err := pending.Wait(context.Background())
		w.mu.Lock()
		defer w.mu.Unlock()
		o.ended, o.err = time.Now(), err
		switch {
		case err == nil && !p.dead.Load():
			o.outcome = acknowledged
		case (errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrNoLease)) && !p.dead.Load():
			o.outcome = refused
		default:
			o.outcome = unknown
		}
		if !p.dead.Load() && w.failure == nil && !slices.ContainsFunc(mayBeAnswered, func(known error) bool { return errors.Is(err, known) }) {
			w.failure = fmt.Errorf("write %d at %d was answered %w, which says nothing of what became of it", o.id, o.place, err)
		}
		for _, t := range w.taken {
			if o.outcome == acknowledged && o.epoch != 0 && o.epoch < t.epoch && o.began.After(t.at) && w.failure == nil {
				w.failure = fmt.Errorf("the master of epoch %d executed write %d after that of epoch %d served", o.epoch, o.id, t.epoch)
			}
		}
	})
}

// mayBeAnswered is what a write may be answered whose process lives.
var mayBeAnswered = []error{nil, store.ErrFenced, store.ErrNoLease, store.ErrUnknown, store.ErrLost, code.ShuttingDown}

// play plays a history.
func (w *moving) play() {
	for place := range w.seats {
		w.start(place)
	}
	time.Sleep(time.Second)
	for range 60 + w.rng.IntN(60) {
		if w.failed() != nil {
			break
		}
		w.tend(false)
		switch roll := w.rng.IntN(100); {
		case roll < 60:
			w.write(w.rng.IntN(endpoints))
		case roll < 75:
			time.Sleep(time.Duration(w.rng.IntN(400)) * time.Millisecond)
		case roll < 85:
			w.move(w.rng.IntN(endpoints))
		case roll < 88:
			w.kill(w.rng.IntN(endpoints), time.Duration(w.rng.IntN(3000))*time.Millisecond)
		case roll < 92:
			a, b := w.rng.IntN(endpoints), w.rng.IntN(endpoints)
			if a != b {
				w.net.both(a, b, func(l *link) { l.loss, l.delay = []int{0, 10, 50, 100}[w.rng.IntN(4)], maxDelay/2 })
			}
		case roll < 95:
			w.net.heal()
		default:
			w.attempt()
		}
	}
	w.finish()
}

// finish mends everything, and compares.
func (w *moving) finish() {
	w.calm = true
	for range 20 {
		w.net.heal()
		w.tend(true)
		if w.target < 0 || w.failed() != nil {
			break
		}
		time.Sleep(time.Second)
		w.attempt()
	}
	w.net.heal()
	w.tend(true)
	if w.target >= 0 {
		w.fail("a handover from %d to %d does not end: %w; %+v", w.home, w.target, w.last, w.seats[w.home].proc)
	}
	for place, s := range w.seats {
		if s.proc != nil && s.proc.master && place != w.home { // one that is fenced
			_ = s.proc.Close()
			s.proc = nil
			w.start(place)
		}
	}
	waited := make(chan struct{})
	go func() { w.ops.Wait(); close(waited) }()
	select {
	case <-waited:
	case <-time.After(patience):
		w.fail("writes still wait after everything was mended")
	}
	if w.failed() == nil {
		time.Sleep(time.Minute)
		w.compare()
	}
	for place := range w.seats {
		w.kill(place, 0)
	}
	w.ops.Wait()
}

// compare checks the contents in the end.
func (w *moving) compare() {
	final := w.contentOf(w.home)
	acked, possible := 0, 0
	for _, o := range w.writes {
		if o.increment {
			if o.outcome != refused {
				possible++
			}
			if o.outcome == acknowledged {
				acked++
			}
			continue
		}
		_, there := final[fmt.Sprintf("put/%d", o.id)]
		if o.outcome == acknowledged && !there {
			w.fail("write %d was acknowledged, epoch %d, and is not there", o.id, o.epoch)
		} else if o.outcome == refused && there {
			w.fail("write %d was refused, epoch %d, and is there", o.id, o.epoch)
		}
	}
	var n int
	_, _ = fmt.Sscan(final["counter"], &n)
	if n < acked || n > possible {
		w.fail("the counter is %d: %d increments were acknowledged, %d possible", n, acked, possible)
	}
	for place := range w.seats {
		if got := w.contentOf(place); difference(got, final) != "" {
			w.fail("the frontend at %d differs in the end: %s", place, difference(got, final))
		}
	}
}

func (w *moving) contentOf(place int) content {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p := w.seats[place].proc
	if p == nil {
		w.fail("nobody is at %d in the end", place)
		return nil
	}
	if err := p.AwaitIdle(ctx); err != nil {
		w.fail("the frontend at %d is not idle in the end: %w; %+v; home is %d: %+v; the last attempt: %v", place, err, p.Status(), w.home, w.seats[w.home].proc.Status(), w.last)
		return nil
	}
	s, err := p.Snapshot(ctx)
	if err != nil {
		w.fail("the frontend at %d can't be read in the end: %w", place, err)
		return nil
	}
	c, err := contentOf(s)
	if err != nil {
		w.fail("the frontend at %d can't be read in the end: %w", place, err)
	}
	return c
}

// TestHandover moves masters with Pebble databases from place to place. Every acknowledged write is there in the end, each increment once, and no master
// executes a write after the next one serves.
func TestHandover(t *testing.T) {
	t.Parallel()
	moves := 0
	seeds := seed.Several(t, handoverHistories)
	for _, seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			w := &moving{net: newNetwork(rand.New(rand.NewPCG(seed, 1))), rng: rng, target: -1}
			for place := range w.seats {
				w.seats[place] = &seat{disk: openPebble(seed+uint64(place), ""), id: data.NewEndpointID()}
			}
			w.play()
			moves += w.moves
			if err := w.failed(); err != nil {
				t.Fatalf("%v\nagain: SEED=%d go test -count=10 -run '^TestHandover$' ./pkg/store/modeltest", err, seed)
			}
		})
	}
	t.Logf("%d moves", moves)
	if len(seeds) == handoverHistories && moves < handoverHistories/2 {
		t.Errorf("only %d moves came to their end", moves)
	}
}
