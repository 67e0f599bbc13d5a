// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// collector keeps what a watcher sees.
type collector struct {
	mu   sync.Mutex
	seen []string
	err  error
}

// collect watches in a goroutine of its own.
func collect(changes iter.Seq2[Change, error]) *collector {
	c := new(collector)
	go func() {
		for change, err := range changes {
			c.mu.Lock()
			if err != nil {
				c.err = err
			} else {
				c.seen = append(c.seen, showChange(change))
			}
			c.mu.Unlock()
		}
	}()
	return c
}

func showChange(c Change) string {
	return fmt.Sprintf("%d %v %v %v->%v", c.Number, c.Kind, c.Key, c.Old, c.New)
}

// take answers what was seen since the last call, and how it ended.
func (c *collector) take() (string, error) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := strings.Join(c.seen, "; ")
	c.seen = nil
	return seen, c.err
}

func (c *collector) expect(t *testing.T, step, want string) {
	t.Helper()
	if got, err := c.take(); got != want || err != nil {
		t.Errorf("%s: %q, %v; want %q", step, got, err, want)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startMaster(t, new(fabric).join(), "s")
		ctx, cancel := context.WithCancel(t.Context())
		must(t, m.Put(ctx, str("before"), integer(0), 0))
		key := data.Vector(integer(1))
		all, one := collect(m.Watch(ctx, WatchOptions{})), collect(m.Watch(ctx, WatchOptions{Key: &key}))
		ab, a := collect(m.Watch(ctx, WatchOptions{Prefix: "ab"})), collect(m.Watch(ctx, WatchOptions{Prefix: "a"}))
		must(t, m.Put(ctx, str("abc"), integer(1), time.Second))
		must(t, m.Put(ctx, str("ac"), integer(2), 0))
		must(t, m.Put(ctx, key, integer(3), 0))
		must(t, m.Increment(ctx, key, integer(1), 0))
		must(t, m.Erase(ctx, str("missing")))
		must(t, m.Erase(ctx, str("ac")))
		time.Sleep(2 * time.Second)
		must(t, m.Clear(ctx))
		must(t, m.Put(ctx, str("c"), integer(1), 0))
		all.expect(t, "all", "3 insert abc nil->1; 4 insert ac nil->2; 5 insert (1) nil->3; 6 update (1) 3->4; 7 erase ac 2->nil; "+
			"8 expire abc 1->nil; 9 erase before 0->nil; 9 erase (1) 4->nil; 10 insert c nil->1")
		one.expect(t, "one key", "5 insert (1) nil->3; 6 update (1) 3->4; 9 erase (1) 4->nil")
		a.expect(t, "prefix a", "3 insert abc nil->1; 4 insert ac nil->2; 7 erase ac 2->nil; 8 expire abc 1->nil")
		ab.expect(t, "prefix ab", "3 insert abc nil->1; 8 expire abc 1->nil")

		again := collect(m.Watch(ctx, WatchOptions{After: 6, Prefix: "a"}))
		again.expect(t, "resumed", "7 erase ac 2->nil; 8 expire abc 1->nil")
		latest := collect(m.Watch(ctx, WatchOptions{After: 10}))
		latest.expect(t, "nothing to catch up with", "")
		must(t, m.Put(ctx, str("a"), str("x"), 0))
		again.expect(t, "and goes on", "11 insert a nil->x")
		latest.expect(t, "and goes on", "11 insert a nil->x")
		for _, after := range []uint64{1, 12} {
			w := collect(m.Watch(ctx, WatchOptions{After: after}))
			if got, err := w.take(); got != "" || !errors.Is(err, ErrHistoryGone) {
				t.Errorf("after %d: %q, %v", after, got, err)
			}
		}
		cancel()
		if _, err := a.take(); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if n := len(m.feed.watchers.mu.watchers); n != 0 {
			t.Errorf("%d watchers are left", n)
		}
	})
}

// TestWatchAfterSnapshot: a snapshot and what comes after it are the whole story, whatever is written meanwhile.
func TestWatchAfterSnapshot(t *testing.T) {
	m := startMaster(t, new(fabric).join(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 2000 {
				m.PutAsync(integer(int64(i%50)), integer(int64(i*2+w)), 0)
			}
		})
	}
	s, err := m.Snapshot(ctx)
	must(t, err)
	content := map[string]string{}
	for e, err := range s.Entries() {
		must(t, err)
		content[e.Key.String()] = e.Value.String()
	}
	must(t, s.Close())
	next, stop := iter.Pull2(m.Watch(ctx, WatchOptions{After: s.Number()}))
	defer stop()
	for number := s.Number(); number < 4001; {
		c, err, _ := next()
		must(t, err)
		if c.Number != number+1 {
			t.Fatalf("%d after %d", c.Number, number)
		}
		if old, ok := content[c.Key.String()]; ok != (c.Kind == ChangeUpdate) || ok && old != c.Old.String() {
			t.Fatalf("%s, but there was %q", showChange(c), old)
		}
		number, content[c.Key.String()] = c.Number, c.New.String()
	}
	writers.Wait()
	for i := range 50 {
		v, err := m.Get(ctx, integer(int64(i)))
		must(t, err)
		if got := content[fmt.Sprint(i)]; got != v.String() {
			t.Errorf("%d: %s, want %v", i, got, v)
		}
	}
}

// TestSlowWatcher: who does not keep up loses its place, and nobody waits for it.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMaster(new(fabric).join(), "s", memory.New(), MasterOptions{WatchBytes: 10 * (changeBytes + 3*9)})
		must(t, err)
		ctx, key := t.Context(), integer(0)
		for _, o := range []WatchOptions{{}, {Key: &key}} {
			next, stop := iter.Pull2(m.Watch(ctx, o))
			must(t, m.Put(ctx, key, integer(1), 0))
			for i := range int64(5) {
				if _, err, _ := next(); err != nil {
					t.Fatalf("%d: %v", i, err)
				}
				must(t, m.Put(ctx, key, integer(i), 0))
			}
			for range 20 {
				must(t, m.Put(ctx, key, integer(2), 0))
			}
			if c, err, _ := next(); !errors.Is(err, ErrHistoryGone) {
				t.Errorf("%v, %v", c, err)
			}
			stop()
		}
		must(t, m.Close())
		if r := &m.feed.watchers.mu.ring; r.count() != 10 || r.bytes > m.opt.WatchBytes {
			t.Errorf("%d changes, %d bytes are kept", r.count(), r.bytes)
		}
	})
}

// TestWatchEndsWithTheStore: everything is seen before.
func TestWatchEndsWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMaster(new(fabric).join(), "s", memory.New(), MasterOptions{})
		must(t, err)
		all := collect(m.Watch(t.Context(), WatchOptions{}))
		synctest.Wait()
		m.PutAsync(str("a"), integer(1), 0)
		must(t, m.Close())
		if got, err := all.take(); got != "2 insert a nil->1" || !errors.Is(err, code.ShuttingDown) {
			t.Errorf("%q, %v", got, err)
		}
		late := collect(m.Watch(t.Context(), WatchOptions{}))
		if got, err := late.take(); got != "" || !errors.Is(err, code.ShuttingDown) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestRecordingRests: nothing is kept for watchers when there have been none for a minute.
func TestRecordingRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startMaster(t, new(fabric).join(), "s")
		ctx, cancel := context.WithCancel(t.Context())
		w := collect(m.Watch(ctx, WatchOptions{}))
		time.Sleep(5 * time.Minute)
		must(t, m.Put(ctx, str("a"), integer(1), 0))
		w.expect(t, "a long time with a watcher", "2 insert a nil->1")
		cancel()
		time.Sleep(59 * time.Second)
		w = collect(m.Watch(t.Context(), WatchOptions{After: 1}))
		w.expect(t, "back within a minute", "2 insert a nil->1")
		next, stop := iter.Pull2(m.Watch(t.Context(), WatchOptions{After: 1}))
		if _, err, _ := next(); err != nil {
			t.Error(err)
		}
		stop()
	})
}

// TestCloneWatch: a clone tells what it sees, and the difference when it gets a new snapshot.
func TestCloneWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMasterWith(t, f.join(), "s", str("a"), integer(1), str("b"), integer(2))
		c := startClone(t, f.join(), "s", CloneOptions{})
		w := collect(c.Watch(t.Context(), WatchOptions{}))
		must(t, m.Put(t.Context(), str("a"), integer(3), 0))
		must(t, m.Erase(t.Context(), str("b")))
		w.expect(t, "replayed", "2 update a 1->3; 3 erase b 2->nil")

		f.setLoss(cut(f.buses[0])) // another master takes over; it has other numbers
		time.Sleep(time.Second)
		startMasterWith(t, f.join(), "s", str("a"), integer(4))
		time.Sleep(10 * time.Second)
		if got, err := w.take(); got != "" || !errors.Is(err, ErrHistoryGone) {
			t.Errorf("another history: %q, %v", got, err)
		}
	})
}

func TestWatchersAreFoundByLength(t *testing.T) {
	s := newWatchers(nil, 1<<20)
	s.start(1)
	var all []*watcher
	for _, prefix := range []string{"a", "bb", "a", "ccc", "b"} {
		w, err := s.add(WatchOptions{Prefix: prefix, After: 1})
		must(t, err)
		all = append(all, w)
	}
	for i, key := range []data.Value{str("bbb"), str(""), data.Enum("a")} {
		*s.stage() = Change{Number: uint64(i) + 2, Key: key}
	}
	s.publish(4)
	for i, want := range []int{0, 1, 0, 0, 1} {
		if got := len(all[i].places); got != want {
			t.Errorf("%q: %d changes", all[i].options.Prefix, got)
		}
	}
	for i, w := range all {
		s.remove(w)
		if lengths := [][]int{{1, 2, 3}, {1, 3}, {1, 3}, {1}, {}}[i]; !slices.Equal(s.mu.lengths, lengths) {
			t.Errorf("after %d: %v", i, s.mu.lengths)
		}
	}
	if len(s.mu.byPrefix) != 0 || len(s.mu.watchers) != 0 {
		t.Errorf("left: %v", s.mu.byPrefix)
	}
}

// TestNothingIsToldOfAFailedGroup: nobody hears of what was not committed.
func TestNothingIsToldOfAFailedGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := new(fabric).join()
		broken := &backend.Error{Path: "/data/x", Act: "commit", Err: errors.New("no space left")}
		m, err := NewMaster(bus, "s", &failingBackend{Backend: memory.New(), commit: broken}, MasterOptions{})
		must(t, err)
		defer m.Close()
		w := collect(m.Watch(t.Context(), WatchOptions{}))
		synctest.Wait()
		p := m.PutAsync(str("a"), integer(1), 0)
		if err := p.Wait(t.Context()); !errors.Is(err, code.BackendFailure) {
			t.Errorf("%v", err)
		}
		w.expect(t, "failed", "")
		if events := bus.takeEvents(); len(events) != 0 {
			t.Errorf("events %q", events)
		}
	})
}
