// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// tally counts the commands on a fabric by their kind.
type tally struct {
	mu sync.Mutex
	n  map[command.Kind]int
}

func counted(f *fabric) *tally {
	c := &tally{n: map[command.Kind]int{}}
	f.setLoss(func(_, _ *fakeBus, payload []byte) bool {
		kind, _, _, _ := command.Peek(payload)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.n[kind]++
		return false
	})
	return c
}

func (c *tally) of(kind command.Kind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[kind]
}

// same checks that a clone has what the master has.
func same(t *testing.T, m *Master, c *Clone) {
	t.Helper()
	must(t, m.AwaitIdle(t.Context()))
	must(t, c.AwaitIdle(t.Context()))
	if m.Status().Entries != c.Status().Entries || m.Status().Sequence != c.Status().Sequence {
		t.Errorf("master %+v, clone %+v", m.Status(), c.Status())
	}
	s, err := m.Snapshot(t.Context())
	must(t, err)
	defer s.Close()
	for e, err := range s.Entries() {
		must(t, err)
		if v, err := c.Get(t.Context(), e.Key); err != nil || !data.Equal(v, e.Value) {
			t.Errorf("%v is %v (%v), at the master %v", e.Key, v, err, e.Value)
		}
	}
}

// TestSnapshotInParts: a large content comes in parts, with the deadlines, while the master goes on.
func TestSnapshotInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		n := counted(f)
		var entries []data.Value
		for i := range 3000 {
			entries = append(entries, data.Count(uint64(i)), str(strings.Repeat("x", 1000)))
		}
		m := startMasterWith(t, f.join(), "s", entries...)
		must(t, m.Put(t.Context(), str("soon"), integer(1), time.Hour))
		cbus := f.join()
		c := startClone(t, cbus, "s", CloneOptions{})
		for i := range 100 {
			must(t, m.Put(t.Context(), data.Count(uint64(i)), str("changed"), 0))
		}
		same(t, m, c)
		if parts := n.of(command.KindSnapshotPart); parts < 12 || parts > 14 || n.of(command.KindSnapshotBegin) != 1 || n.of(command.KindAckClone) > 0 {
			t.Errorf("%d parts: %v", parts, n.n)
		}
		e, ok, _ := c.content.Get(str("soon"))
		if left := time.Until(time.Unix(0, int64(e.Deadline))); !ok || left > time.Hour || left < time.Hour-time.Minute {
			t.Errorf("expires in %v", left)
		}
		if e, _, _ := c.content.Get(str("1")); e.Deadline != 0 && e.Deadline != backend.Never {
			t.Errorf("expires at %v", e.Deadline)
		}
		synctest.Wait()
		inserts := 0
		for _, e := range cbus.takeEvents() {
			if strings.HasPrefix(brief(e), "insert") {
				inserts++
			}
		}
		if inserts != 3001 {
			t.Errorf("%d inserted", inserts)
		}
	})
}

// TestResume: a clone that was cut off goes on where it was, as long as the master has what it lacks.
func TestResume(t *testing.T) {
	for _, tt := range []struct {
		name            string
		changes         int
		resumes, begins int
	}{{"nothing missed", 0, 1, 0}, {"a little", 100, 1, 0}, {"too much", 2000, 0, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fabric)
				m, err := NewMaster(f.join(), "s", memory.New(), MasterOptions{HistoryBytes: 1 << 20})
				must(t, err)
				defer m.Close()
				c := startClone(t, f.join(), "s", CloneOptions{})
				must(t, m.Put(t.Context(), str("k"), integer(1), 0))
				same(t, m, c)
				f.setLoss(func(_, _ *fakeBus, _ []byte) bool { return true })
				pass(time.Minute) // both have given up
				for i := range tt.changes {
					must(t, m.Put(t.Context(), data.Count(uint64(i%7)), str(strings.Repeat("x", i%200)), 0))
				}
				if s := m.Status(); s.Clones != 0 {
					t.Fatalf("%+v", s)
				}
				n := counted(f)
				pass(5 * time.Second)
				same(t, m, c)
				if n.of(command.KindResume) != tt.resumes || n.of(command.KindSnapshotBegin) != tt.begins {
					t.Errorf("%v", n.n)
				}
			})
		})
	}
}

// TestMasterOfKindRestarts: a master that comes back with its database is known again; what it lost with a crash the clone gives up too.
func TestMasterOfKindRestarts(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("changes lost ", lost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fabric)
				bus := f.join()
				be := keep(memory.New())
				m, err := NewMaster(bus, "s", be, MasterOptions{})
				must(t, err)
				c := startClone(t, f.join(), "s", CloneOptions{})
				for i := range 20 {
					must(t, m.Put(t.Context(), data.Count(uint64(i)), integer(1), 0))
				}
				same(t, m, c)
				must(t, m.Close())
				if lost {
					_, err := be.Erase(data.Count(19))
					must(t, err)
					must(t, setNumber(be, metaSequence, 20))
					must(t, be.Commit())
				}
				n := counted(f)
				m, err = NewMaster(bus, "s", be, MasterOptions{})
				must(t, err)
				defer m.Close()
				if lost { // the number that was lost means something else now
					must(t, m.Put(t.Context(), str("other"), integer(2), 0))
				}
				pass(3 * time.Second)
				same(t, m, c)
				if wanted := map[bool]command.Kind{false: command.KindResume, true: command.KindSnapshotBegin}[lost]; n.of(wanted) != 1 || n.of(command.KindResume)+n.of(command.KindSnapshotBegin) != 1 {
					t.Errorf("%v", n.n)
				}
			})
		})
	}
}

// kept is a backend that outlives its master.
type kept struct{ *memory.Backend }

func keep(be *memory.Backend) kept { return kept{be} }

func (kept) Close() error { return nil }

// TestForeignMasterGetsNoExtension: what a clone says to a master of C++ Broker are the fourteen commands.
func TestForeignMasterGetsNoExtension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fabric)
		p := play(t, f, topic.Master("s"), topic.Clone("s"))
		c := startClone(t, f.join(), "s", CloneOptions{})
		pass(300 * time.Millisecond)
		p.send(1, c.reader.id, &command.AckClone{Offset: 1, Interval: 5})
		p.send(2, data.EntityID{}, &command.Put{Key: str("k"), Value: integer(1), Publisher: p.id})
		c.WriteAsync(WriteErase(str("k")))
		pass(3 * time.Second)
		for _, fr := range p.take() {
			kind := fr.Body.Kind()
			trailed := kind == command.KindNack || kind == command.KindAttachWriter || kind == command.KindKeepalive
			if kind > command.KindRetransmitFailed || fr.Trailer != nil && !trailed {
				t.Errorf("%s with trailer %+v", describe(fr.Message), fr.Trailer)
			}
		}
	})
}
