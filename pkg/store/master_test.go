// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"math"
	"slices"
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

// get answers what a frontend holds under a string key, as text; the error's text if there is one.
func get(t *testing.T, s interface {
	Get(context.Context, data.Value) (data.Value, error)
}, key string) string {
	t.Helper()
	v, err := s.Get(t.Context(), str(key))
	if err != nil {
		return err.Error()
	}
	return v.String()
}

func TestMasterOperations(t *testing.T) {
	bus := new(fabric).join()
	m := startMaster(t, bus, "s")
	ctx := t.Context()
	k := str("k")
	for _, tt := range []struct {
		name  string
		do    func() error
		err   error
		value string
		event string
	}{
		{"put", func() error { return m.Put(ctx, k, data.Count(1), time.Hour) }, nil, "1", "insert k 1 3600000000000ns"},
		{"put again", func() error { return m.Put(ctx, k, data.Count(1), 0) }, nil, "1", "update k 1 1 nil"},
		{"increment", func() error { return m.Increment(ctx, k, data.Count(2), time.Hour) }, nil, "3", "update k 1 3 nil"},
		{"increment by another kind", func() error { return m.Increment(ctx, k, data.Integer(2), 0) }, code.TypeClash, "3", ""},
		{"decrement below zero", func() error { return m.Decrement(ctx, k, data.Count(4), 0) }, nil, "18446744073709551615", "update k 3 18446744073709551615 nil"},
		{"erase", func() error { return m.Erase(ctx, k) }, nil, "no_such_key", "erase k"},
		{"erase again", func() error { return m.Erase(ctx, k) }, nil, "no_such_key", ""},
		{"decrement of nothing", func() error { return m.Decrement(ctx, k, data.Count(1), 0) }, code.NoSuchKey, "no_such_key", ""},
		{"failing add of nothing", func() error { return m.Add(ctx, k, data.Count(1), data.KindString, 0) }, code.TypeClash, "no_such_key", ""},
		{"increment by a timespan", func() error { return m.Increment(ctx, k, data.Timespan(5), 0) }, nil, "5ns", "insert k 5ns nil"},
		{"append", func() error { return m.Append(ctx, str("t"), "ab", 0) }, nil, "5ns", "insert t ab nil"},
		{"insert into a set", func() error { return m.InsertInto(ctx, str("s"), data.Count(1), 0) }, nil, "5ns", "insert s {1} nil"},
		{"remove from it", func() error { return m.RemoveFrom(ctx, str("s"), data.Count(1), 0) }, nil, "5ns", "update s {1} {} nil"},
		{"insert into a table", func() error { return m.InsertIntoTable(ctx, str("m"), data.Count(1), data.Count(2), 0) }, nil, "5ns", "insert m {1 -> 2} nil"},
		{"wrong entry", func() error { return m.Add(ctx, str("m"), data.Vector(), data.KindTable, 0) }, code.InvalidData, "5ns", ""},
		{"push", func() error { return m.Push(ctx, str("v"), str("x"), 0) }, nil, "5ns", "insert v (x) nil"},
		{"pop", func() error { return m.Pop(ctx, str("v"), 0) }, nil, "5ns", "update v (x) () nil"},
		{"negative expiry", func() error { return m.Put(ctx, k, k, -1) }, code.InvalidData, "5ns", ""},
		{"clear", func() error { return m.Clear(ctx) }, nil, "no_such_key", "erase k erase m erase s erase t erase v"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if got := get(t, m, "k"); got != tt.value {
				t.Errorf("value %s, want %s", got, tt.value)
			}
			var events []string
			for _, e := range bus.takeEvents() {
				events = append(events, brief(e))
			}
			if got := joined(events); got != tt.event {
				t.Errorf("events %q, want %q", got, tt.event)
			}
		})
	}
	if s := m.Status(); s.Wraps != 1 || s.Entries != 0 || s.Bytes != 0 || s.State != StateServing || s.Role != RoleMaster || s.Name != "s" {
		t.Errorf("%+v", s)
	}
}

func TestMasterReads(t *testing.T) {
	m := startMaster(t, new(fabric).join(), "s")
	ctx := t.Context()
	if keys, err := m.Keys(ctx); err != nil || keys.Kind() != data.KindSet || keys.Len() != 0 {
		t.Errorf("keys of nothing: %v, %v", keys, err)
	}
	must(t, m.Put(ctx, str("v"), data.Vector(str("a"), str("b")), 0))
	must(t, m.Put(ctx, data.Count(1), data.None(), 0))
	if keys, err := m.Keys(ctx); err != nil || keys.String() != "{1, v}" {
		t.Errorf("keys %v, %v", keys, err)
	}
	if ok, err := m.Exists(ctx, str("v")); !ok || err != nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
	if ok, err := m.Exists(ctx, str("w")); ok || err != nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
	if v, err := m.GetIndex(ctx, str("v"), data.Count(1)); err != nil || v.String() != "b" {
		t.Errorf("index: %v, %v", v, err)
	}
	for key, want := range map[string]code.Code{"v": code.TypeClash, "w": code.NoSuchKey} {
		if _, err := m.GetIndex(ctx, str(key), data.Integer(-1)); !errors.Is(err, want) {
			t.Errorf("index of %s: %v", key, err)
		}
	}
	deep := data.Vector()
	for range data.MaxDepth {
		deep = data.Vector(deep)
	}
	if _, err := m.Get(ctx, deep); !errors.Is(err, code.InvalidData) {
		t.Errorf("key that is nested too deeply: %v", err)
	}
	if err := m.Put(ctx, str("deep"), deep, 0); !errors.Is(err, code.InvalidData) {
		t.Errorf("value that is nested too deeply: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.Get(canceled, str("v")); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	must(t, m.Close())
	must(t, m.Close())
	if _, err := m.Get(ctx, str("v")); !errors.Is(err, code.ShuttingDown) {
		t.Errorf("after close: %v", err)
	}
}

// TestKeyIdentity: keys are told apart by their canonical bytes.
func TestKeyIdentity(t *testing.T) {
	m := startMaster(t, new(fabric).join(), "s")
	for i, key := range []float64{0, math.Copysign(0, -1), math.NaN(), -math.NaN(), 0} {
		must(t, m.Put(t.Context(), data.Real(key), integer(int64(i)), 0))
	}
	if n := m.Status().Entries; n != 3 {
		t.Errorf("%d entries", n)
	}
	unsorted, err := data.View([]byte{12, 2, 1, 1, 1, 0}) // {T, F}, in this order
	must(t, err)
	must(t, m.Put(t.Context(), unsorted, integer(7), 0))
	if v, err := m.Get(t.Context(), data.Set(data.Boolean(true), data.Boolean(false))); err != nil || v.String() != "7" {
		t.Errorf("%v, %v", v, err)
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		bus := f.join()
		m := startMaster(t, bus, "s")
		c := startClone(t, f.join(), "s", CloneOptions{})
		ctx := t.Context()
		must(t, c.AwaitIdle(ctx))
		must(t, m.Put(ctx, str("short"), integer(1), 600*time.Millisecond))
		must(t, m.Put(ctx, str("renewed"), integer(1), 600*time.Millisecond))
		must(t, m.Put(ctx, str("kept"), integer(1), 600*time.Millisecond))
		must(t, m.Put(ctx, str("erased"), integer(1), 600*time.Millisecond))
		must(t, m.Put(ctx, str("ever"), integer(1), math.MaxInt64))
		time.Sleep(50 * time.Millisecond)
		must(t, m.Increment(ctx, str("renewed"), integer(1), 2*time.Second))
		must(t, m.Put(ctx, str("kept"), integer(2), 0))
		must(t, m.Erase(ctx, str("erased")))
		if _, err := m.PutUnique(ctx, str("short"), integer(3), time.Hour); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		bus.takeEvents()
		if got := get(t, c, "short"); got != "1" {
			t.Errorf("short is %s after 50 ms", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for key, want := range map[string]string{"short": "no_such_key", "renewed": "2", "kept": "2", "ever": "1"} {
			if got := get(t, m, key); got != want {
				t.Errorf("%s at the master: %s, want %s", key, got, want)
			}
			if got := get(t, c, key); got != want {
				t.Errorf("%s at the clone: %s, want %s", key, got, want)
			}
		}
		expectEvents(t, "once", bus, "expire short")
		time.Sleep(1200 * time.Millisecond)
		synctest.Wait()
		expectEvents(t, "later", bus, "expire renewed")
		if n := len(m.deadlines.queue); n != 0 { // that of "ever" is later than what can be written down
			t.Errorf("%d deadlines left", n)
		}
	})
}

// TestPutUniqueRace: one master, eight clones, each tries to be the first under four keys.
// TestExpiryOfTheStore: what is written without an expiry gets the store's, whichever way it is written; what has one keeps it; and a change
// is of effect for what comes after it.
func TestExpiryOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m, err := NewMaster(f.join(), "s", memory.New(), MasterOptions{Expiry: 10 * time.Second})
		must(t, err)
		defer m.Close()
		c := startClone(t, f.join(), "s", CloneOptions{})
		ctx := t.Context()
		must(t, m.Put(ctx, str("put"), integer(1), 0))
		must(t, c.Put(ctx, str("of a clone"), integer(1), 0))
		must(t, m.Put(ctx, str("own"), integer(1), time.Hour))
		must(t, m.Increment(ctx, str("added"), data.Count(1), 0))
		_, err = m.PutUnique(ctx, str("unique"), integer(1), 0)
		must(t, err)
		must(t, m.Apply(ctx, Batch{Writes: []Write{WritePut(str("of a batch"), integer(1), 0)}}))
		expect := func(when string, want int) {
			t.Helper()
			time.Sleep(time.Second)
			for _, size := range []func(context.Context) (backend.Size, error){m.Size, c.Size} {
				if n, err := size(ctx); err != nil || n.Entries != int64(want) {
					t.Errorf("%s: %d entries, %v, want %d", when, n.Entries, err, want)
				}
			}
		}
		expect("written", 6)
		time.Sleep(5 * time.Second)
		must(t, m.Increment(ctx, str("added"), data.Count(1), 0))
		time.Sleep(4 * time.Second)
		expect("after ten seconds", 2)
		m.SetExpiry(0)
		must(t, m.Put(ctx, str("for ever"), integer(1), 0))
		time.Sleep(10 * time.Second)
		expect("without an expiry", 2)
		time.Sleep(time.Hour)
		expect("after an hour", 1)
	})
}

func TestPutUniqueRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		startMaster(t, f.join(), "s")
		type outcome struct {
			key, clone int
			won        bool
		}
		outcomes := make(chan outcome)
		for i := range 8 {
			c := startClone(t, f.join(), "s", CloneOptions{})
			for key := range 4 {
				go func() {
					won, err := c.PutUnique(t.Context(), integer(int64(key)), integer(int64(i)), 0)
					if err != nil {
						t.Error(err)
					}
					outcomes <- outcome{key, i, won}
				}()
			}
		}
		winners := make([][]int, 4)
		for range 32 {
			if o := <-outcomes; o.won {
				winners[o.key] = append(winners[o.key], o.clone)
			}
		}
		for key, who := range winners {
			if len(who) != 1 {
				t.Errorf("key %d was won by %v", key, who)
			}
		}
	})
}

// failingBackend fails when told to, but lets a history begin.
type failingBackend struct {
	backend.Backend
	commit, read error
	begun        bool
}

func (b *failingBackend) Commit() error {
	if !b.begun || b.commit == nil {
		b.begun = true
		return b.Backend.Commit()
	}
	return b.commit
}

func (b *failingBackend) Get(key data.Value) (backend.Entry, bool, error) {
	if b.read != nil {
		return backend.Entry{}, false, b.read
	}
	return b.Backend.Get(key)
}

func TestBackendFailure(t *testing.T) {
	broken := &backend.Error{Path: "/data/x", Act: "commit", Err: errors.New("no space left")}
	for name, be := range map[string]*failingBackend{
		"commit": {Backend: memory.New(), commit: broken}, "read": {Backend: memory.New(), read: broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fabric)
				bus := f.join()
				m, err := NewMaster(bus, "s", be, MasterOptions{})
				must(t, err)
				defer m.Close()
				p := play(t, f, topic.Clone("s"), topic.Master("s"))
				p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}})
				synctest.Wait()
				p.expect("attach", "ack_clone 1,5 {} #1 >6")
				if m.Status().State != StateServing {
					t.Fatalf("%+v", m.Status())
				}
				changed := m.Changed()
				if err := m.Put(t.Context(), str("k"), integer(1), 0); !errors.Is(err, code.BackendFailure) || !errors.Is(err, broken) {
					t.Errorf("put: %v", err)
				}
				synctest.Wait()
				select {
				case <-changed:
				default:
					t.Error("the change of state was not announced")
				}
				if s := m.Status(); s.State != StateFailed || !errors.Is(s.Err, broken) {
					t.Errorf("%+v", s)
				}
				if err := m.AwaitIdle(t.Context()); !errors.Is(err, code.BackendFailure) {
					t.Errorf("idle: %v", err)
				}
				if got := get(t, m, "k"); got != broken.Error() {
					t.Errorf("get: %s", got)
				}
				time.Sleep(5 * time.Second)
				synctest.Wait()
				p.expectWithout("a failed master is silent", nil)
				if events := bus.takeEvents(); len(events) > 0 {
					t.Errorf("events %v", events)
				}
			})
		})
	}
}

func TestMasterForgetsSilentClones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}})
		p.send(0, m.id, &command.AttachWriter{Offset: 1, Interval: 5})
		p.send(0, m.id, &command.CumulativeAck{Seq: 1})
		time.Sleep(49 * time.Second)
		synctest.Wait()
		p.take()
		must(t, m.Put(t.Context(), str("k"), integer(1), 0))
		synctest.Wait()
		if s := m.Status(); s.Clones != 1 || s.Sequence != 2 {
			t.Errorf("before: %+v", s)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		must(t, m.Put(t.Context(), str("k"), integer(2), 0))
		must(t, m.AwaitIdle(t.Context()))
		synctest.Wait()
		if s := m.Status(); s.Clones != 0 || s.Sequence != 3 || len(m.writers) != 0 {
			t.Errorf("after: %+v, %d writers", s, len(m.writers))
		}
	})
}

// TestKeepalives: to everybody, and to each clone, as C++ clones want them.
func TestKeepalives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, m.id, &command.Nack{Seqs: []uint64{0}})
		synctest.Wait()
		p.take()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		p.expectWithout("after 5 ticks", nil, "keepalive 1", "keepalive 1 >6")
	})
}

// TestInboxIsBounded: callers wait while it is full, commands from the bus are dropped and counted.
func TestInboxIsBounded(t *testing.T) {
	in := newInbox(1000)
	enter := func(ctx context.Context) error {
		_, err := in.write(ctx, item{kind: idleRequest, req: &request{}})
		return err
	}
	for range 3 {
		in.command(make([]byte, 600))
	}
	canceled, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := enter(canceled); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("full: %v", err)
	}
	items, dropped := in.take(nil)
	if len(items) != 2 || dropped != 1 {
		t.Errorf("%d items, %d dropped", len(items), dropped)
	}
	in.command(make([]byte, 2000))
	done := make(chan error)
	go func() { done <- enter(t.Context()) }()
	if items, _ := in.take(items); len(items) == 2 { // the request came in before the command was taken: it can't
		t.Error("a full inbox took a request")
	}
	must(t, <-done)
	in.close()
	in.command(nil)
	if err := enter(t.Context()); !errors.Is(err, code.ShuttingDown) {
		t.Errorf("closed: %v", err)
	}
	if items, _ := in.take(nil); len(items) != 1 || slices.ContainsFunc(items, func(i item) bool { return i.req == nil }) {
		t.Errorf("left: %v", items)
	}
}

func TestDeadlinesComeOutInOrder(t *testing.T) {
	d := newDeadlines()
	for i := range 100 {
		d.set(integer(int64(i)), backend.Deadline((i*37)%100))
	}
	for i := range 100 {
		switch i % 4 {
		case 0:
			d.set(integer(int64(i)), backend.Never)
		case 1:
			d.set(integer(int64(i)), backend.Deadline(1000+i))
		}
	}
	var got []int64
	for key, ok := d.pop(time.Unix(0, 1049)); ok; key, ok = d.pop(time.Unix(0, 1049)) {
		n, _ := key.AsInteger()
		if n%4 == 1 {
			n += 1000
		} else {
			n = (n * 37) % 100
		}
		got = append(got, n)
	}
	if !slices.IsSorted(got) || len(got) != 62 || len(d.byKey) != 13 {
		t.Errorf("%d expired, %d left, in order %v", len(got), len(d.byKey), slices.IsSorted(got))
	}
	d.clear()
	d.set(integer(1), backend.Never)
	if _, ok := d.pop(time.Unix(1<<40, 0)); ok || len(d.queue) > 0 {
		t.Error("cleared, but something is left")
	}
}
