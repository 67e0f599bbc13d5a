// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// TestHistoryGoesOn: the numbers of commands, the history's ID and the master's object number survive a restart; a new epoch begins only
// where it is asked for.
func TestHistoryGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sqlite")
	open := func(o MasterOptions) *Master {
		be, err := sqlite.Open(path, sqlite.Options{})
		must(t, err)
		o.TickInterval = time.Hour
		m, err := NewMaster(new(fabric).join(), "s", be, o)
		must(t, err)
		return m
	}
	m := open(MasterOptions{})
	first := m.Status()
	if first.History.IsZero() || first.Epoch != 1 || first.Sequence != 1 {
		t.Errorf("new: %+v", first)
	}
	ctx := t.Context()
	must(t, m.Put(ctx, str("a"), integer(1), 0))
	must(t, m.Put(ctx, str("b"), integer(1), 0))
	must(t, m.Erase(ctx, str("missing"))) // takes no number
	if _, err := m.PutUnique(ctx, str("a"), integer(2), 0); err != nil {
		t.Error(err)
	}
	object := m.ID().Object
	must(t, m.Close())

	m = open(MasterOptions{})
	if s := m.Status(); s.History != first.History || s.Epoch != 1 || s.Sequence != 4 || m.ID().Object != object {
		t.Errorf("again: %+v, object %d, was %d", s, m.ID().Object, object)
	}
	must(t, m.Clear(ctx))
	must(t, m.Close())
	m = open(MasterOptions{NewEpoch: true})
	if s := m.Status(); s.History != first.History || s.Epoch != 2 || s.Sequence != 5 {
		t.Errorf("new epoch: %+v", s)
	}
	must(t, m.Close())
	m = open(MasterOptions{})
	if s := m.Status(); s.Epoch != 2 {
		t.Errorf("epoch afterwards: %+v", s)
	}
	must(t, m.Close())

	other := startMaster(t, new(fabric).join(), "s").Status()
	if other.History == first.History || other.History.String() == first.History.String() {
		t.Error("two databases have the same history")
	}
}

func TestHistoryThatMakesNoSense(t *testing.T) {
	for name, value := range map[string][]byte{metaHistory: {1}, metaSequence: {}, metaEpoch: make([]byte, 9)} {
		be := memory.New()
		if _, err := openHistory(be, false); err != nil {
			t.Fatal(err)
		}
		must(t, be.SetMeta(name, value))
		if _, err := NewMaster(new(fabric).join(), "s", be, MasterOptions{}); !errors.Is(err, code.BackendFailure) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSequenceNumbersEveryCommand: what has an effect for clones takes a number, clone or no clone.
func TestSequenceNumbersEveryCommand(t *testing.T) {
	m := startMaster(t, new(fabric).join(), "s")
	ctx := t.Context()
	for _, tt := range []struct {
		name  string
		do    func() error
		takes uint64
	}{
		{"put", func() error { return m.Put(ctx, str("a"), integer(1), 0) }, 1},
		{"add", func() error { return m.Increment(ctx, str("a"), integer(1), 0) }, 1},
		{"failing add", func() error { return ignore(m.Append(ctx, str("a"), "x", 0)) }, 0},
		{"put-unique that fails", func() error { _, err := m.PutUnique(ctx, str("a"), integer(1), 0); return err }, 1},
		{"put-unique", func() error { _, err := m.PutUnique(ctx, str("b"), integer(1), 0); return err }, 2},
		{"erase", func() error { return m.Erase(ctx, str("a")) }, 1},
		{"erase of nothing", func() error { return m.Erase(ctx, str("a")) }, 0},
		{"get", func() error { _, err := m.Get(ctx, str("b")); return err }, 0},
		{"batch", func() error {
			return m.Apply(ctx, Batch{Writes: []Write{WriteErase(str("b")), WritePutUnique(str("b"), data.None(), 0)}})
		}, 2},
		{"clear", func() error { return m.Clear(ctx) }, 1},
		{"clear of nothing", func() error { return m.Clear(ctx) }, 1},
	} {
		before := m.Status().Sequence
		must(t, tt.do())
		must(t, m.AwaitIdle(ctx))
		if got := m.Status().Sequence - before; got != tt.takes {
			t.Errorf("%s takes %d numbers, want %d", tt.name, got, tt.takes)
		}
	}
}

func ignore(error) error { return nil }
