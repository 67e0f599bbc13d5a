// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// frontend is what masters and clones of ours have in common.
type frontend interface {
	Get(ctx context.Context, key data.Value) (data.Value, error)
	Put(ctx context.Context, key, value data.Value, expiry time.Duration) error
	PutUnique(ctx context.Context, key, value data.Value, expiry time.Duration) (bool, error)
	Increment(ctx context.Context, key, amount data.Value, expiry time.Duration) error
	Decrement(ctx context.Context, key, amount data.Value, expiry time.Duration) error
	Append(ctx context.Context, key data.Value, text string, expiry time.Duration) error
	InsertInto(ctx context.Context, key, element data.Value, expiry time.Duration) error
	InsertIntoTable(ctx context.Context, key, index, value data.Value, expiry time.Duration) error
	RemoveFrom(ctx context.Context, key, index data.Value, expiry time.Duration) error
	Push(ctx context.Context, key, element data.Value, expiry time.Duration) error
	Pop(ctx context.Context, key data.Value, expiry time.Duration) error
	Erase(ctx context.Context, key data.Value) error
	Clear(ctx context.Context) error
	AwaitIdle(ctx context.Context) error
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newMaster(t *testing.T, e *broker.Endpoint) *store.Master {
	t.Helper()
	m, err := store.NewMaster(e, "s", memory.New(), store.MasterOptions{})
	ok(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func newClone(t *testing.T, e *broker.Endpoint) *store.Clone {
	t.Helper()
	c, err := store.NewClone(e, "s", store.CloneOptions{})
	ok(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func str(s string) data.Value { return data.String(s) }

// same waits until both sides hold the same, and answers how many entries that are.
func same(t *testing.T, what string, s frontend, keys func(context.Context) (data.Value, error), p *python) int {
	t.Helper()
	var difference string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		theirs := p.ask(command{"do": "keys", "store": "s"})
		set, err := keys(within(t))
		ok(t, err)
		raw, err := hex.DecodeString(theirs.str("hex"))
		ok(t, err)
		their, err := data.Decode(raw)
		ok(t, err)
		if difference = differs(t, s, p, set, their); difference == "" {
			return set.Len()
		}
	}
	t.Fatalf("%s: %s", what, difference)
	return 0
}

func differs(t *testing.T, s frontend, p *python, ours, theirs data.Value) string {
	t.Helper()
	if !data.Equal(ours, theirs) {
		return "keys " + ours.String() + " and " + theirs.String()
	}
	for key := range ours.Elements() {
		v, err := s.Get(within(t), key)
		if errors.Is(err, code.NoSuchKey) {
			return key.String() + " is gone"
		}
		ok(t, err)
		got := p.ask(command{"do": "get", "store": "s", "key": map[string]string{"hex": hex.EncodeToString(key.AppendBinary(nil))}})
		if got.str("hex") != hex.EncodeToString(v.AppendBinary(nil)) {
			return key.String() + " is " + v.String() + " and " + got.str("hex")
		}
	}
	return ""
}

// change does one of everything from our side.
func change(t *testing.T, s frontend) {
	t.Helper()
	ctx := within(t)
	for _, h := range recordedValues(t) {
		raw, _ := hex.DecodeString(h)
		v, err := data.Decode(raw)
		ok(t, err)
		ok(t, s.Put(ctx, v, v, 0))
	}
	ok(t, s.Increment(ctx, str("n"), data.Count(5), 0))
	ok(t, s.Decrement(ctx, str("n"), data.Count(2), 0))
	ok(t, s.Append(ctx, str("text"), "ab", 0))
	ok(t, s.Append(ctx, str("text"), "c", 0))
	ok(t, s.InsertInto(ctx, str("set"), data.Count(1), 0))
	ok(t, s.InsertInto(ctx, str("set"), data.Count(2), 0))
	ok(t, s.RemoveFrom(ctx, str("set"), data.Count(1), 0))
	ok(t, s.InsertIntoTable(ctx, str("table"), data.Count(1), str("one"), 0))
	ok(t, s.Push(ctx, str("vector"), str("x"), 0))
	ok(t, s.Push(ctx, str("vector"), str("y"), 0))
	ok(t, s.Pop(ctx, str("vector"), 0))
	ok(t, s.Put(ctx, str("erased"), data.Count(1), 0))
	ok(t, s.Erase(ctx, str("erased")))
	ok(t, s.Put(ctx, str("short"), data.Count(1), 300*time.Millisecond))
	for _, want := range []bool{true, false} {
		if won, err := s.PutUnique(ctx, str("unique"), data.Boolean(want), 0); err != nil || won != want {
			t.Fatalf("put_unique: %v, %v", won, err)
		}
	}
}

// changeThere does one of everything from the Python side.
func changeThere(t *testing.T, p *python) {
	t.Helper()
	count := func(n int) command { return command{"@data-type": "count", "data": n} }
	for _, c := range []command{
		{"do": "put", "key": "p", "value": []any{1, "two", nil}},
		{"do": "increment", "key": "pn", "value": count(7)},
		{"do": "decrement", "key": "pn", "value": count(3)},
		{"do": "append", "key": "ptext", "value": "abc"},
		{"do": "push", "key": "pvector", "value": 1},
		{"do": "pop", "key": "pvector"},
		{"do": "insert_into", "key": "pset", "index": 1},
		{"do": "insert_into", "key": "ptable", "index": 1, "value": "one"},
		{"do": "insert_into", "key": "ptable", "index": 2, "value": "two"},
		{"do": "remove_from", "key": "ptable", "index": 1},
		{"do": "put", "key": "pgone", "value": 1},
		{"do": "erase", "key": "pgone"},
		{"do": "put", "key": "pshort", "value": 1, "expiry": "300ms"},
	} {
		c["store"] = "s"
		p.do(c)
	}
	for i, want := range []bool{true, false} {
		got := p.ask(command{"do": "put_unique", "store": "s", "key": "punique", "value": i})
		if inserted, _ := got["inserted"].(bool); inserted != want {
			t.Fatalf("put_unique %d: %v", i, got)
		}
	}
}

// TestStoreMasterHere: our master, a clone in Python.
func TestStoreMasterHere(t *testing.T) {
	for name, ids := range map[string][2]string{"originator": {smallID, largeID}, "responder": {largeID, smallID}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, broker.Options{}, ids[0])
			m := newMaster(t, e)
			ok(t, m.Put(within(t), str("first"), data.Count(1), 0))
			p := start(t, "--id", ids[1])
			peered(t, e, p)
			p.do(command{"do": "clone", "store": "s"})
			if got := p.wait("clone_attached"); got.num("entries") != 1 || got.num("offset") != 2 { // the put had a number
				t.Errorf("attached: %v", got)
			}
			both(t, m, m.Keys, p)
			if s := m.Status(); s.Clones != 1 || s.Malformed != 0 || s.Dropped != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestStoreMasterThere: a master in Python, our clone, which is written to before it knows the master.
func TestStoreMasterThere(t *testing.T) {
	for name, ids := range map[string][2]string{"originator": {smallID, largeID}, "responder": {largeID, smallID}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, broker.Options{}, ids[0])
			c := hasty{newClone(t, e)}
			ok(t, c.Push(within(t), str("early"), data.Count(1), 0))
			ok(t, c.Push(within(t), str("early"), data.Count(2), 0))
			p := start(t, "--id", ids[1])
			p.do(command{"do": "master", "store": "s"})
			p.do(command{"do": "put", "store": "s", "key": "first", "value": 1})
			peered(t, e, p)
			p.wait("clone_established")
			ok(t, c.AwaitIdle(within(t)))
			if v, err := c.Get(within(t), str("early")); err != nil || v.String() != "(1, 2)" {
				t.Errorf("early writes: %v, %v", v, err)
			}
			both(t, c, c.Keys, p)
			if s := c.Status(); s.State != store.StateSynced || s.WritesUnknown != 0 || s.Malformed != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// both changes the store from both sides and compares.
func both(t *testing.T, s frontend, keys func(context.Context) (data.Value, error), p *python) {
	t.Helper()
	change(t, s)
	if n := same(t, "after changes here", s, keys, p); n < 600 {
		t.Errorf("%d entries", n)
	}
	changeThere(t, p)
	same(t, "after changes there", s, keys, p)
	ok(t, s.AwaitIdle(within(t)))
	for _, key := range []string{"short", "pshort", "erased", "pgone"} {
		gone(t, s, key)
	}
	same(t, "after expiry", s, keys, p)
	holds := func(want int) {
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			if n := same(t, "after clear", s, keys, p); n == want {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("%d entries after clear", n)
			}
		}
	}
	ok(t, s.Clear(within(t)))
	holds(0) // the master there would put first what is put there
	p.do(command{"do": "put", "store": "s", "key": "last", "value": strings.Repeat("x", 100000)})
	holds(1)
}

// gone waits until a key has expired.
func gone(t *testing.T, s frontend, key string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, err := s.Get(within(t), str(key))
		if errors.Is(err, code.NoSuchKey) {
			return
		}
		if ok(t, err); time.Now().After(deadline) {
			t.Fatalf("%s is still there", key)
		}
	}
}

// TestStoreConnectionLost: what happened while the connection was gone is repaired, in both directions and with the master on either side.
func TestStoreConnectionLost(t *testing.T) {
	for name, here := range map[string]bool{"master here": true, "master there": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, broker.Options{}, "")
			address := listening(t, e)
			p := start(t)
			var s frontend
			var keys func(context.Context) (data.Value, error)
			if here {
				m := newMaster(t, e)
				s, keys = m, m.Keys
				p.connect(address, nil)
				p.do(command{"do": "clone", "store": "s", "timeout": 0})
				p.wait("clone_attached")
			} else {
				p.do(command{"do": "master", "store": "s"})
				p.connect(address, nil)
				c := newClone(t, e)
				s, keys = hasty{c}, c.Keys
				p.wait("clone_established")
			}
			for i := range 3 {
				p.do(command{"do": "drop"})
				p.wait("peer_lost")
				ok(t, s.Push(within(t), str("ours"), data.Count(uint64(i)), 0))
				p.do(command{"do": "push", "store": "s", "key": "theirs", "value": i})
				p.reconnect(address)
				if v := pushed(t, s, "ours", i+1); v.Len() != i+1 {
					t.Fatalf("ours: %v", v)
				}
				if v := pushed(t, s, "theirs", i+1); v.Len() != i+1 {
					t.Fatalf("theirs: %v", v)
				}
				same(t, "after reconnecting", s, keys, p)
			}
		})
	}
}

// pushed waits until a vector has n elements.
func pushed(t *testing.T, s frontend, key string, n int) data.Value {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		v, err := s.Get(within(t), str(key))
		if err == nil && v.Len() >= n || time.Now().After(deadline) {
			return v
		}
	}
}
