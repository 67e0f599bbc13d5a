// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// TestPendingIsResolvedForEveryWaiter lets waiters and the outcome meet in as many ways as the scheduler finds.
func TestPendingIsResolvedForEveryWaiter(t *testing.T) {
	outcome := errors.New("outcome")
	for range 2000 {
		p := new(Pending)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if err := p.Wait(t.Context()); err != outcome {
					t.Errorf("wait: %v", err)
				}
			})
		}
		group.Go(func() {
			p.resolve(true, outcome)
			p.resolve(false, nil) // too late
		})
		group.Wait()
		<-p.Done()
		if err := p.Wait(t.Context()); err != outcome || !p.Inserted() {
			t.Fatalf("afterwards: %v, %v", err, p.Inserted())
		}
	}
}

func TestPendingWaitEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := new(Pending).Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := settled(code.InvalidData).Wait(ctx); err != code.InvalidData {
		t.Errorf("done already: %v", err)
	}
}

// TestAsyncWrites: they are carried out in their order, each tells its outcome, and a read behind them sees them.
func TestAsyncWrites(t *testing.T) {
	m := startMaster(t, new(fabric).join(), "s")
	ctx := t.Context()
	var all []*Pending
	for i := range 1000 {
		all = append(all, m.WriteAsync(WriteAdd(str("v"), integer(int64(i)), data.KindVector, 0)))
	}
	v, err := m.Get(ctx, str("v"))
	if err != nil || v.Len() != 1000 {
		t.Fatalf("%d elements, %v", v.Len(), err)
	}
	for i := range 1000 {
		if e, _ := v.Index(i); !data.Equal(e, integer(int64(i))) {
			t.Fatalf("element %d is %v", i, e)
		}
		must(t, all[i].Wait(ctx))
	}
	for _, tt := range []struct {
		p    *Pending
		want error
	}{
		{m.PutAsync(str("a"), str("b"), 0), nil},
		{m.PutAsync(str("a"), str("b"), -1), code.InvalidData},
		{m.PutAsync(str("a"), data.String(string(make([]byte, 33<<20))), 0), ErrTooLarge},
		{m.WriteAsync(WriteSubtract(str("a"), str("b"), 0)), code.TypeClash},
		{m.WriteAsync(WriteSubtract(str("missing"), str("b"), 0)), code.NoSuchKey},
		{m.WriteAsync(Write{kind: 99}), code.InvalidData},
		{m.EraseAsync(str("a")), nil},
		{m.WriteAsync(WriteClear()), nil},
	} {
		if err := tt.p.Wait(ctx); !errors.Is(err, tt.want) {
			t.Errorf("%v, want %v", err, tt.want)
		}
	}
	won, lost := m.WriteAsync(WritePutUnique(str("u"), str("1"), 0)), m.WriteAsync(WritePutUnique(str("u"), str("2"), 0))
	must(t, errors.Join(won.Wait(ctx), lost.Wait(ctx)))
	if !won.Inserted() || lost.Inserted() {
		t.Errorf("inserted: %v, %v", won.Inserted(), lost.Inserted())
	}
	must(t, m.Close())
	if err := m.PutAsync(str("a"), str("b"), 0).Wait(ctx); !errors.Is(err, code.ShuttingDown) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := m.Get(ctx, str("a")); !errors.Is(err, code.ShuttingDown) {
		t.Errorf("after the end: %v", err)
	}
}

// TestGrownTooLarge: additions can't make an entry larger than puts can.
func TestGrownTooLarge(t *testing.T) {
	m, err := NewMaster(new(fabric).join(), "s", memory.New(), MasterOptions{MaxEntryBytes: 100})
	must(t, err)
	defer m.Close()
	ctx := t.Context()
	must(t, m.Append(ctx, str("k"), string(make([]byte, 60)), 0))
	if err := m.Append(ctx, str("k"), string(make([]byte, 60)), 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if v, err := m.Get(ctx, str("k")); err != nil || v.Len() != 60 {
		t.Errorf("%d bytes, %v", v.Len(), err)
	}
}

func TestFullInboxMakesWritersWait(t *testing.T) {
	m, err := NewMaster(new(fabric).join(), "s", memory.New(), MasterOptions{InboxBytes: 1000, TickInterval: time.Hour})
	must(t, err)
	defer m.Close()
	m.turn.Lock()
	for range 3 { // the goroutine may have taken nothing or some
		m.PutAsync(str("k"), str("v"), 0)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for err == nil {
		_, err = m.begin(ctx, WritePut(str("k"), str("v"), 0))
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	m.turn.Unlock()
	must(t, m.Put(t.Context(), str("k"), str("v"), 0))
}
