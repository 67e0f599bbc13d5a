// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// forgetful is a backend that does not keep what is put under one key.
type forgetful struct {
	*memory.Backend
	key string
}

func (b forgetful) Put(e backend.Entry) error {
	if s, ok := e.Key.AsString(); ok && s == b.key {
		return nil
	}
	return b.Backend.Put(e)
}

// TestTakeOverRefused: what must not be handed over is not, and both sides go on as if nobody had asked.
func TestTakeOverRefused(t *testing.T) {
	attachForeign := func(t *testing.T, f *fabric, m *Master) *scripted {
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}})
		p.send(0, m.id, &command.CumulativeAck{Seq: m.Status().Sequence})
		synctest.Wait()
		return p
	}
	otherHistory := func() *memory.Backend {
		be := memory.New()
		_, err := openHistory(be, false)
		must(t, err)
		return be
	}
	withEntries := memory.New()
	must(t, withEntries.Put(backend.Entry{Key: str("k"), Value: integer(1), Deadline: backend.Never}))
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, f *fabric, m *Master)
		be      backend.Backend
		o       TakeOverOptions
		want    error
		text    string
	}{
		{name: "a foreign clone", prepare: func(t *testing.T, f *fabric, m *Master) { attachForeign(t, f, m) }, be: memory.New(), want: ErrForeignClones, text: "6@"},
		{name: "a foreign clone, by force", prepare: func(t *testing.T, f *fabric, m *Master) { attachForeign(t, f, m); pass(6 * time.Second) },
			be: memory.New(), o: TakeOverOptions{Force: true}, want: ErrForeignClones, text: "had 1"},
		{name: "not equal", be: forgetful{memory.New(), "k"}, want: ErrNotEqual, text: "0 entries"},
		{name: "another history", be: otherHistory(), want: ErrOtherHistory},
		{name: "a database without a history", be: withEntries, want: ErrOtherHistory, text: "1 entries"},
		{name: "a failing disk", be: &platterBackend{memory.New(), &platter{dead: true}}, want: backend.Failure("", "", nil), text: "power is cut"},
		{name: "an earlier epoch", be: memory.New(), o: TakeOverOptions{Force: true, Epoch: 1}, text: "has had epoch 1"},
		{name: "another handover", prepare: func(_ *testing.T, f *fabric, m *Master) {
			p := play(t, f, topic.Clone("s"), topic.Master("s"))
			p.send(0, m.id, &command.Handover{Handover: 1, Step: command.HandoverFreeze, History: m.own.position.History, Epoch: 2})
			synctest.Wait()
		}, be: memory.New(), want: ErrRefused, text: "under way"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fabric)
				m := begin(t, f.join(), memory.New(), MasterOptions{})
				must(t, m.Put(t.Context(), str("k"), integer(1), 0))
				c := startClone(t, f.join(), "s", CloneOptions{})
				must(t, c.AwaitIdle(t.Context()))
				if tt.prepare != nil {
					tt.prepare(t, f, m)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := c.TakeOver(ctx, tt.be, tt.o)
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Fatalf("%v", err)
				}
				must(t, m.Put(t.Context(), str("k"), integer(2), 0)) // at once, or when the other handover is over
				must(t, c.Put(t.Context(), str("k"), integer(3), 0))
				if got := get(t, m, "k"); got != "3" || m.Status().Epoch != 1 {
					t.Errorf("k is %s, %+v", got, m.Status())
				}
			})
		})
	}
}

// TestTakeOverStrands: with StrandForeign clones of another kind are left behind, and named.
func TestTakeOverStrands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		old := begin(t, f.join(), memory.New(), MasterOptions{})
		c := startClone(t, f.join(), "s", CloneOptions{})
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}})
		p.send(0, old.id, &command.CumulativeAck{Seq: 1})
		must(t, c.Put(t.Context(), str("k"), integer(1), 0))
		m, err := c.TakeOver(t.Context(), memory.New(), TakeOverOptions{StrandForeign: true})
		must(t, err)
		defer m.Close()
		if s := m.Status(); s.Epoch != 2 || s.Entries != 1 {
			t.Errorf("%+v", s)
		}
		expectWrites(t, "the one before", old, ErrFenced)
	})
}

// TestFrozenMaster: a target that says no more leaves the master frozen for a short time only; writes wait, reads don't. A message of the
// handover that comes after that changes nothing.
func TestFrozenMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := begin(t, f.join(), memory.New(), MasterOptions{InboxBytes: 2000})
		must(t, m.Put(t.Context(), str("k"), integer(1), 0))
		must(t, m.Put(t.Context(), str("short"), integer(1), time.Second))
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		tell := func(step command.HandoverStep, n, sum uint64) *command.HandoverState {
			p.take()
			p.send(0, m.id, &command.Handover{Handover: 1, Step: step, History: m.own.position.History, Epoch: 2, Number: n, Sum: sum})
			synctest.Wait()
			for _, got := range p.take() {
				if s, ok := got.Body.(*command.HandoverState); ok {
					return s
				}
			}
			t.Fatal("no answer")
			return nil
		}
		frozen := tell(command.HandoverFreeze, 0, 0)
		if frozen.Phase != command.HandoverFrozen || frozen.Number != 3 || frozen.Entries != 2 {
			t.Fatalf("%+v", frozen)
		}
		var writes []*Pending
		for range 4 {
			writes = append(writes, m.WriteAsync(increment("n")))
		}
		pass(4 * time.Second)
		if s := tell(command.HandoverEqual, 3, frozen.Sum+1); s.Phase != command.HandoverFrozen {
			t.Errorf("of another checksum: %+v", s)
		}
		if s := tell(command.HandoverEqual, 2, frozen.Sum); s.Phase != command.HandoverFrozen {
			t.Errorf("of another number: %+v", s)
		}
		pass(4 * time.Second)
		if got := get(t, m, "k"); got != "1" || m.Status().Sequence != 3 || m.Status().Entries != 2 {
			t.Errorf("k is %s, %+v", got, m.Status())
		}
		pass(2 * time.Second)
		for _, w := range writes {
			must(t, w.Wait(t.Context()))
		}
		if got := get(t, m, "n"); got != "4" {
			t.Errorf("n is %s", got)
		}
		if s := tell(command.HandoverEqual, 3, frozen.Sum); s.Phase != command.HandoverVoid {
			t.Errorf("equal, too late: %+v", s)
		}
		if s := tell(command.HandoverFreeze, 0, 0); s.Phase != command.HandoverVoid {
			t.Errorf("frozen again: %+v", s)
		}
		must(t, m.Put(t.Context(), str("k"), integer(2), 0))
	})
}

// TestLeaseEndsDuringCommit: what was committed after the end of the lease is told to nobody before the next lease; when another master has
// taken over by then, nobody knows what became of it.
func TestLeaseEndsDuringCommit(t *testing.T) {
	for _, renewed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := new(fabric)
			slow := &slowBackend{Backend: memory.New()}
			m, err := NewMaster(f.join(), "s", slow, MasterOptions{Leased: true})
			must(t, err)
			defer m.Close()
			m.Lease(time.Second)
			c := startClone(t, f.join(), "s", CloneOptions{})
			must(t, m.Put(t.Context(), str("k"), integer(1), 0))
			must(t, c.AwaitIdle(t.Context()))
			slow.pause.Store(int64(3 * time.Second))
			p := m.PutAsync(str("k"), integer(2), 0)
			pass(10 * time.Second)
			slow.pause.Store(0)
			if p.state.Load() == pendingDone || get(t, c, "k") != "1" {
				t.Errorf("told: %v, k is %s at the clone", p.state.Load() == pendingDone, get(t, c, "k"))
			}
			if err := m.Put(t.Context(), str("k"), integer(3), 0); !errors.Is(err, ErrNoLease) {
				t.Errorf("meanwhile: %v", err)
			}
			if !renewed {
				must(t, m.Close())
				if err := p.Wait(t.Context()); !errors.Is(err, ErrUnknown) || get(t, c, "k") != "1" {
					t.Errorf("in the end: %v, k is %s", err, get(t, c, "k"))
				}
				return
			}
			m.Lease(time.Minute)
			must(t, p.Wait(t.Context()))
			pass(time.Second)
			if got := get(t, c, "k"); got != "2" {
				t.Errorf("k is %s", got)
			}
			same(t, m, c)
		})
	}
}
