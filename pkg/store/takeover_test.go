// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// TestForcedTakeOver: a clone becomes the master without asking the one before, which refuses writes as soon as it hears of that. What
// the clone had is there, a write that was never sent is executed, and another clone follows without a snapshot.
func TestForcedTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		ctx := t.Context()
		old := begin(t, f.join(), memory.New(), MasterOptions{})
		c, other := startClone(t, f.join(), "s", CloneOptions{}), startClone(t, f.join(), "s", CloneOptions{})
		for i := range 2000 {
			must(t, old.Put(ctx, data.Count(uint64(i)), integer(int64(i)), 0))
		}
		must(t, old.Put(ctx, str("soon"), integer(1), time.Hour))
		same(t, old, c)
		same(t, old, other)
		be := memory.New()
		m, err := c.TakeOver(ctx, keep(be), TakeOverOptions{Force: true})
		must(t, err)
		t.Cleanup(func() { m.Close() })
		if s := m.Status(); s.Epoch != 2 || s.History != old.Status().History || s.Sequence != old.Status().Sequence || s.Entries != 2001 {
			t.Errorf("%+v, before %+v", s, old.Status())
		}
		expectWrites(t, "the one before", old, ErrFenced)
		expectWrites(t, "the one that took over", m, nil)
		pass(4 * time.Second)
		same(t, m, other)
		if e, ok, err := be.Get(str("soon")); err != nil || !ok || time.Until(time.Unix(0, int64(e.Deadline))) > time.Hour {
			t.Errorf("%+v, %v, %v", e, ok, err)
		}
		if _, err := c.Get(ctx, str("soon")); err == nil {
			t.Error("the clone is open")
		}
		if _, err := other.TakeOver(ctx, memory.New(), TakeOverOptions{Force: true, Epoch: 2}); err == nil {
			t.Error("took an epoch that was there")
		}
	})
}

// TestUnfinishedDatabase: what a move left half done is not served.
func TestUnfinishedDatabase(t *testing.T) {
	for _, mark := range []string{metaIncoming, metaPrepared} {
		be := memory.New()
		must(t, be.SetMeta(mark, []byte{1}))
		if _, err := NewMaster(new(fabric).join(), "s", be, MasterOptions{}); !errors.Is(err, ErrUnfinished) {
			t.Errorf("%s: %v", mark, err)
		}
	}
}

// TestPromote: of two masters that refuse because of each other one is promoted, over the mesh or at hand, and the other stays out.
func TestPromote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		ctx := t.Context()
		first, second := begin(t, f.join(), memory.New(), MasterOptions{}), begin(t, f.join(), memory.New(), MasterOptions{})
		expectWrites(t, "one of two", first, ErrFenced)
		r, err := NewRemote(f.join(), "s", RemoteOptions{})
		must(t, err)
		defer r.Close()
		must(t, r.At(ReportOf(first.Status(), first.ID())).Promote(ctx))
		expectWrites(t, "promoted", first, nil)
		expectWrites(t, "the other", second, ErrFenced)
		must(t, r.At(Report{ID: first.ID(), Role: RoleMaster.String(), Epoch: 1}).Promote(ctx)) // again
		if s := first.Status(); s.Epoch != 2 {
			t.Errorf("%+v", s)
		}
		must(t, second.Promote(ctx))
		expectWrites(t, "the other, promoted", second, nil)
		expectWrites(t, "the first, then", first, ErrFenced)
	})
}

// TestLease: a master under leases writes while it has one, and reads always.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := begin(t, new(fabric).join(), memory.New(), MasterOptions{Leased: true})
		write := func(want error) {
			t.Helper()
			if err := m.Put(t.Context(), str("k"), integer(1), 0); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		write(ErrNoLease)
		m.Lease(10 * time.Second)
		write(nil)
		if s := m.Status(); !s.Leased || s.LeaseLeft != 10*time.Second {
			t.Errorf("%+v", s)
		}
		pass(9 * time.Second)
		m.Lease(2 * time.Second)
		pass(1900 * time.Millisecond)
		write(nil)
		pass(100 * time.Millisecond)
		write(ErrNoLease)
		if got := get(t, m, "k"); got != "1" {
			t.Error(got)
		}
		m.Lease(time.Minute)
		m.Lease(0)
		write(ErrNoLease)
	})
}
