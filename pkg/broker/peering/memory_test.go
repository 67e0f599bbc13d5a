// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// hoarder is a link without a connection, with a queue that is part of a memory.
type hoarder struct {
	*Link
	lost       int
	overflowed bool
}

func hoard(m *Memory, o Policy) *hoarder {
	h := &hoarder{Link: &Link{Queue: NewQueue(Limit{1 << 30, 1 << 40, o}), closing: make(chan struct{})}}
	h.pipe = &pipe{queue: NewQueue(Limit{})}
	h.Account(m, func(n int, overflow bool) {
		h.lost += n
		if h.overflowed = h.overflowed || overflow; overflow {
			h.Fail(nil)
		}
	})
	return h
}

func (h *hoarder) fill(from, to int) {
	for i := from; i < to; i++ {
		h.Queue.Append(LaneData, numbered(i, 1000))
	}
}

// TestMemoryLimit fills two queues until the memory is used up: the larger one does what its policy says, and the other loses nothing.
func TestMemoryLimit(t *testing.T) {
	for _, policy := range []Policy{Disconnect, DropNewest, DropOldest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			const limit = 4 << 20
			m := NewMemory(limit)
			reached := 0
			m.Reached = func() { reached++ }
			small, large := hoard(m, Disconnect), hoard(m, policy)
			small.fill(0, 1000)
			for i := 0; i < 20_000; i += 100 {
				large.fill(i, i+100)
				if m.Used() > limit+2*chunkSize {
					t.Fatalf("%d bytes are used after %d messages", m.Used(), i)
				}
			}
			if n := len(drain(t, small.Queue)); n != 1000 || small.lost != 0 {
				t.Errorf("%d of the small queue are left", n)
			}
			if reached == 0 || m.Relieved() != uint64(reached) {
				t.Errorf("reached %d times, told %d times", m.Relieved(), reached)
			}
			st := large.Queue.Stats()
			if uint64(large.lost) != st.Dropped && policy != Disconnect || st.Data.Queued != st.Data.Dropped.Plus(st.Data.Still()) {
				t.Errorf("%d messages were shed, %+v", large.lost, st)
			}
			if large.overflowed != (policy == Disconnect) {
				t.Errorf("disconnected: %v", large.overflowed)
			}
			if policy != Disconnect {
				got := drain(t, large.Queue)
				if !slices.IsSorted(got) || len(got) < 2000 || policy == DropNewest && got[0] != 0 || policy == DropOldest && got[len(got)-1] != 19_999 {
					t.Errorf("%d messages from %d to %d", len(got), got[0], got[len(got)-1])
				}
			}
			small.LeaveMemory()
			large.LeaveMemory()
			if m.Used() != 0 || len(m.mu.accounts) != 0 {
				t.Errorf("%d bytes in %d accounts are left", m.Used(), len(m.mu.accounts))
			}
		})
	}
}

// TestMemoryWaits has a producer that can wait do so before the limit is reached, and go on when the queue is empty.
func TestMemoryWaits(t *testing.T) {
	m := NewMemory(1 << 20)
	other := m.Join(func(int64) bool { return false })
	other.Add(1<<20 - 1<<17 + 1) // above seven eighths
	h := hoard(m, Disconnect)
	f := Frame{Head: make([]byte, 100)}
	if h.Queue.Put(LaneData, &f, OrFull) != Queued {
		t.Error("an empty queue took nothing")
	}
	if h.Queue.Put(LaneData, &f, OrFull) != Full {
		t.Error("the producer need not wait")
	}
	room := h.Queue.Room(1)
	if room == nil {
		t.Fatal("there is room")
	}
	var b batch
	h.Queue.take(&b)
	<-room
	if h.Queue.Put(LaneData, &f, OrFull) != Queued || h.Queue.Put(LaneData, &f, ByPolicy) != Queued || m.Relieved() != 0 {
		t.Error("a queue that is not full refuses a message")
	}
	other.Leave()
	if h.Queue.Put(LaneData, &f, OrFull) != Queued {
		t.Error("there is room again, and the producer has to wait")
	}
}

// TestMemoryVain bears with holders that have nothing to give, and comes back to them when they have more.
func TestMemoryVain(t *testing.T) {
	m := NewMemory(1 << 20)
	asked := 0
	a := m.Join(func(int64) bool { asked++; return false })
	for _, step := range []struct{ add, asked int }{
		{1 << 20, 0}, {1, 1}, {1, 1}, {chunkSize, 2}, {1, 2}, {-1 << 19, 2}, {1 << 19, 3}, {1, 3},
	} {
		a.Add(int64(step.add))
		if m.Check(); asked != step.asked {
			t.Errorf("after %d more: asked %d times", step.add, asked)
		}
	}
	a.Leave()
	a.Add(5)
	if m.Used() != 0 {
		t.Errorf("%d bytes of nobody", m.Used())
	}
	var nobody *Account
	nobody.Add(1)
	nobody.Check()
	nobody.Leave()
	if (*Memory)(nil).Join(nil) != nil || (*Memory)(nil).Over() || nobody.Set(3, 1<<30) != 3 {
		t.Error("no memory has a limit")
	}
}

// TestMemoryOfLargeMessages counts payloads that are shared, and a large message that is still being read.
func TestMemoryOfLargeMessages(t *testing.T) {
	m := NewMemory(8 << 20)
	h := hoard(m, DropOldest)
	payload := make([]byte, 1<<20)
	for range 20 {
		h.Queue.Put(LaneData, &Frame{Head: make([]byte, 50), Payload: payload, Shared: true}, ByPolicy)
		if m.Used() > 9<<20+2*chunkSize {
			t.Fatalf("%d bytes", m.Used())
		}
	}
	if st := h.Queue.Stats(); st.Messages < 7 || st.Dropped < 11 {
		t.Errorf("%+v", st)
	}
	h.Queue.Close()
	if m.Used() != 0 {
		t.Errorf("%d bytes after the end", m.Used())
	}
	src := &slowFrame{size: 16 << 20, chunk: 64 << 10}
	overflowed := false
	l := &Link{Queue: NewQueue(Limit{}), reader: NewReader(src, nil, 64<<20)}
	l.Account(m, func(_ int, overflow bool) { overflowed, src.ended = overflow, true })
	if _, err := l.reader.Next(); err == nil || !overflowed || m.Used() > 17<<20 {
		t.Errorf("error %v, overflow %v, %d bytes", err, overflowed, m.Used())
	}
	l.LeaveMemory()
	if m.Used() != 0 {
		t.Errorf("%d bytes after the end", m.Used())
	}
}

// TestMemoryOfBusyReaders ends no connection for the buffer that it reads small messages with, and gets back what it doesn't need.
func TestMemoryOfBusyReaders(t *testing.T) {
	m := NewMemory(64 << 10)
	stream := bytes.Repeat(numbered(1, 100), 20_000)
	stream = append(append(stream, numbered(2, 240<<10)...), stream...)
	l := &Link{Queue: NewQueue(Limit{}), reader: NewReader(bytes.NewReader(stream), numbered(0, 40), 64<<20)}
	l.Account(m, func(int, bool) { t.Error("the connection is to end") })
	most := int64(0)
	for {
		if _, err := l.reader.Next(); err != nil {
			break
		}
		m.Check()
		most = max(most, m.Used())
	}
	if most < 240<<10 || m.Used() > 2*readerBusy {
		t.Errorf("%d bytes at most, %d in the end", most, m.Used())
	}
	l.LeaveMemory()
}

// slowFrame is a large frame that comes in pieces, until its connection ends.
type slowFrame struct {
	size, chunk, sent int
	ended             bool
}

func (s *slowFrame) Read(b []byte) (int, error) {
	if s.ended {
		return 0, fmt.Errorf("closed")
	}
	n := 0
	if s.sent == 0 {
		n = copy(b, []byte{byte(s.size >> 24), byte(s.size >> 16), byte(s.size >> 8), byte(s.size)})
	}
	n += min(len(b)-n, s.chunk)
	s.sent += n
	return n, nil
}

// TestShedOrder keeps what waits behind messages from waiting for ever when the newest of them are given up.
func TestShedOrder(t *testing.T) {
	h := hoard(NewMemory(1<<30), DropNewest)
	q := h.Queue
	h.fill(0, 100)
	q.LinkState(data.EndpointID{1}, numbered(1000, 0), true)
	h.fill(100, 200)
	q.Last(numbered(1001, 0))
	flushed := q.Flushed()
	if n, overflow := q.shed(120_000); n < 110 || n > 160 || overflow {
		t.Fatalf("%d shed", n)
	}
	h.fill(200, 210)
	var b batch
	var got []int
	for range 3 {
		q.Control(numbered(1002, 0))
		q.take(&b)
		got = append(got, numbersOf(t, bytes.Join(b.bufs, nil))...)
	}
	<-flushed
	got = slices.DeleteFunc(got, func(n int) bool { return n == 1002 })
	news, last, after := slices.Index(got, 1000), slices.Index(got, 1001), slices.Index(got, 200)
	if news < 40 || news > 90 || last < news || after < news || slices.Index(got, 209) < 0 {
		t.Errorf("%v", got)
	}
}

// TestMemoryConcurrently has queues filled and emptied from all sides while the limit is reached again and again.
func TestMemoryConcurrently(t *testing.T) {
	m := NewMemory(2 << 20)
	var all []*hoarder
	var running, draining sync.WaitGroup
	for i := range 4 {
		h := hoard(m, []Policy{DropNewest, DropOldest}[i%2])
		all = append(all, h)
		running.Go(func() {
			for range 300 {
				h.fill(0, 100)
			}
		})
		draining.Go(func() {
			var b batch
			for h.Queue.take(&b) {
			}
		})
	}
	running.Wait()
	for _, h := range all {
		h.Queue.Close()
	}
	draining.Wait()
	for _, h := range all {
		if st := h.Queue.Stats(); st.Data.Queued != st.Data.Written.Plus(st.Data.Dropped) {
			t.Errorf("%+v", st.Data)
		}
	}
	if m.Used() != 0 {
		t.Errorf("%d bytes are held by nobody", m.Used())
	}
}

// TestFirstAccountsGiveFirst: what can be had again goes before queues do what their policy says, although they hold more.
func TestFirstAccountsGiveFirst(t *testing.T) {
	const limit = 4 << 20
	m := NewMemory(limit)
	queue := hoard(m, Disconnect)
	var history *Account
	history = m.JoinFirst(func(bytes int64) bool {
		given := min(bytes, history.Used())
		history.Add(-given)
		return given > 0
	})
	history.Add(limit / 4)
	queue.fill(0, 3500)
	if queue.overflowed || history.Used() == limit/4 || m.Used() > limit+2*chunkSize {
		t.Fatalf("cut: %v; the history holds %d of %d", queue.overflowed, history.Used(), m.Used())
	}
	queue.fill(3500, 5000)
	if !queue.overflowed || history.Used() != 0 {
		t.Errorf("cut: %v; the history holds %d", queue.overflowed, history.Used())
	}
}
