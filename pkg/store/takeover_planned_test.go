// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// crowd writes to a store from several sides, and counts what was acknowledged.
type crowd struct {
	t     *testing.T
	group sync.WaitGroup
	stop  context.CancelFunc
	ctx   context.Context
	pause func() time.Duration
	// done are the increments of n that were acknowledged, fenced those that were refused.
	done, fenced atomic.Int64
	mu           sync.Mutex
	keys         map[string]int64 // the last value acknowledged for each writer's own key
}

func gather(t *testing.T, pause func() time.Duration) *crowd {
	c := &crowd{t: t, pause: pause, keys: map[string]int64{}}
	c.ctx, c.stop = context.WithCancel(t.Context())
	t.Cleanup(func() { c.stop(); c.group.Wait() })
	return c
}

// writer is what a crowd writes with.
type storeWriter interface {
	Write(ctx context.Context, w Write) error
	Increment(ctx context.Context, key, amount data.Value, expiry time.Duration) error
}

// join has somebody write until the crowd stops, or until it is fenced if that may be.
func (c *crowd) join(name string, w storeWriter, mayBeFenced bool) {
	c.group.Go(func() {
		for i := int64(1); c.ctx.Err() == nil; i++ {
			err := w.Increment(context.Background(), str("n"), data.Count(1), 0)
			if err == nil {
				c.done.Add(1)
				err = w.Write(context.Background(), WritePut(str(name), integer(i), 0))
			}
			if (errors.Is(err, ErrFenced) || errors.Is(err, code.ShuttingDown)) && mayBeFenced {
				c.fenced.Add(1)
				return
			}
			if err != nil {
				c.t.Errorf("%s: %v", name, err)
				return
			}
			c.mu.Lock()
			c.keys[name] = i
			c.mu.Unlock()
			time.Sleep(c.pause())
		}
	})
}

// check stops the crowd, and finds at a master what was acknowledged.
func (c *crowd) check(m *Master) {
	c.t.Helper()
	c.stop()
	c.group.Wait()
	if got := get(c.t, m, "n"); got != fmt.Sprint(c.done.Load()) {
		c.t.Errorf("n is %s after %d increments", got, c.done.Load())
	}
	for name, n := range c.keys {
		if got := get(c.t, m, name); got != fmt.Sprint(n) {
			c.t.Errorf("%s wrote %d, found %s", name, n, got)
		}
	}
}

// TestTakeOver: a clone takes the store over while others write at the master, at clones and from afar. Nothing acknowledged is lost,
// every increment counts once, the master before refuses, and the clones go on without a snapshot.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		counts := counted(f)
		old := begin(t, f.join(), memory.New(), MasterOptions{})
		for i := range 3000 {
			old.PutAsync(data.Count(uint64(i)), str("some value"), 0)
		}
		must(t, old.Put(t.Context(), str("soon"), integer(1), time.Hour))
		must(t, old.Increment(t.Context(), str("counted"), data.Count(1), time.Minute)) // clones of C++ Broker know nothing of its expiry
		c, other := startClone(t, f.join(), "s", CloneOptions{}), startClone(t, f.join(), "s", CloneOptions{})
		same(t, old, c)
		same(t, old, other)
		must(t, old.Increment(t.Context(), str("counted"), data.Count(1), time.Minute))
		begun := counts.of(command.KindSnapshotBegin)

		w := gather(t, func() time.Duration { return time.Millisecond })
		w.join("at the master", old, true)
		w.join("at the clone", other, false)
		w.join("from afar", startRemote(t, f.join(), "s", RemoteOptions{Timeout: 50 * time.Second}), false)
		pass(100 * time.Millisecond)
		must(t, c.Put(t.Context(), str("by the one"), integer(1), 0))
		m, err := c.TakeOver(t.Context(), keep(memory.New()), TakeOverOptions{})
		must(t, err)
		t.Cleanup(func() { m.Close() })
		pass(2 * time.Second)
		w.check(m)
		if s := m.Status(); s.Epoch != 2 || s.History != old.Status().History || s.Conflict != "" && s.Fenced {
			t.Errorf("%+v", s)
		}
		expectWrites(t, "the one before", old, ErrFenced)
		if n := counts.of(command.KindSnapshotBegin) - begun; n != 0 {
			t.Errorf("%d snapshots were sent", n)
		}
		same(t, m, other)
		pass(time.Minute)
		if ok, err := m.Exists(t.Context(), str("counted")); ok || err != nil {
			t.Errorf("counted is there, %v", err)
		}
		if ok, err := m.Exists(t.Context(), str("soon")); !ok || err != nil {
			t.Errorf("soon is not there, %v", err)
		}
	})
}

// TestTakeOverLosses: whichever single message of a handover is lost or comes twice, or whichever kind of them is lost for a while, it
// comes to its end.
func TestTakeOverLosses(t *testing.T) {
	for nth := 0; ; nth++ {
		lost := false
		synctest.Test(t, func(t *testing.T) {
			f := new(fabric)
			var mu sync.Mutex
			seen := 0
			f.setLoss(func(_, _ *fakeBus, payload []byte) bool {
				kind, _, _, _ := command.Peek(payload)
				if kind < command.KindHandover || kind > command.KindHandoverPart {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				seen++
				lost = lost || seen == nth+1
				return seen == nth+1
			})
			takeOverUnder(t, f, nil)
		})
		if !lost {
			if nth < 5 {
				t.Fatalf("only %d messages", nth)
			}
			return
		}
	}
}

// TestTakeOverLossyBus: the same over a bus that loses, repeats and reorders.
func TestTakeOverLossyBus(t *testing.T) {
	for _, seed := range seed.Several(t, 5) {
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			f := new(fabric)
			h := &hardship{t: t, f: f, rng: rand.New(rand.NewPCG(seed, 5))}
			takeOverUnder(t, f, func() {
				f.setLoss(func(_, _ *fakeBus, _ []byte) bool { return h.roll(4) == 0 })
				f.mu.Lock()
				f.twist = h.twist
				f.mu.Unlock()
			})
		})
	}
}

// takeOverUnder has a store taken over while others write, twice: there and back.
func takeOverUnder(t *testing.T, f *fabric, trouble func()) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	abus, bbus := f.join(), f.join()
	be := memory.New()
	a := begin(t, abus, be, MasterOptions{})
	b, other := startClone(t, bbus, "s", CloneOptions{}), startClone(t, f.join(), "s", CloneOptions{})
	same(t, a, other)
	same(t, a, b)
	if trouble != nil {
		trouble()
	}
	w := gather(t, func() time.Duration { return 50 * time.Millisecond })
	w.join("at the master", a, true)
	w.join("at the clone", other, false)
	w.join("at the one", b, true)
	pass(time.Second)
	m, err := takeOverAgain(ctx, b, keep(memory.New()))
	must(t, err)
	w.join("at the next", m, true)
	pass(2 * time.Second)
	must(t, a.Close())
	back := startClone(t, abus, "s", CloneOptions{})
	again, err := takeOverAgain(ctx, back, keep(be))
	must(t, err)
	t.Cleanup(func() { again.Close() })
	pass(2 * time.Second)
	f.setLoss(nil)
	w.check(again)
	if s := again.Status(); s.Epoch < 3 {
		t.Errorf("%+v", s)
	}
	expectWrites(t, "the one between", m, ErrFenced)
	same(t, again, other)
	must(t, m.Close())
}

// takeOverAgain takes over, once more if the master goes on because the messages of a handover took too long.
func takeOverAgain(ctx context.Context, c *Clone, be kept) (*Master, error) {
	for {
		m, err := c.TakeOver(ctx, be, TakeOverOptions{})
		if err == nil || ctx.Err() != nil || !errors.Is(err, ErrRefused) {
			return m, err
		}
	}
}
