// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// TestStoreEventVectors: exactly the fields of spec/stores.md 9.
func TestStoreEventVectors(t *testing.T) {
	id, err := data.ParseEndpointID("f338dda4-d93b-554e-ba6d-bd229769b425")
	must(t, err)
	publisher := data.EntityID{Endpoint: id, Object: 6}
	key, one, two := str("k"), integer(1), data.Set(integer(2))
	uuid, object := data.String("f338dda4-d93b-554e-ba6d-bd229769b425"), data.Count(6)
	for _, tt := range []struct {
		change Change
		want   data.Value
	}{
		{
			Change{Kind: ChangeInsert, Key: key, New: one, Publisher: publisher},
			data.Vector(str("insert"), str("s"), key, one, data.None(), uuid, object),
		},
		{
			Change{Kind: ChangeInsert, Key: key, New: one, Expiry: command.After(time.Second)},
			data.Vector(str("insert"), str("s"), key, one, data.Timespan(time.Second), data.None(), data.None()),
		},
		{
			Change{Kind: ChangeInsert, Key: key, New: one, Expiry: command.Expiry{Set: true}},
			data.Vector(str("insert"), str("s"), key, one, data.Timespan(0), data.None(), data.None()),
		},
		{
			Change{Kind: ChangeUpdate, Key: key, Old: one, New: two, Expiry: command.After(time.Minute), Publisher: publisher},
			data.Vector(str("update"), str("s"), key, one, two, data.Timespan(time.Minute), uuid, object),
		},
		{
			Change{Kind: ChangeErase, Key: key, Old: one, Publisher: publisher},
			data.Vector(str("erase"), str("s"), key, uuid, object),
		},
		{
			Change{Kind: ChangeExpire, Key: key, Old: one, Publisher: publisher},
			data.Vector(str("expire"), str("s"), key, uuid, object),
		},
	} {
		if got := tt.change.event(data.String("s")); !data.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.change.Kind, got, tt.want)
		}
	}
}

// diary notes in which order a group becomes visible, and whether the backend had committed it by then.
type diary struct {
	mu    sync.Mutex
	lines []string
	open  bool // something is applied and not committed
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open {
		line += " before the commit"
	}
	if n := len(d.lines); n == 0 || d.lines[n-1] != line {
		d.lines = append(d.lines, line)
	}
}

func (d *diary) set(open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = open
}

// diaryBackend notes commits.
type diaryBackend struct {
	*memory.Backend
	diary *diary
}

func (b *diaryBackend) Put(e backend.Entry) error {
	b.diary.set(true)
	return b.Backend.Put(e)
}

// Swap is noted as well.
func (b *diaryBackend) Swap(e backend.Entry) (backend.Entry, bool, error) {
	b.diary.set(true)
	return b.Backend.Swap(e)
}

func (b *diaryBackend) Commit() error {
	b.diary.set(false)
	b.diary.note("commit")
	return b.Backend.Commit()
}

// diaryBus notes what leaves the master.
type diaryBus struct {
	*fakeBus
	diary *diary
}

func (b *diaryBus) PublishLocal(topic string, v data.Value) {
	b.diary.note("event")
	b.fakeBus.PublishLocal(topic, v)
}

func (b *diaryBus) SendCommand(topic string, receiver data.EndpointID, payload []byte) error {
	if msg, err := command.Parse(slices.Clone(payload)); err == nil {
		b.diary.note(msg.Body.Kind().String())
	}
	return b.fakeBus.SendCommand(topic, receiver, payload)
}

// TestOrderOfAGroup: commit, then events, then replay and acks.
func TestOrderOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := new(fabric), new(diary)
		m, err := NewMaster(&diaryBus{f.join(), d}, "s", &diaryBackend{memory.New(), d}, MasterOptions{TickInterval: time.Hour})
		must(t, err)
		p := play(t, f, topic.Clone("s"), topic.Master("s"))
		p.send(0, m.id, &command.Nack{Seqs: []uint64{0}})
		p.send(0, m.id, &command.CumulativeAck{Seq: 1})
		p.send(0, m.id, &command.AttachWriter{Offset: 1, Interval: 1})
		synctest.Wait()
		d.mu.Lock()
		d.lines = nil
		d.mu.Unlock()
		m.turn.Lock() // so that the writes make one group
		var all []*Pending
		for i := range int64(3) {
			all = append(all, m.PutAsync(integer(i), integer(i), 0))
		}
		p.send(2, m.id, &command.Put{Key: str("w"), Value: integer(1)})
		m.turn.Unlock()
		for _, one := range all {
			must(t, one.Wait(t.Context()))
		}
		synctest.Wait()
		if want := []string{"commit", "event", "put"}; !slices.Equal(d.lines, want) {
			t.Errorf("order %q, want %q", d.lines, want)
		}
		must(t, m.Close())
	})
}

// TestFailureInTheMiddle: of a group that could not be committed nothing is answered ok, and all that comes later is refused, too.
func TestFailureInTheMiddle(t *testing.T) {
	broken := &backend.Error{Path: "/data/x", Act: "commit", Err: errors.New("no space left")}
	be := &failingBackend{Backend: memory.New()}
	m, err := NewMaster(new(fabric).join(), "s", be, MasterOptions{TickInterval: time.Hour})
	must(t, err)
	defer m.Close()
	ctx := t.Context()
	must(t, m.Put(ctx, str("a"), integer(1), 0))
	s, err := m.Snapshot(ctx)
	must(t, err)
	m.turn.Lock()
	be.commit = broken
	all := []*Pending{m.PutAsync(str("a"), integer(2), 0), m.WriteAsync(WritePutUnique(str("b"), integer(2), 0)), m.ApplyAsync(Batch{})}
	m.turn.Unlock()
	all = append(all, m.EraseAsync(str("a")))
	for i, p := range all {
		if err := p.Wait(ctx); !errors.Is(err, code.BackendFailure) || !errors.Is(err, broken) || p.Inserted() {
			t.Errorf("%d: %v, %v", i, err, p.Inserted())
		}
	}
	if _, err := m.Get(ctx, str("a")); !errors.Is(err, code.BackendFailure) {
		t.Errorf("get: %v", err)
	}
	if _, err := m.Size(ctx); !errors.Is(err, code.BackendFailure) {
		t.Errorf("size: %v", err)
	}
	if e, err := s.Get(str("a")); err != nil || e.Value.String() != "1" {
		t.Errorf("a snapshot of before: %v, %v", e, err)
	}
	if st := m.Status(); st.State != StateFailed || st.Err == nil || st.Sequence != 2 {
		t.Errorf("%+v", st)
	}
}
