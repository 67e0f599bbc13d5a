// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

func startRemote(t *testing.T, bus Bus, name string, o RemoteOptions) *Remote {
	t.Helper()
	r, err := NewRemote(bus, name, o)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// kindOf is the kind of a payload.
func kindOf(payload []byte) command.Kind {
	kind, _, _, _ := command.Peek(payload)
	return kind
}

func TestRemoteOperations(t *testing.T) {
	f := new(fabric)
	m := startMaster(t, f.join(), "s")
	r := startRemote(t, f.join(), "s", RemoteOptions{})
	ctx := t.Context()
	k := str("k")
	for _, tt := range []struct {
		name  string
		do    func() error
		err   error
		value string
	}{
		{"get of nothing", func() error { _, err := r.Get(ctx, k); return err }, code.NoSuchKey, "no_such_key"},
		{"put", func() error { return r.Put(ctx, k, data.Count(1), time.Hour) }, nil, "1"},
		{"increment", func() error { return r.Increment(ctx, k, data.Count(2), 0) }, nil, "3"},
		{"of another kind", func() error { return r.Increment(ctx, k, data.Integer(2), 0) }, code.TypeClash, "3"},
		{"decrement", func() error { return r.Decrement(ctx, k, data.Count(1), 0) }, nil, "2"},
		{"put unique", func() error {
			ok, err := r.PutUnique(ctx, k, data.Count(9), 0)
			if ok {
				return errors.New("inserted")
			}
			return err
		}, nil, "2"},
		{"erase", func() error { return r.Erase(ctx, k) }, nil, "no_such_key"},
		{"decrement of nothing", func() error { return r.Decrement(ctx, k, data.Count(1), 0) }, code.NoSuchKey, "no_such_key"},
		{"put unique again", func() error {
			ok, err := r.PutUnique(ctx, k, data.String("a"), time.Hour)
			if !ok {
				return errors.New("not inserted")
			}
			return err
		}, nil, "a"},
		{"append", func() error { return r.Append(ctx, k, "b", 0) }, nil, "ab"},
		{"insert into a set", func() error { return r.InsertInto(ctx, str("s"), data.Count(1), 0) }, nil, "ab"},
		{"and again", func() error { return r.InsertInto(ctx, str("s"), data.Count(2), 0) }, nil, "ab"},
		{"remove from it", func() error { return r.RemoveFrom(ctx, str("s"), data.Count(1), 0) }, nil, "ab"},
		{"insert into a table", func() error { return r.InsertIntoTable(ctx, str("m"), data.Count(1), data.Count(2), 0) }, nil, "ab"},
		{"push", func() error { return r.Push(ctx, str("v"), data.Count(7), 0) }, nil, "ab"},
		{"push again", func() error { return r.Push(ctx, str("v"), data.Count(8), 0) }, nil, "ab"},
		{"pop", func() error { return r.Pop(ctx, str("v"), 0) }, nil, "ab"},
		{"compare and set", func() error {
			ok, err := r.CompareAndSet(ctx, k, str("ab"), true, str("ab"), time.Hour)
			if !ok {
				return errors.New("not set")
			}
			return err
		}, nil, "ab"},
		{"compare with something else", func() error {
			ok, err := r.CompareAndSet(ctx, k, data.None(), false, str("x"), 0)
			if ok {
				return errors.New("set")
			}
			return err
		}, nil, "ab"},
		{"a batch", func() error {
			return r.Apply(ctx, Batch{
				If:     []Condition{{Key: k, Present: true, Value: str("ab")}, {Key: str("missing")}},
				Writes: []Write{WritePut(str("1"), k, 0), WriteErase(str("1")), WriteAdd(k, str("c"), data.KindString, 0)},
			})
		}, nil, "abc"},
		{"a batch whose condition doesn't hold", func() error {
			return r.Apply(ctx, Batch{If: []Condition{{Key: str("missing"), Present: true}}, Writes: []Write{WriteClear()}})
		}, ErrConditionFailed, "abc"},
		{"a batch that can't be done", func() error {
			return r.Apply(ctx, Batch{Writes: []Write{WriteErase(k), WriteSubtract(k, k, 0)}})
		}, code.NoSuchKey, "abc"},
		{"a batch that is too large", func() error {
			return r.Apply(ctx, Batch{Writes: make([]Write, 1<<16)})
		}, ErrTooLarge, "abc"},
		{"a negative expiry", func() error { return r.Put(ctx, k, k, -1) }, code.InvalidData, "abc"},
	} {
		if err := tt.do(); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
		if got := get(t, m, "k"); got != tt.value {
			t.Errorf("%s: the master has %s, want %s", tt.name, got, tt.value)
		}
		if got := get(t, r, "k"); got != tt.value {
			t.Errorf("%s: the remote reads %s, want %s", tt.name, got, tt.value)
		}
	}
	for key, want := range map[string]string{"s": "{2}", "m": "{1 -> 2}", "v": "(7)"} {
		if got := get(t, r, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if v, err := r.GetIndex(ctx, str("m"), data.Count(1)); err != nil || !data.Equal(v, data.Count(2)) {
		t.Errorf("index: %v, %v", v, err)
	}
	if _, err := r.GetIndex(ctx, str("v"), data.Count(5)); !errors.Is(err, code.NoSuchKey) {
		t.Errorf("index that is not there: %v", err)
	}
	if ok, err := r.Exists(ctx, str("v")); err != nil || !ok {
		t.Errorf("exists: %v, %v", ok, err)
	}
	if keys, err := r.Keys(ctx); err != nil || keys.String() != "{k, m, s, v}" {
		t.Errorf("keys: %v, %v", keys, err)
	}
	must(t, r.Clear(ctx))
	if keys, err := r.Keys(ctx); err != nil || keys.String() != "{}" {
		t.Errorf("keys of nothing: %v, %v", keys, err)
	}
}

// TestRemoteOverLossyWays: whatever gets lost, and however often a write is asked for, it is executed once.
func TestRemoteOverLossyWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed.For(t), 1))
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		r := startRemote(t, f.join(), "s", RemoteOptions{Timeout: 55 * time.Second, FindTimeout: 50 * time.Second})
		var mu sync.Mutex
		f.setLoss(func(_, _ *fakeBus, payload []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			return rng.IntN(100) < 40
		})
		const askers, each = 8, 25
		var group sync.WaitGroup
		for range askers {
			group.Go(func() {
				for range each {
					if err := r.Increment(t.Context(), str("n"), data.Count(1), 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		f.setLoss(nil)
		if got := get(t, m, "n"); got != fmt.Sprint(askers*each) {
			t.Errorf("%d increments made %s", askers*each, got)
		}
	})
}

func TestRemoteWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		must(t, r.Put(t.Context(), str("a"), data.Count(1), 0))
		f.setLoss(func(_, _ *fakeBus, payload []byte) bool { return kindOf(payload) == command.KindAnswer })
		start := time.Now()
		if err := r.Increment(t.Context(), str("a"), data.Count(1), 0); !errors.Is(err, ErrUnknown) || !errors.Is(err, code.RequestTimeout) {
			t.Errorf("a write without answer: %v", err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if got := get(t, m, "a"); got != "2" {
			t.Errorf("asked for often, executed once: %s", got)
		}
		if _, err := r.Get(t.Context(), str("a")); !errors.Is(err, code.RequestTimeout) || errors.Is(err, ErrUnknown) {
			t.Errorf("a read without answer: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Get(ctx, str("a")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a read within less time: %v", err)
		}
	})
}

// TestRemoteMasterRestarts: reads and new writes go to the next master, a write that the former may have executed is not repeated.
func TestRemoteMasterRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		bus := f.join()
		m, err := NewMaster(bus, "s", memory.New(), MasterOptions{})
		must(t, err)
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		must(t, r.Put(t.Context(), str("a"), data.Count(1), 0))
		must(t, m.Close())
		done := make(chan error)
		go func() { done <- r.Put(t.Context(), str("b"), data.Count(2), 0) }()
		pass(3 * time.Second)
		m = startMaster(t, bus, "s")
		// The second put was sent while nobody was there: nobody can tell any more.
		if err := <-done; !errors.Is(err, ErrUnknown) {
			t.Errorf("a put over the restart: %v", err)
		}
		must(t, r.Put(t.Context(), str("c"), data.Count(3), 0))
		if got := get(t, r, "c"); got != "3" {
			t.Errorf("afterwards: %s", got)
		}
		if got := get(t, m, "b"); got != "no_such_key" {
			t.Errorf("the new master has %s", got)
		}
	})
}

func TestRemoteFindsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		foreign := f.join()
		_, err := foreign.AttachStore(topic.Master("s"), func([]byte) {}) // it drops what it doesn't know
		must(t, err)
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		start := time.Now()
		for _, do := range []func() error{
			func() error { _, err := r.Get(t.Context(), str("k")); return err },
			func() error { return r.Put(t.Context(), str("k"), str("v"), 0) },
		} {
			if err := do(); !errors.Is(err, ErrForeignMaster) || !errors.Is(err, code.NoSuchMaster) {
				t.Errorf("no master of ours: %v", err)
			}
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("twice looking took %v", took)
		}
		if masters, err := r.Masters(t.Context(), time.Second, 0); err != nil || len(masters) > 0 {
			t.Errorf("masters: %v, %v", masters, err)
		}
		must(t, r.Close())
		if _, err := r.Get(t.Context(), str("k")); !errors.Is(err, code.ShuttingDown) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestRemoteForgottenSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		must(t, r.Increment(t.Context(), str("n"), data.Count(1), 0))
		pass(2 * sessionIdle)
		must(t, r.Increment(t.Context(), str("n"), data.Count(1), 0))
		if got := get(t, m, "n"); got != "2" {
			t.Errorf("n is %s", got)
		}
	})
}

func TestRemoteScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		const n = 9_000
		ctx := t.Context()
		for i := range n {
			must(t, m.Put(ctx, data.Count(uint64(i)), data.String(fmt.Sprint("value ", i)), 0))
		}
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		scan, err := r.Scan(ctx, ScanOptions{})
		must(t, err)
		if scan.Len() != n {
			t.Errorf("%d entries", scan.Len())
		}
		must(t, m.Clear(ctx))
		seen := map[uint64]bool{}
		for e, err := range scan.Entries(ctx) {
			must(t, err)
			i, _ := e.Key.AsCount()
			if text, _ := e.Value.AsString(); text != fmt.Sprint("value ", i) || seen[i] || e.Deadline != backend.Never {
				t.Fatalf("entry %v: %v", e.Key, e.Value)
			}
			seen[i] = true
		}
		if len(seen) != n {
			t.Errorf("%d entries came", len(seen))
		}
		for range scan.Entries(ctx) {
			t.Error("a second reading yields something")
			break
		}
		scan.Close()

		var scans []*Scan
		for range maxCursors {
			scan, err := r.Scan(ctx, ScanOptions{KeysOnly: true})
			must(t, err)
			scans = append(scans, scan)
		}
		if _, err := r.Scan(ctx, ScanOptions{}); !errors.Is(err, code.RequestTimeout) {
			t.Errorf("one more scan: %v", err)
		}
		pass(2 * cursorLease)
		for _, err := range scans[0].Entries(ctx) {
			if !errors.Is(err, errNoCursor) {
				t.Errorf("after the lease: %v", err)
			}
		}
		if _, err := r.Scan(ctx, ScanOptions{}); err != nil {
			t.Errorf("when the others are over: %v", err)
		}
	})
}

func TestRemoteCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		ctx := t.Context()
		for i := range 500 {
			must(t, m.Put(ctx, data.Count(uint64(i)), data.Count(uint64(i)), 0))
		}
		clones := []*Clone{startClone(t, f.join(), "s", CloneOptions{}), startClone(t, f.join(), "s", CloneOptions{})}
		for _, c := range clones {
			must(t, c.AwaitIdle(ctx))
		}
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		master, err := r.Master(ctx)
		must(t, err)
		if master.Role != "master" || master.Entries != 500 || master.Clones != 2 || master.State != "serving" || master.ID != m.id {
			t.Errorf("report of the master: %+v", master)
		}
		reports, err := r.Clones(ctx, time.Minute, 2)
		must(t, err)
		if len(reports) != 2 || reports[0].Role != "clone" || reports[0].State != "synced" || reports[0].Entries != 500 || reports[0].Age >= time.Second {
			t.Fatalf("reports of clones: %+v", reports)
		}
		want, err := r.At(master).Checksums(ctx, 256)
		must(t, err)
		for _, report := range reports {
			got, err := r.At(report).Checksums(ctx, 256)
			must(t, err)
			if len(want.Differ(got)) > 0 || got.Entries != 500 || got.Number != want.Number {
				t.Errorf("clone: %d of %d entries, at %d of %d, differing %v", got.Entries, want.Entries, got.Number, want.Number, want.Differ(got))
			}
		}
		must(t, m.Put(ctx, data.Count(77), data.Count(78), 0))
		now, err := r.At(master).Checksums(ctx, 256)
		must(t, err)
		differ := now.Differ(want)
		if len(differ) != 1 || now.Number != want.Number+1 {
			t.Fatalf("after a change: number %d after %d, differing %v", now.Number, want.Number, differ)
		}
		scan, err := r.At(master).Scan(ctx, ScanOptions{Buckets: 256, Bucket: differ[0]})
		must(t, err)
		var keys []string
		for e, err := range scan.Entries(ctx) {
			must(t, err)
			keys = append(keys, e.Key.String())
		}
		if !slices.Contains(keys, "77") || len(keys) > 20 {
			t.Errorf("the bucket has %v", keys)
		}
		if v, err := r.At(reports[0]).Get(ctx, data.Count(5)); err != nil || !data.Equal(v, data.Count(5)) {
			t.Errorf("get at a clone: %v, %v", v, err)
		}
		if _, err := r.At(master).Checksums(ctx, 0); !errors.Is(err, errBadQuestion) {
			t.Errorf("no buckets: %v", err)
		}
		must(t, clones[0].Close())
		gone := slices.IndexFunc(reports, func(r Report) bool { return r.ID == clones[0].asks.id })
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := r.At(reports[gone]).Get(short, data.Count(5)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a clone that is gone: %v", err)
		}
	})
}

// TestHostileAsks: what makes no sense is refused or ignored.
func TestHostileAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		s := play(t, f, topic.Remote("s"), topic.Master("s"))
		ask := func(a command.Ask) command.Message {
			t.Helper()
			s.send(0, m.id, &a)
			synctest.Wait()
			frames := s.take()
			if len(frames) != 1 {
				t.Fatalf("%+v: %d answers", a, len(frames))
			}
			return frames[0].Message
		}
		expect := func(a command.Ask, want code.Code) {
			t.Helper()
			if got := ask(a).Body.(*command.Answer); got.Code != want || got.Number != a.Number {
				t.Errorf("%+v: code %d for %d, want %d", a, got.Code, got.Number, want)
			}
		}
		expect(command.Ask{Number: 1, Operation: 200}, codeNoSession)
		expect(command.Ask{Number: 2, Operation: 63}, codeBadQuestion)
		expect(command.Ask{Number: 3, Operation: uint8(opGet)}, codeBadQuestion)
		expect(command.Ask{Number: 4, Operation: uint8(opPage), Args: []data.Value{data.Count(5), data.Count(1)}}, codeNoCursor)
		expect(command.Ask{Number: 5, Operation: uint8(opPage), Args: []data.Value{data.String("x")}}, codeBadQuestion)
		expect(command.Ask{Number: 6, Operation: uint8(opScan), Args: []data.Value{data.Count(2), data.Count(8), data.Count(8)}}, codeBadQuestion)
		expect(command.Ask{Number: 7, Operation: uint8(opWrite), Session: 5}, codeNoSession)
		in := args{rest: ask(command.Ask{Number: 8, Operation: uint8(opOpen)}).Body.(*command.Answer).Values}
		session := in.count()
		n, clearing := data.Count, WriteClear()
		for i, a := range [][]data.Value{
			nil, {n(0), n(0), n(1), n(1)}, {n(0), n(0), n(1), n(1), n(1)}, {n(0), n(0), n(1), n(1), data.Timespan(-1)}, // put
			{n(2), n(0), n(1), n(1), data.None()}, {n(256), n(0), n(1), n(1), data.None()}, // not writes
			{n(5), n(15), n(1), n(1), data.None()}, // no kind to begin with
		} {
			expect(command.Ask{Number: uint64(10 + i), Operation: uint8(opWrite), Session: session, Args: a}, codeBadQuestion)
		}
		for i, a := range [][]data.Value{nil, {n(1)}, {n(1 << 63), n(1), data.Boolean(true), n(1)}, {n(0), n(0)}} {
			expect(command.Ask{Number: uint64(17 + i), Operation: uint8(opBatch), Session: session, Args: a}, codeBadQuestion)
		}
		expect(command.Ask{Number: 21, Operation: 255, Session: session}, codeBadQuestion)
		expect(command.Ask{Number: 22, Settled: 21, Operation: uint8(opWrite), Session: session, Args: writeArgs(nil, &clearing)}, code.None)
		s.send(0, m.id, &command.Ask{Number: 21, Operation: uint8(opWrite), Session: session, Args: writeArgs(nil, &clearing)}) // it said that it has the answer
		s.sendAs(data.EntityID{}, 0, m.id, &command.Ask{Number: 23, Operation: uint8(opHello)})
		s.send(0, data.EntityID{Endpoint: data.NewEndpointID(), Object: 1}, &command.Ask{Number: 24, Operation: uint8(opHello)})
		synctest.Wait()
		if frames := s.take(); len(frames) > 0 {
			t.Errorf("answers to what nobody may ask: %v", frames)
		}
		s.send(0, data.EntityID{Endpoint: m.id.Endpoint, Object: 1}, &command.Ask{Number: 25, Operation: uint8(opHello)})
		synctest.Wait()
		if frames := s.take(); len(frames) != 1 || frames[0].Body.(*command.Answer).Code != codeNoSession {
			t.Errorf("an ask for one who is gone: %v", frames)
		}
	})
}

// TestErrorsTravel: what is answered to others matches the same error there, and an outcome that is not known never looks like a refusal.
func TestErrorsTravel(t *testing.T) {
	from := data.EntityID{Object: 1}
	for c, sentinel := range sentinels {
		answer := failed(fmt.Errorf("here: %w", sentinel))
		if err := errorOf(from, answer); !errors.Is(err, sentinel) || answer.Code != c || err.Error() != "here: "+sentinel.Error() {
			t.Errorf("%v became %v, code %d", sentinel, err, answer.Code)
		}
	}
	err := errorOf(from, failed(fmt.Errorf("%w: %w", ErrUnknown, code.ShuttingDown)))
	if !errors.Is(err, ErrUnknown) || errors.Is(err, code.ShuttingDown) {
		t.Errorf("unknown became %v", err)
	}
	if err := errorOf(from, failed(fmt.Errorf("here: %w", code.TypeClash))); !errors.Is(err, code.TypeClash) {
		t.Errorf("a code became %v", err)
	}
	if err := errorOf(from, failed(errors.New("odd"))); !errors.Is(err, code.Unspecified) || err.Error() != "odd" {
		t.Errorf("another error became %v", err)
	}
	if err := errorOf(from, &command.Answer{Code: 250}); err == nil || err.Error() == "" {
		t.Errorf("a code that nobody knows: %v", err)
	}
}

// TestRemoteAdopts: a history that a clone has met is confirmed from elsewhere, by its name.
func TestRemoteAdopts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		bus := f.join()
		first, err := NewMaster(bus, "s", lasting{memory.New()}, MasterOptions{})
		must(t, err)
		ctx := t.Context()
		must(t, first.Put(ctx, str("k"), integer(1), 0))
		c := startClone(t, f.join(), "s", CloneOptions{})
		must(t, c.AwaitIdle(ctx))
		must(t, first.Close())
		second := startMaster(t, bus, "s")
		must(t, second.Put(ctx, str("k"), integer(2), 0))
		pass(10 * time.Second)
		r := startRemote(t, f.join(), "s", RemoteOptions{})
		reports, err := r.Clones(ctx, time.Minute, 1)
		must(t, err)
		want := second.Status().History.String()
		if len(reports) != 1 || reports[0].NewHistory != want {
			t.Fatalf("%+v", reports)
		}
		clone := r.At(reports[0])
		if err := clone.Adopt(ctx, first.Status().History.String()+"0"); !errors.Is(err, ErrNoNewHistory) {
			t.Errorf("a history that nobody has: %v", err)
		}
		for range 2 {
			must(t, clone.Adopt(ctx, want))
		}
		if got := get(t, c, "k"); got != "2" {
			t.Errorf("k is %s", got)
		}
		master, err := r.Master(ctx)
		must(t, err)
		if err := r.At(master).Adopt(ctx, want); err == nil {
			t.Error("a master adopts a history")
		}
	})
}
