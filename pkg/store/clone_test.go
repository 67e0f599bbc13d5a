// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// cut keeps endpoints apart from everybody else.
func cut(ids ...*fakeBus) func(from, to *fakeBus, payload []byte) bool {
	return func(from, to *fakeBus, _ []byte) bool {
		for _, b := range ids {
			if from == b || to == b {
				return true
			}
		}
		return false
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func expectState(t *testing.T, when string, c *Clone, want State) Status {
	t.Helper()
	s := c.Status()
	if s.State != want {
		t.Fatalf("%s: state %v, want %v: %+v", when, s.State, want, s)
	}
	return s
}

func TestReadsWithoutMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		c := startClone(t, f.join(), "s", CloneOptions{})
		start := time.Now()
		for _, read := range []func() error{
			func() error { _, err := c.Get(t.Context(), str("k")); return err },
			func() error { _, err := c.Keys(t.Context()); return err },
			func() error { _, err := c.Exists(t.Context(), str("k")); return err },
			func() error { _, err := c.GetIndex(t.Context(), str("k"), str("i")); return err },
		} {
			if err := read(); !errors.Is(err, code.StaleData) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(start); took < 20*time.Second || took > 21*time.Second {
			t.Errorf("four reads took %v", took)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Get(soon, str("k")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		expectState(t, "after long", c, StateAttaching)
		value := make(chan string)
		go func() { value <- get(t, c, "k") }()
		synctest.Wait()
		m := startMaster(t, f.join(), "s")
		must(t, m.Put(t.Context(), str("k"), integer(7), 0))
		if got := <-value; got != "7" {
			t.Errorf("a read that waited for the master: %s", got)
		}
	})
}

func TestWritesWithoutMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		ctx := t.Context()
		c := startClone(t, f.join(), "s", CloneOptions{QueueBytes: 1000})
		for i := range 10 {
			c.WriteAsync(WriteAdd(str("order"), integer(int64(i)), data.KindVector, 0))
		}
		unique := make(chan error)
		go func() {
			won, err := c.PutUnique(ctx, str("u"), integer(1), 0)
			if !won {
				err = fmt.Errorf("lost: %w", err)
			}
			unique <- err
		}()
		synctest.Wait()
		var err error
		for range 1000 {
			p := c.PutAsync(str("filler"), str(strings.Repeat("x", 50)), 0)
			synctest.Wait()
			if p.state.Load() == pendingDone {
				err = p.Wait(ctx)
				break
			}
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("got %v", err)
		}
		waiting := c.Status().WritesWaiting
		if waiting < 15 || waiting > 40 {
			t.Errorf("%d writes wait", waiting)
		}
		m := startMaster(t, f.join(), "s")
		must(t, <-unique)
		must(t, c.AwaitIdle(ctx))
		if got := get(t, m, "order"); got != "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)" {
			t.Errorf("order: %s", got)
		}
		if s := c.Status(); s.WritesWaiting != 0 || s.WritesUnknown != 0 {
			t.Errorf("%+v", s)
		}
		must(t, c.Put(ctx, str("filler"), str("y"), 0))
	})
}

func TestStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		mbus := f.join()
		m := startMaster(t, mbus, "s")
		c := startClone(t, f.join(), "s", CloneOptions{StaleAfter: 3 * time.Second, StaleReads: ServeStale})
		strict := startClone(t, f.join(), "s", CloneOptions{StaleAfter: 3 * time.Second})
		forever := startClone(t, f.join(), "s", CloneOptions{})
		ctx := t.Context()
		must(t, m.Put(ctx, str("k"), integer(1), 0))
		must(t, c.AwaitIdle(ctx))
		must(t, forever.AwaitIdle(ctx))
		must(t, strict.AwaitIdle(ctx))
		if r, err := c.Read(ctx, str("k")); err != nil || r.Stale || r.Value.String() != "1" || r.Number != 2 || r.Age > time.Second {
			t.Errorf("%+v, %v", r, err)
		}
		changed := c.Changed()
		pass(time.Minute)
		s := expectState(t, "while all is well", c, StateSynced)
		if age := time.Since(s.SyncedAt); age > time.Second || s.Lag != 0 {
			t.Errorf("synced %v ago, lag %d", age, s.Lag)
		}
		select {
		case <-changed:
			t.Error("mere traffic was announced as a change")
		default:
		}

		f.setLoss(cut(mbus))
		synced := time.Now()
		must(t, m.Put(ctx, str("k"), integer(2), 0))
		pass(2500 * time.Millisecond)
		expectState(t, "soon after the cut", c, StateSynced)
		pass(1500 * time.Millisecond)
		s = expectState(t, "later", c, StateStale)
		select {
		case <-changed:
		default:
			t.Error("staleness was not announced")
		}
		if d := synced.Sub(s.SyncedAt); d < 0 || d > time.Second {
			t.Errorf("synced at %v before the cut", d)
		}
		if got := get(t, c, "k"); got != "1" {
			t.Errorf("a stale clone reads %s", got)
		}
		if _, err := strict.Get(ctx, str("k")); !errors.Is(err, ErrStale) || !errors.Is(err, code.StaleData) {
			t.Errorf("a stale clone that refuses: %v", err)
		}
		for _, c := range []*Clone{c, strict, forever} {
			r, err := c.Read(ctx, str("k"))
			if err != nil || r.Stale != (c != forever) || r.Age < 3*time.Second || r.Age > 5*time.Second || c.Status().Age < r.Age {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if s := expectState(t, "without a limit", forever, StateSynced); s.Lag != 0 {
			t.Errorf("lag %d", s.Lag)
		}

		f.setLoss(nil)
		pass(time.Second)
		expectState(t, "healed", c, StateSynced)
		if got := get(t, c, "k"); got != "2" {
			t.Errorf("after healing: %s", got)
		}
	})
}

// TestLastEventLost: heartbeats tell of a change that was lost, without a further one.
func TestLastEventLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		mbus := f.join()
		m := startMaster(t, mbus, "s")
		c := startClone(t, f.join(), "s", CloneOptions{})
		must(t, c.AwaitIdle(t.Context()))
		f.setLoss(cut(mbus))
		must(t, m.Put(t.Context(), str("k"), integer(1), 0))
		f.setLoss(nil)
		pass(time.Second)
		if got := get(t, c, "k"); got != "1" {
			t.Errorf("got %s", got)
		}
	})
}

func increment(key string) Write { return WriteAdd(str(key), data.Count(1), data.KindCount, 0) }

// TestLongCut: master and clone give each other up after 50 s; afterwards the clone goes on where it was under a new identity,
// and what it wrote is executed once.
func TestLongCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		mbus, cbus := f.join(), f.join()
		m := startMaster(t, mbus, "s")
		c := startClone(t, cbus, "s", CloneOptions{})
		ctx := t.Context()
		must(t, m.Put(ctx, str("same"), integer(1), 0))
		must(t, m.Put(ctx, str("gone"), integer(1), 0))
		must(t, m.Put(ctx, str("other"), integer(1), 0))
		must(t, c.AwaitIdle(ctx))
		before := c.reader.id
		cbus.takeEvents()

		f.setLoss(cut(mbus))
		n := c.WriteAsync(increment("n"))
		unique := make(chan error)
		go func() {
			won, err := c.PutUnique(ctx, str("u"), integer(1), 0)
			if !won {
				err = fmt.Errorf("lost: %w", err)
			}
			unique <- err
		}()
		must(t, m.Erase(ctx, str("gone")))
		must(t, m.Put(ctx, str("other"), integer(2), 0))
		must(t, m.Put(ctx, str("new"), integer(3), 0))
		pass(55 * time.Second)
		s := expectState(t, "cut off", c, StateAttaching)
		if s.WritesUnknown != 0 || s.WritesWaiting != 2 {
			t.Errorf("%+v", s)
		}
		if got := get(t, c, "gone"); got != "1" {
			t.Errorf("the old content is still read: %s", got)
		}
		late := c.WriteAsync(increment("late"))
		if m.Status().Clones != 0 {
			t.Errorf("%+v", m.Status())
		}

		f.setLoss(nil)
		must(t, n.Wait(ctx))
		must(t, <-unique)
		must(t, late.Wait(ctx))
		must(t, c.AwaitIdle(ctx))
		expectState(t, "healed", c, StateSynced)
		if c.reader.id == before {
			t.Error("the identity is the same")
		}
		for key, want := range map[string]string{"n": "1", "late": "1", "u": "1", "gone": "no_such_key", "other": "2"} {
			if got := get(t, c, key); got != want {
				t.Errorf("%s is %s, want %s", key, got, want)
			}
		}
		expectEvents(t, "what differs", cbus, "erase gone", "insert late 1 nil", "insert n 1 nil", "insert new 3 nil", "insert u 1 nil",
			"update other 1 2 nil")
	})
}

// TestShortCut: within 50 s nothing is lost and nothing happens twice.
func TestShortCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		mbus := f.join()
		m := startMaster(t, mbus, "s")
		c := startClone(t, f.join(), "s", CloneOptions{})
		ctx := t.Context()
		must(t, c.AwaitIdle(ctx))
		id := c.reader.id
		for i := range 5 {
			must(t, c.Increment(ctx, str("n"), data.Count(1), 0))
			f.setLoss(cut(mbus))
			c.WriteAsync(increment("n"))
			must(t, m.Put(ctx, str("m"), integer(int64(i)), 0))
			pass(40 * time.Second)
			f.setLoss(nil)
			must(t, c.AwaitIdle(ctx))
		}
		if got := get(t, c, "n"); got != "10" || c.reader.id != id || c.Status().WritesUnknown != 0 {
			t.Errorf("n is %s, same identity %v, %+v", got, c.reader.id == id, c.Status())
		}
	})
}

// TestNewMaster: a clone follows another master of the name once its own is silent.
func TestNewMaster(t *testing.T) {
	for _, sameEndpoint := range []bool{false, true} {
		t.Run(fmt.Sprint("same endpoint ", sameEndpoint), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fabric)
				mbus, cbus := f.join(), f.join()
				first, err := NewMaster(mbus, "s", lasting{memory.New()}, MasterOptions{})
				must(t, err)
				c := startClone(t, cbus, "s", CloneOptions{})
				ctx := t.Context()
				must(t, first.Put(ctx, str("k"), integer(1), 0))
				must(t, c.AwaitIdle(ctx))
				must(t, first.Close())
				lost := c.PutAsync(str("lost"), integer(1), 0)
				synctest.Wait()
				if !sameEndpoint {
					mbus = f.join()
				}
				second := startMaster(t, mbus, "s")
				must(t, second.Put(ctx, str("k"), integer(2), 0))
				pass(5 * time.Second)
				if s := expectState(t, "another history", c, StateStale); s.NewHistory != second.Status().History || s.History != first.Status().History {
					t.Errorf("%+v", s)
				}
				if got := get(t, c, "k"); got != "1" {
					t.Errorf("before anybody wants the new history, k is %s", got)
				}
				must(t, c.Adopt(ctx))
				must(t, c.AwaitIdle(ctx))
				if err := lost.Wait(ctx); !errors.Is(err, ErrUnknown) {
					t.Errorf("what was sent to the first: %v", err)
				}
				if err := c.Adopt(ctx); !errors.Is(err, ErrNoNewHistory) {
					t.Errorf("adopted twice: %v", err)
				}
				if got := get(t, c, "k"); got != "2" || c.reader.master != second.ID() {
					t.Errorf("k is %s, the clone follows %v", got, c.reader.master)
				}
				if s := expectState(t, "in the end", c, StateSynced); s.WritesUnknown != 1 {
					t.Errorf("%+v", s)
				}
				must(t, c.Put(ctx, str("k"), integer(3), 0))
				must(t, c.AwaitIdle(ctx))
				if got := get(t, second, "k"); got != "3" {
					t.Errorf("the write went to %s", got)
				}
			})
		})
	}
}

// lasting is a memory backend that claims to keep what it has, as far as others can see.
type lasting struct{ backend.Backend }

// TestNewVolatileMaster: what a master in memory had is gone with it, so that its clones take what the next one has.
func TestNewVolatileMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		mbus, cbus := f.join(), f.join()
		first, err := NewMaster(mbus, "s", memory.New(), MasterOptions{})
		must(t, err)
		c := startClone(t, cbus, "s", CloneOptions{})
		ctx := t.Context()
		must(t, first.Put(ctx, str("old"), integer(1), 0))
		must(t, c.AwaitIdle(ctx))
		must(t, first.Close())
		second := startMaster(t, mbus, "s")
		must(t, second.Put(ctx, str("new"), integer(2), 0))
		pass(5 * time.Second)
		s := expectState(t, "another history", c, StateSynced)
		if !s.NewHistory.IsZero() || s.History != second.Status().History || s.Entries != 1 {
			t.Errorf("%+v", s)
		}
		if got := get(t, c, "new"); got != "2" {
			t.Errorf("new is %s", got)
		}
	})
}

// TestTwoMasters: a clone stays with its master as long as that one speaks.
func TestTwoMasters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		first := startMaster(t, f.join(), "s")
		c := startClone(t, f.join(), "s", CloneOptions{})
		must(t, c.AwaitIdle(t.Context()))
		second := startMaster(t, f.join(), "s")
		second.PutAsync(str("k"), integer(2), 0) // done or refused
		pass(time.Minute)
		if c.reader.master != first.ID() || c.Status().Entries != 0 {
			t.Errorf("follows %v, %+v", c.reader.master, c.Status())
		}
	})
}

func TestScriptedTroubleWithMaster(t *testing.T) {
	type actor struct {
		*scripted
		c *Clone
	}
	for _, tt := range []struct {
		name string
		do   func(a actor)
	}{
		{"leaves a gap", func(a actor) {
			for range 40 {
				a.send(0, a.c.reader.id, &command.Keepalive{Seq: 9})
				a.send(0, a.c.writes.id, &command.CumulativeAck{Seq: 1})
				pass(400 * time.Millisecond)
			}
		}},
		{"does not acknowledge writes", func(a actor) {
			for range 40 {
				a.send(0, a.c.reader.id, &command.Keepalive{Seq: 5})
				pass(400 * time.Millisecond)
			}
		}},
		{"began to count anew", func(a actor) {
			for range 3 {
				a.send(0, data.EntityID{}, &command.Keepalive{Seq: 1})
				pass(400 * time.Millisecond)
			}
		}},
		{"lost an event", func(a actor) { a.send(0, a.c.reader.id, &command.RetransmitFailed{Seq: 6}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fabric)
				p := play(t, f, topic.Master("s"), topic.Clone("s"))
				c := startClone(t, f.join(), "s", CloneOptions{})
				synctest.Wait()
				id := c.reader.id
				p.send(5, id, &command.AckClone{Offset: 5, Interval: 5, State: snapshot(str("k"), integer(1))})
				synctest.Wait()
				expectState(t, "attached", c, StateSynced)
				tt.do(actor{p, c})
				synctest.Wait()
				expectState(t, "in trouble", c, StateAttaching)
				p.take()
				pass(250 * time.Millisecond)
				asked := p.take(command.KindKeepalive, command.KindAttachWriter)
				if len(asked) != 1 || describe(asked[0].Message) != "nack [0]" || asked[0].Sender == id {
					t.Fatalf("asked %v", asked)
				}
				p.send(8, asked[0].Sender, &command.AckClone{Offset: 8, Interval: 5, State: snapshot(str("k"), integer(2))})
				synctest.Wait()
				expectState(t, "attached again", c, StateSynced)
				if got := get(t, c, "k"); got != "2" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// TestEarlyEvents: the snapshot comes first, then what came before it and belongs behind it.
func TestEarlyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		p := play(t, f, topic.Master("s"), topic.Clone("s"))
		bus := f.join()
		c := startClone(t, bus, "s", CloneOptions{})
		synctest.Wait()
		other := data.EntityID{Endpoint: data.EndpointID{9}, Object: 9}
		for seq := uint64(2); seq <= 4; seq++ {
			p.send(seq, data.EntityID{}, &command.Put{Key: str("k"), Value: integer(int64(seq)), Publisher: p.id})
		}
		p.sendAs(other, 4, data.EntityID{}, &command.Put{Key: str("other"), Value: integer(4)})
		p.send(2, c.reader.id, &command.AckClone{Offset: 2, Interval: 5, State: snapshot(str("k"), integer(2))})
		synctest.Wait()
		expectEvents(t, "in order", bus, "insert k 2 nil", "update k 2 3 nil", "update k 3 4 nil")
		if s := expectState(t, "attached", c, StateSynced); s.Sequence != 4 || s.Entries != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestEarlyEventsOfAnother: what another master said before the handshake has no part in it.
func TestEarlyEventsOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		p := play(t, f, topic.Master("s"), topic.Clone("s"))
		c := startClone(t, f.join(), "s", CloneOptions{})
		synctest.Wait()
		other := data.EntityID{Endpoint: data.EndpointID{9}, Object: 9}
		p.sendAs(other, 3, data.EntityID{}, &command.Put{Key: str("other"), Value: integer(4)})
		p.send(3, data.EntityID{}, &command.Put{Key: str("k"), Value: integer(3), Publisher: p.id})
		p.send(2, c.reader.id, &command.AckClone{Offset: 2, Interval: 5})
		synctest.Wait()
		if s := expectState(t, "attached", c, StateSynced); s.Sequence != 2 || s.Entries != 0 {
			t.Errorf("%+v", s)
		}
		p.send(0, c.reader.id, &command.Keepalive{Seq: 3})
		pass(300 * time.Millisecond)
		p.expectWithout("its own is asked for again", []command.Kind{command.KindCumulativeAck, command.KindAttachWriter, command.KindKeepalive},
			"nack [0]", "nack [3] >6")
	})
}

// TestSnapshots: keys that come twice are accepted, and one that can't be read breaks the clone until a good one comes.
func TestSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		p := play(t, f, topic.Master("s"), topic.Clone("s"))
		c := startClone(t, f.join(), "s", CloneOptions{})
		synctest.Wait()
		good := command.Message{Seq: 1, Sender: p.id, Receiver: c.reader.id, Body: &command.AckClone{
			Offset: 1, Interval: 5, State: snapshot(
				data.Real(0), integer(1), data.Real(negativeZero), integer(2), str("k"), integer(3), str("k"), integer(4)),
		}}
		bad := good.Marshal()
		p.sendRaw(bad[:len(bad)-1])
		synctest.Wait()
		if s := expectState(t, "bad snapshot", c, StateBroken); s.Err == nil || s.Malformed != 1 {
			t.Errorf("%+v", s)
		}
		p.sendRaw(good.Marshal())
		synctest.Wait()
		if s := expectState(t, "good snapshot", c, StateSynced); s.Entries != 3 || s.Err != nil {
			t.Errorf("%+v", s)
		}
		if got := get(t, c, "k"); got != "4" {
			t.Errorf("the later one counts: %s", got)
		}
	})
}

func TestCloneEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		c := startClone(t, f.join(), "s", CloneOptions{})
		errs := make(chan error)
		for _, call := range []func() error{
			func() error { _, err := c.Get(t.Context(), str("k")); return err },
			func() error { _, err := c.PutUnique(t.Context(), str("k"), str("v"), 0); return err },
			func() error { return c.AwaitIdle(t.Context()) },
		} {
			go func() { errs <- call() }()
		}
		synctest.Wait()
		must(t, c.Close())
		must(t, c.Close())
		for range 3 {
			if err := <-errs; !errors.Is(err, code.ShuttingDown) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestAttachFails(t *testing.T) {
	bus := new(fabric).join()
	startMaster(t, bus, "s")
	if _, err := NewMaster(bus, "s", memory.New(), MasterOptions{}); err == nil {
		t.Error("a second master on one endpoint")
	}
	startClone(t, bus, "s", CloneOptions{})
	if _, err := NewClone(bus, "s", CloneOptions{}); err == nil {
		t.Error("a second clone on one endpoint")
	}
}

// TestMasterAndCloneOnOneEndpoint works through local delivery.
func TestMasterAndCloneOnOneEndpoint(t *testing.T) {
	bus := new(fabric).join()
	c := startClone(t, bus, "s", CloneOptions{})
	m := startMaster(t, bus, "s")
	must(t, c.Put(t.Context(), str("k"), integer(1), 0))
	must(t, c.AwaitIdle(t.Context()))
	must(t, m.AwaitIdle(t.Context()))
	if a, b := get(t, c, "k"), get(t, m, "k"); a != "1" || b != "1" {
		t.Errorf("%s, %s", a, b)
	}
}
