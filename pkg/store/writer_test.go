// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// TestOutcomes: at a clone of a master of our kind each write answers as at the master, and its effect is there to read.
func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m, err := NewMaster(f.join(), "s", memory.New(), MasterOptions{MaxEntryBytes: 100})
		must(t, err)
		defer m.Close()
		c := startClone(t, f.join(), "s", CloneOptions{})
		ctx := t.Context()
		for _, tt := range []struct {
			name string
			do   func() error
			want error
			read string
		}{
			{"put", func() error { return c.Put(ctx, str("k"), integer(1), 0) }, nil, "1"},
			{"increment", func() error { return c.Increment(ctx, str("k"), integer(2), 0) }, nil, "3"},
			{"increment by a string", func() error { return c.Increment(ctx, str("k"), str("x"), 0) }, code.TypeClash, "3"},
			{"decrement of nothing", func() error { return c.Decrement(ctx, str("none"), integer(1), 0) }, code.NoSuchKey, "3"},
			{"too large", func() error { return c.Put(ctx, str("k"), str(string(make([]byte, 100))), 0) }, ErrTooLarge, "3"},
			{"batch", func() error {
				return c.Apply(ctx, Batch{
					If:     []Condition{{str("k"), true, integer(3)}, {Key: str("z")}},
					Writes: []Write{WritePut(str("k"), integer(4), 0), WritePutUnique(str("z"), integer(1), time.Hour), WriteErase(str("none"))},
				})
			}, nil, "4"},
			{"batch whose condition fails", func() error {
				return c.Apply(ctx, Batch{If: []Condition{{Key: str("k")}}, Writes: []Write{WriteClear()}})
			}, ErrConditionFailed, "4"},
			{"batch with a write that fails", func() error {
				return c.Apply(ctx, Batch{Writes: []Write{WriteClear(), WriteSubtract(str("k"), integer(1), 0)}})
			}, code.NoSuchKey, "4"},
			{"compare and set", func() error { return won(c.CompareAndSet(ctx, str("k"), integer(4), true, integer(5), 0)) }, nil, "5"},
			{"compare with what was", func() error { return won(c.CompareAndSet(ctx, str("k"), integer(4), true, integer(6), 0)) }, errLost, "5"},
			{"put_unique", func() error { return won(c.PutUnique(ctx, str("u"), integer(1), 0)) }, nil, "5"},
			{"put_unique again", func() error { return won(c.PutUnique(ctx, str("u"), integer(1), 0)) }, errLost, "5"},
			{"erase", func() error { return c.Erase(ctx, str("k")) }, nil, "no_such_key"},
		} {
			if err := tt.do(); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
			if got := get(t, c, "k"); got != tt.read {
				t.Errorf("%s: then k is %s", tt.name, got)
			}
		}
		same(t, m, c)
		if s := c.Status(); s.WritesUnknown != 0 || s.WritesWaiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

var errLost = errors.New("did not win")

func won(ok bool, err error) error {
	if err == nil && !ok {
		return errLost
	}
	return err
}

// TestManyRefusals: a writer learns of each of many refusals, also if the answers get lost.
func TestManyRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := startMaster(t, f.join(), "s")
		c := startClone(t, f.join(), "s", CloneOptions{})
		must(t, c.Put(t.Context(), str("k"), integer(1), 0))
		results := 0
		f.setLoss(func(_, _ *fakeBus, payload []byte) bool {
			kind, _, _, _ := command.Peek(payload)
			if kind == command.KindWriteResult {
				results++
			}
			return kind == command.KindWriteResult && results%3 > 0
		})
		var all []*Pending
		for i := range 1000 {
			if i%2 == 0 {
				all = append(all, c.WriteAsync(increment("k"))) // a count added to an integer
			} else {
				all = append(all, c.PutAsync(data.Count(uint64(i)), integer(1), 0))
			}
			if i%50 == 0 {
				synctest.Wait()
			}
		}
		for i, p := range all {
			if err := p.Wait(t.Context()); i%2 == 0 != errors.Is(err, code.TypeClash) {
				t.Fatalf("write %d: %v", i, err)
			}
		}
		pass(2 * time.Second)
		for _, w := range m.writers {
			if len(w.others) > 0 {
				t.Errorf("%d outcomes are kept although the clone has them", len(w.others))
			}
		}
	})
}

// TestWriterOverRestart: what was sent before a master went down is executed once after it came back, whichever part of it the master
// had executed; a master that took over with a new epoch and without the memory of the old one answers unknown.
func TestWriterOverRestart(t *testing.T) {
	for _, tt := range []struct {
		name     string
		executed bool // before the end of the first
		o        MasterOptions
		forget   bool
		want     string
		outcome  error
	}{
		{"not executed", false, MasterOptions{}, false, "2", nil},
		{"executed, not answered", true, MasterOptions{}, false, "2", nil},
		{"promoted with its memory", true, MasterOptions{NewEpoch: true}, false, "2", nil},
		{"promoted without", true, MasterOptions{NewEpoch: true}, true, "2", ErrUnknown},
		{"promoted without, not executed", false, MasterOptions{NewEpoch: true}, true, "1", ErrUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fabric)
				bus := f.join()
				be := keep(memory.New())
				m, err := NewMaster(bus, "s", be, MasterOptions{})
				must(t, err)
				c := startClone(t, f.join(), "s", CloneOptions{})
				must(t, c.Write(t.Context(), increment("n")))
				f.setLoss(func(from, _ *fakeBus, _ []byte) bool { return from == bus || !tt.executed })
				p := c.WriteAsync(increment("n"))
				refused := c.WriteAsync(WriteSubtract(str("none"), integer(1), 0))
				synctest.Wait()
				must(t, m.Close())
				if tt.forget {
					names := []string{}
					for meta := range be.Metas(metaWriter) {
						names = append(names, meta.Name)
					}
					for _, name := range names {
						must(t, be.SetMeta(name, nil))
					}
				}
				f.setLoss(nil)
				m, err = NewMaster(bus, "s", be, tt.o)
				must(t, err)
				defer m.Close()
				if err := p.Wait(t.Context()); !errors.Is(err, tt.outcome) {
					t.Errorf("%v, want %v", err, tt.outcome)
				}
				if err := refused.Wait(t.Context()); tt.outcome == nil && !errors.Is(err, code.NoSuchKey) {
					t.Errorf("the refused one: %v", err)
				}
				same(t, m, c)
				if got := get(t, m, "n"); got != tt.want {
					t.Errorf("n is %s, want %s", got, tt.want)
				}
				must(t, c.Write(t.Context(), increment("n")))
			})
		})
	}
}

// TestForeignWrites: of a foreign master a clone learns that it has a write, or nothing.
func TestForeignWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		p := play(t, f, topic.Master("s"), topic.Clone("s"))
		c := startClone(t, f.join(), "s", CloneOptions{})
		first, batch := c.PutAsync(str("a"), integer(1), 0), c.ApplyAsync(Batch{Writes: []Write{WriteClear()}})
		pass(300 * time.Millisecond)
		p.send(1, c.reader.id, &command.AckClone{Offset: 1, Interval: 5})
		second, unique := c.PutAsync(str("b"), integer(1), 0), c.WriteAsync(WritePutUnique(str("u"), integer(1), 0))
		synctest.Wait()
		p.send(0, c.writes.id, &command.CumulativeAck{Seq: 2})
		synctest.Wait()
		p.send(2, data.EntityID{}, &command.PutUniqueResult{Who: c.writes.who, Request: 1, Inserted: true, Publisher: p.id})
		synctest.Wait()
		must(t, first.Wait(t.Context()))
		if err := batch.Wait(t.Context()); !errors.Is(err, ErrNotSupported) {
			t.Errorf("batch: %v", err)
		}
		if must(t, unique.Wait(t.Context())); !unique.Inserted() {
			t.Error("put_unique")
		}
		if second.state.Load() == pendingDone {
			t.Error("answered before the master had it")
		}
		pass(2 * time.Minute) // the master says nothing any more
		if err := second.Wait(t.Context()); !errors.Is(err, ErrUnknown) || c.Status().WritesUnknown != 2 {
			t.Errorf("%v, %+v", err, c.Status())
		}
	})
}

func TestStoredWriter(t *testing.T) {
	w := newWriter()
	w.own, w.exact = true, 3
	w.outcome(5, ErrConditionFailed)
	w.outcome(6, nil)
	w.outcome(7, fmt.Errorf("wrapped: %w", code.TypeClash))
	b := w.encode()
	s, ok := parseWriter(b)
	if !ok || !s.own || s.exact != 3 || len(s.others) != 2 || s.others[0].Code != command.OutcomeNot || s.others[1].Code != code.TypeClash {
		t.Errorf("%+v", s)
	}
	for n := range len(b) {
		if _, ok := parseWriter(b[:n]); ok && n != 25 && n != 34 {
			t.Errorf("%d bytes were read", n)
		}
	}
	for i := range uint64(maxOutcomes) {
		w.outcome(8+i, code.NoSuchKey)
	}
	if len(w.others) != maxOutcomes || w.exact != 7 {
		t.Errorf("%d outcomes, exact from %d", len(w.others), w.exact)
	}
}

func FuzzStoredWriter(f *testing.F) {
	w := newWriter()
	w.outcome(5, ErrFenced)
	f.Add(w.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseWriter(b); ok && len(s.others) != (len(b)-25)/9 {
			t.Fatalf("%d outcomes in %d bytes", len(s.others), len(b))
		}
	})
}
