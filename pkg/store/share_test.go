// SPDX-License-Identifier: Apache-2.0

package store

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// limited is a bus whose endpoint counts what histories hold.
type limited struct {
	*fakeBus
	held  atomic.Int64
	sheds []func(int64) bool
	left  int
}

func (b *limited) HasLocal(string) bool { return false }

func (b *limited) AccountHistory(shed func(int64) bool) interface {
	Add(int64)
	Check()
	Leave()
} {
	b.sheds = append(b.sheds, shed)
	return &holding{bus: b}
}

// holding is one account of a limited bus.
type holding struct {
	bus  *limited
	held atomic.Int64
}

func (h *holding) Add(n int64) { h.held.Add(n); h.bus.held.Add(n) }
func (h *holding) Check()      {}
func (h *holding) Leave()      { h.bus.held.Add(-h.held.Swap(0)); h.bus.left++ }

// TestHistoriesMakeRoom: what a master keeps for a clone and for watchers counts at the endpoint, and goes when the endpoint asks for it.
func TestHistoriesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const entry, entries = 4 << 10, 512
		f := new(fabric)
		bus := &limited{fakeBus: f.join()}
		m, err := NewMaster(bus, "s", memory.New(), MasterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, data.EntityID{}, &command.Nack{Seqs: []uint64{0}})
		synctest.Wait()
		if _, err := m.Snapshot(t.Context()); err != nil { // changes are recorded from here on
			t.Fatal(err)
		}
		ring, history := bus.sheds[0], bus.sheds[1]
		for i := range uint64(entries) {
			if err := m.Put(t.Context(), data.Count(i), str(string(make([]byte, entry))), 0); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		full := bus.held.Load()
		if least := int64(2 * entry * entries * 9 / 10); full < least {
			t.Fatalf("%d bytes count, at least %d are kept", full, least)
		}
		if !ring(1<<20) || full-bus.held.Load() < 1<<20 || full-bus.held.Load() > 1<<20+2*shareStep {
			t.Errorf("of %d bytes %d are left when changes for watchers gave up 1 MiB", full, bus.held.Load())
		}
		before := bus.held.Load()
		if !history(1 << 20) {
			t.Fatal("what is kept for clones is not given up")
		}
		if left := bus.held.Load(); left > before-1<<20 {
			t.Errorf("a promise of 1 MiB counts %d bytes", before-left)
		}
		synctest.Wait()
		if kept, s := m.clones.Kept(), m.Status(); kept != 0 || s.Clones != 0 {
			t.Errorf("%d bytes are kept for %d clones", kept, s.Clones)
		}
		if history(1) {
			t.Error("what keeps nothing gives something up")
		}
		if err := m.Close(); err != nil || bus.held.Load() != 0 || bus.left != 2 {
			t.Errorf("%d bytes count after the end, %d accounts were left, %v", bus.held.Load(), bus.left, err)
		}
	})
}

// TestSmallHistoryStays: clones that keep up are not cut for somebody else's queue.
func TestSmallHistoryStays(t *testing.T) {
	b := &limited{}
	s := newShare(b, func() { t.Error("woken") })
	s.keep(shareLeft, 0)
	if b.held.Load() != shareLeft || s.shed(1<<30) {
		t.Errorf("%d bytes count, and are promised", b.held.Load())
	}
}
