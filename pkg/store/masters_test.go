// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

func begin(t *testing.T, bus Bus, be *memory.Backend, o MasterOptions) *Master {
	t.Helper()
	m, err := NewMaster(bus, "s", keep(be), o)
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func expectWrites(t *testing.T, when string, m *Master, want error) {
	t.Helper()
	synctest.Wait()
	if err := m.Put(t.Context(), str(when), integer(1), 0); !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", when, err, want)
	}
	if s := m.Status(); want != nil && !strings.HasPrefix(s.Conflict, "writes are refused") {
		t.Errorf("%s: %q", when, s.Conflict)
	}
}

// TestEqualMasters: two masters of one name notice each other, and neither writes until one has ended.
func TestEqualMasters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		first := begin(t, f.join(), memory.New(), MasterOptions{})
		expectWrites(t, "alone", first, nil)
		must(t, first.Put(t.Context(), str("short"), integer(1), time.Second))
		second := begin(t, f.join(), memory.New(), MasterOptions{})
		expectWrites(t, "the first of two", first, ErrFenced)
		expectWrites(t, "the second of two", second, ErrFenced)
		if err := first.Apply(t.Context(), Batch{Writes: []Write{WriteClear()}}); !errors.Is(err, ErrFenced) {
			t.Errorf("batch: %v", err)
		}
		pass(time.Minute)
		if get(t, first, "short") != "1" {
			t.Error("something expired at a master that must not write")
		}
		expectWrites(t, "later", first, ErrFenced)
		must(t, second.Close())
		expectWrites(t, "alone again", first, nil)
		if s := first.Status(); s.Conflict != "" {
			t.Errorf("%q", s.Conflict)
		}
	})
}

// TestPromoted: a master with a later epoch of the same history fences the one before, for ever. Clones go over to it.
func TestPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		old, copied := memory.New(), memory.New()
		bus := f.join()
		first := begin(t, bus, old, MasterOptions{})
		c := startClone(t, f.join(), "s", CloneOptions{})
		must(t, c.Put(t.Context(), str("k"), integer(1), 0))
		same(t, first, c)
		content, err := first.Snapshot(t.Context())
		must(t, err)
		for e, err := range content.Entries() {
			must(t, err)
			must(t, copied.Put(e))
		}
		must(t, content.Close())
		synctest.Wait()
		for meta, err := range old.Metas("") {
			must(t, err)
			must(t, copied.SetMeta(meta.Name, meta.Value))
		}
		must(t, copied.Commit())
		second := begin(t, f.join(), copied, MasterOptions{NewEpoch: true})
		expectWrites(t, "the one before", first, ErrFenced)
		expectWrites(t, "the one that took over", second, nil)
		if s := second.Status(); s.Conflict != "" || s.Epoch != 2 {
			t.Errorf("whom it succeeds may be about to end: %+v", s)
		}
		pass(3 * time.Second)
		if s := second.Status(); !strings.HasPrefix(s.Conflict, "the other refuses writes") {
			t.Errorf("another master that stays: %+v", s)
		}
		if c.reader.master != second.id {
			t.Errorf("the clone follows %v", c.reader.master)
		}
		must(t, c.Put(t.Context(), str("k"), integer(2), 0))
		same(t, second, c)
		must(t, second.Close())
		must(t, first.Close())
		first = begin(t, bus, old, MasterOptions{})
		expectWrites(t, "after a restart", first, ErrFenced)
		pass(3 * time.Second)
		if c.reader.master == first.id {
			t.Error("the clone follows a fenced master")
		}
		must(t, first.Close())
		first = begin(t, bus, old, MasterOptions{NewEpoch: true})
		expectWrites(t, "promoted", first, nil)
		if s := first.Status(); s.Epoch != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// TestForeignCloneOverRestart plays a clone of C++ Broker: it never asks for a second snapshot, follows one identity, and goes on with
// its numbers after the master was down.
func TestForeignCloneOverRestart(t *testing.T) {
	for _, tt := range []struct {
		name     string
		missed   int // changes that were committed but never reached the clone
		stranded bool
	}{{"nothing missed", 0, false}, {"some missed", 100, false}, {"too much missed", maxLog + 10, true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { foreignOverRestart(t, tt.missed, tt.stranded) })
		})
	}
}

// TestForeignCloneThatSawNothing: a clone of C++ Broker that attached, and for which nothing had changed until the master went down, gets
// what others write before it speaks up again.
func TestForeignCloneThatSawNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		bus, be := f.join(), memory.New()
		m := begin(t, bus, be, MasterOptions{})
		p := foreignWriter(t, f, m)
		pass(time.Second)
		must(t, m.Close())
		p.take()
		m = begin(t, bus, be, MasterOptions{})
		must(t, m.Put(t.Context(), str("early"), integer(1), 0))
		p.send(0, m.id, &command.CumulativeAck{Seq: 1})
		p.send(0, m.id, &command.Nack{Seqs: []uint64{2}})
		synctest.Wait()
		p.expectWithout("what came before it spoke", []command.Kind{command.KindKeepalive, command.KindCumulativeAck}, "put early=1 #2")
		if s := m.Status(); s.Clones != 1 || len(s.Stranded) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestForeignCloneFallsBehind: a clone that acknowledges nothing is cut when the history is full, and named.
func TestForeignCloneFallsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		m := begin(t, f.join(), memory.New(), MasterOptions{HistoryBytes: 10_000})
		own := startClone(t, f.join(), "s", CloneOptions{})
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}})
		p.send(0, m.id, &command.CumulativeAck{Seq: 1})
		must(t, own.AwaitIdle(t.Context()))
		for i := range 200 {
			must(t, m.Put(t.Context(), str("k"), integer(int64(i)), 0))
		}
		synctest.Wait()
		if s := m.Status(); len(s.Stranded) != 1 || s.Stranded[0] != p.id {
			t.Errorf("%+v", s)
		}
		pass(5 * time.Second)
		same(t, m, own)
	})
}

// foreignWriter plays a clone of C++ Broker that has attached, and may write.
func foreignWriter(t *testing.T, f *fabric, m *Master) *scripted {
	p := play(t, f, topic.Clone("s"), topic.Master("s"))
	p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}})
	p.send(0, m.id, &command.CumulativeAck{Seq: 1})
	p.send(0, m.id, &command.AttachWriter{Offset: 1, Interval: 5})
	return p
}

func foreignOverRestart(t *testing.T, missed int, stranded bool) {
	f := new(fabric)
	bus, be := f.join(), memory.New()
	m := begin(t, bus, be, MasterOptions{})
	p := foreignWriter(t, f, m)
	p.send(2, m.id, &command.Add{Key: str("n"), Operand: data.Count(1), Init: data.KindCount, Publisher: p.id})
	pass(time.Second)
	p.send(0, m.id, &command.CumulativeAck{Seq: 2})
	synctest.Wait()
	p.take()
	f.setLoss(func(_, to *fakeBus, _ []byte) bool { return to == p.bus })
	for i := range missed {
		must(t, m.Put(t.Context(), str("missed"), integer(int64(i)), 0))
	}
	before := m.id
	must(t, m.Close())
	f.setLoss(nil)
	m = begin(t, bus, be, MasterOptions{})
	if m.id != before || m.Status().Sequence != uint64(2+missed) {
		t.Fatalf("%v became %v, number %d", before, m.id, m.Status().Sequence)
	}
	p.send(0, m.id, &command.CumulativeAck{Seq: 2})
	p.send(0, data.EntityID{}, &command.Keepalive{Seq: 3})
	synctest.Wait()
	if s := m.Status(); stranded {
		if len(s.Stranded) != 1 || s.Stranded[0] != p.id || s.Clones != 0 {
			t.Errorf("%+v", s)
		}
		p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}}) // attached anew
		p.send(0, m.id, &command.CumulativeAck{Seq: uint64(2 + missed)})
		synctest.Wait()
		if s := m.Status(); len(s.Stranded) != 0 || s.Clones != 1 {
			t.Errorf("attached anew: %+v", s)
		}
		return
	} else if s.Clones != 1 || len(s.Stranded) != 0 {
		t.Errorf("%+v", s)
	}
	p.take()
	if missed > 0 {
		p.send(0, m.id, &command.Nack{Seqs: []uint64{3, 4}})
		synctest.Wait()
		p.expect("what it missed", "put missed=0 #3", "put missed=1 #4")
		p.send(0, m.id, &command.CumulativeAck{Seq: uint64(2 + missed)})
	}
	pass(300 * time.Millisecond)
	p.expectWithout("the write that the master lacks is asked for", []command.Kind{command.KindKeepalive, command.KindCumulativeAck}, "nack [3] >6")
	p.send(2, m.id, &command.Add{Key: str("n"), Operand: data.Count(1), Init: data.KindCount, Publisher: p.id}) // again
	p.send(3, m.id, &command.Add{Key: str("n"), Operand: data.Count(1), Init: data.KindCount, Publisher: p.id})
	synctest.Wait()
	if got := get(t, m, "n"); got != "2" {
		t.Errorf("n is %s", got)
	}
	must(t, m.Put(t.Context(), str("after"), integer(1), 0))
	synctest.Wait()
	frames := p.take(command.KindKeepalive, command.KindCumulativeAck)
	if last := frames[len(frames)-1]; last.Seq != uint64(4+missed) || last.Sender != before {
		t.Errorf("the next change: %s of %v", describe(last.Message), last.Sender)
	}
}
