// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

func TestMemory(t *testing.T) {
	backendtest.Run(t, backendtest.Kind{Open: func(*testing.T, string) backend.Backend { return New() }})
}

func TestKeepsCopies(t *testing.T) {
	message := data.String("a value").AppendBinary(nil)
	v, err := data.View(message)
	if err != nil {
		t.Fatal(err)
	}
	b := New()
	if err := b.Put(backend.Entry{Key: v, Value: v, Deadline: backend.Never}); err != nil {
		t.Fatal(err)
	}
	clear(message)
	e, ok, _ := b.Get(data.String("a value"))
	if got, _ := e.Value.AsString(); !ok || got != "a value" {
		t.Fatalf("found %v: %q", ok, got)
	}
}

// TestWarmChangesNothing: whatever the table is like, and whichever keys are named.
func TestWarmChangesNothing(t *testing.T) {
	b := New()
	keys := make([]data.Value, 3*warmAtOnce+1)
	for round := range uint64(200) {
		for i := range keys {
			keys[i] = data.Count(round*7 + uint64(i))
		}
		before := b.Size()
		b.Warm(keys)
		b.Warm(nil)
		if b.Size() != before {
			t.Fatalf("round %d: %+v became %+v", round, before, b.Size())
		}
		for _, k := range keys {
			if err := b.Put(backend.Entry{Key: k, Value: k, Deadline: backend.Never}); err != nil {
				t.Fatal(err)
			}
		}
		if round%50 == 49 {
			b.Commit()
			b.Clear()
			b.Warm(keys)
		}
	}
}

func value(i uint64) data.Value { return data.Vector(data.String("value"), data.Count(i)) }

// BenchmarkPut stores new entries, a group at a time.
func BenchmarkPut(b *testing.B) {
	be := New()
	for i := range uint64(b.N) {
		if err := be.Put(backend.Entry{Key: data.Count(i), Value: value(i), Deadline: backend.Never}); err != nil {
			b.Fatal(err)
		}
		if i%4096 == 0 {
			be.Commit()
		}
	}
}

func BenchmarkGet(b *testing.B) {
	be := New()
	const n = 1 << 18
	for i := range uint64(n) {
		if err := be.Put(backend.Entry{Key: data.Count(i), Value: value(i), Deadline: backend.Never}); err != nil {
			b.Fatal(err)
		}
	}
	be.Commit()
	b.ResetTimer()
	for i := range uint64(b.N) {
		if _, ok, err := be.Get(data.Count(i * 7919 % n)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
