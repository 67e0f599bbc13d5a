// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

func TestBatch(t *testing.T) {
	a, b, n := str("a"), str("b"), str("n")
	deep := data.Vector()
	for range data.MaxDepth {
		deep = data.Vector(deep)
	}
	for _, tt := range []struct {
		name   string
		batch  Batch
		err    error
		events string
	}{
		{"empty", Batch{}, nil, ""},
		{
			"writes that build on each other",
			Batch{Writes: []Write{
				WritePut(b, integer(1), 0), WriteAdd(b, integer(2), data.KindInteger, 0), WriteErase(a), WritePutUnique(a, str("new"), 0),
			}},
			nil, "insert b 1 nil; update b 1 3 nil; erase a; insert a new nil",
		},
		{
			"conditions that hold",
			Batch{If: []Condition{{a, true, str("old")}, {Key: b}}, Writes: []Write{WriteErase(a), WriteErase(b)}},
			nil, "erase a",
		},
		{"another value", Batch{If: []Condition{{a, true, str("other")}}, Writes: []Write{WriteErase(a)}}, ErrConditionFailed, ""},
		{"a key that is there", Batch{If: []Condition{{Key: a}}, Writes: []Write{WriteErase(a)}}, ErrConditionFailed, ""},
		{"a key that is not there", Batch{If: []Condition{{b, true, data.None()}}, Writes: []Write{WriteErase(a)}}, ErrConditionFailed, ""},
		{"a put-unique that can't", Batch{Writes: []Write{WriteErase(n), WritePutUnique(a, str("x"), 0)}}, ErrConditionFailed, ""},
		{
			"the last one fails",
			Batch{Writes: []Write{WritePut(b, str("text"), 0), WriteErase(a), WriteSubtract(b, integer(1), 0)}}, code.TypeClash, "",
		},
		{"gone in the batch", Batch{Writes: []Write{WriteErase(n), WriteSubtract(n, integer(1), 0)}}, code.NoSuchKey, ""},
		{"grown in the batch", Batch{Writes: []Write{
			WriteErase(a), WritePut(b, str(strings.Repeat("x", 90)), 0), WriteAdd(b, str(strings.Repeat("x", 90)), data.KindString, 0),
		}}, ErrTooLarge, ""},
		{"no write of ours", Batch{Writes: []Write{WriteErase(a), {kind: command.KindKeepalive}}}, code.InvalidData, ""},
		{"too deep", Batch{If: []Condition{{a, true, deep}}}, code.InvalidData, ""},
		{
			"a clear in the middle",
			Batch{Writes: []Write{WritePut(b, integer(1), 0), WriteClear(), WriteAdd(n, integer(2), data.KindInteger, 0), WritePutUnique(a, str("x"), 0)}},
			nil, "insert b 1 nil; erase a; erase b; erase n; insert n 2 nil; insert a x nil",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bus := new(fabric).join()
			m, err := NewMaster(bus, "s", memory.New(), MasterOptions{MaxEntryBytes: 150})
			must(t, err)
			defer m.Close()
			ctx := t.Context()
			must(t, m.Put(ctx, a, str("old"), 0))
			must(t, m.Put(ctx, n, integer(7), 0))
			must(t, m.AwaitIdle(ctx))
			bus.takeEvents()
			before := m.Status().Sequence
			if err := m.Apply(ctx, tt.batch); !errors.Is(err, tt.err) {
				t.Fatalf("%v, want %v", err, tt.err)
			}
			must(t, m.AwaitIdle(ctx))
			var events []string
			for _, e := range bus.takeEvents() {
				events = append(events, brief(e))
			}
			if got := strings.Join(events, "; "); got != tt.events {
				t.Errorf("events %q, want %q", got, tt.events)
			}
			if tt.err != nil && (m.Status().Sequence != before || get(t, m, "a") != "old" || get(t, m, "n") != "7") {
				t.Errorf("something happened: %+v", m.Status())
			}
		})
	}
}

// TestBatchIsReplayedAsOrdinaryCommands: clones of C++ Broker understand it.
func TestBatchIsReplayedAsOrdinaryCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, m.id, &command.Nack{Seqs: []uint64{0}})
		p.send(0, m.id, &command.CumulativeAck{Seq: 1})
		synctest.Wait()
		p.take()
		must(t, m.Apply(t.Context(), Batch{Writes: []Write{
			WritePutUnique(str("a"), integer(1), 0), WriteAdd(str("a"), integer(2), data.KindInteger, 0), WriteErase(str("a")),
		}}))
		must(t, m.Put(t.Context(), str("b"), integer(1), 0))
		synctest.Wait()
		p.expect("batch", "put a=1 #2", "put a=3 #3", "erase a #4", "put b=1 #5")
	})
}

// TestCompareAndSet counts with it: of those who try at the same time one wins each round.
func TestCompareAndSet(t *testing.T) {
	m := startMaster(t, new(fabric).join(), "s")
	ctx, k := t.Context(), str("k")
	if ok, err := m.CompareAndSet(ctx, k, data.None(), true, integer(0), 0); ok || err != nil {
		t.Errorf("a missing key: %v, %v", ok, err)
	}
	if ok, err := m.CompareAndSet(ctx, k, data.None(), false, integer(0), 0); !ok || err != nil {
		t.Errorf("a new key: %v, %v", ok, err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for done := 0; done < 50; {
				old, err := m.Get(ctx, k)
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := old.AsInteger()
				ok, err := m.CompareAndSet(ctx, k, old, true, integer(n+1), 0)
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					done++
				}
			}
		})
	}
	group.Wait()
	if got := get(t, m, "k"); got != "400" {
		t.Errorf("counted to %s", got)
	}
}

// TestBatchInAFullStore: it is refused as a whole, also if only its middle would not fit.
func TestBatchInAFullStore(t *testing.T) {
	m, err := NewMaster(new(fabric).join(), "s", memory.Open(memory.Options{MaxBytes: 3 * (entryBytes + 18)}), MasterOptions{})
	must(t, err)
	defer m.Close()
	ctx := t.Context()
	put := func(i int64) Write { return WritePut(integer(i), integer(i), 0) }
	must(t, m.Write(ctx, put(1)))
	must(t, m.Write(ctx, put(2)))
	for _, b := range [][]Write{{put(3), put(4)}, {put(3), put(4), WriteErase(integer(1))}, {WriteClear(), put(3), put(4), put(5), put(6)}} {
		if err := m.Apply(ctx, Batch{Writes: b}); !errors.Is(err, backend.ErrFull) {
			t.Errorf("%v", err)
		}
	}
	if err := m.Write(ctx, put(3)); err != nil {
		t.Errorf("there is room for one: %v", err)
	}
	if err := m.Write(ctx, put(4)); !errors.Is(err, backend.ErrFull) || !strings.Contains(err.Error(), "MaxBytes") {
		t.Errorf("full: %v", err)
	}
	must(t, m.Apply(ctx, Batch{Writes: []Write{WriteErase(integer(1)), put(4), WriteErase(integer(2)), WriteErase(integer(3)), put(2), put(1)}}))
	must(t, m.Apply(ctx, Batch{Writes: []Write{WriteClear(), put(3), put(4), put(5)}}))
	if size, err := m.Size(ctx); err != nil || size.Entries != 3 || m.Status().State != StateServing {
		t.Errorf("%+v, %v, %+v", size, err, m.Status())
	}
}
