// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// numbered is a frame with a number and n more bytes.
func numbered(i, n int) []byte {
	f := binary.BigEndian.AppendUint32(nil, uint32(4+n))
	return append(binary.BigEndian.AppendUint32(f, uint32(i)), make([]byte, n)...)
}

// drain takes everything that is queued and answers the numbers of the frames.
func drain(t *testing.T, q *Queue) (numbers []int) {
	t.Helper()
	var b batch
	for {
		q.mu.Lock()
		empty := q.mu.control.msgs+q.mu.command.msgs+q.mu.data.msgs+len(q.mu.last) == 0 && q.mu.update == nil
		q.mu.Unlock()
		if empty {
			return numbers
		}
		q.take(&b)
		numbers = append(numbers, numbersOf(t, slices.Concat(b.bufs...))...)
	}
}

func numbersOf(t *testing.T, raw []byte) (numbers []int) {
	t.Helper()
	for len(raw) > 0 {
		n := 4 + int(binary.BigEndian.Uint32(raw))
		numbers = append(numbers, int(binary.BigEndian.Uint32(raw[4:])))
		raw = raw[n:]
	}
	return numbers
}

func sequence(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

func TestQueuePolicies(t *testing.T) {
	for _, c := range []struct {
		policy  Policy
		result  Result
		want    []int
		dropped uint64
	}{
		{DropNewest, Dropped, sequence(0, 10), 15},
		{DropOldest, Dropped, sequence(15, 25), 15},
		{Disconnect, Overflowed, nil, 11},
	} {
		q := NewQueue(Limit{10, 1 << 20, c.policy})
		var last Result
		for i := range 25 {
			r := q.Append(LaneData, numbered(i, 5))
			if i < 10 && r != Queued {
				t.Fatalf("message %d: %v", i, r)
			}
			if last = r; r == Overflowed {
				break
			}
		}
		if got := drain(t, q); last != c.result || !slices.Equal(got, c.want) {
			t.Errorf("policy %d: %v, delivered %v", c.policy, last, got)
		}
		if st := q.Stats(); st.Dropped != c.dropped || st.Messages != 0 || st.Bytes != 0 {
			t.Errorf("policy %d: %+v", c.policy, st)
		}
	}
}

func TestQueueBytes(t *testing.T) {
	q := NewQueue(Limit{1000, 1000, DropNewest})
	if q.Append(LaneData, numbered(0, 5000)) != Queued {
		t.Error("an empty queue takes a message of any size")
	}
	if q.Append(LaneData, numbered(1, 1)) != Dropped {
		t.Error("a full queue took a message")
	}
	if q.Append(LaneCommand, numbered(2, 500)) != Queued || q.Append(LaneCommand, numbered(3, 500)) != Dropped {
		t.Error("the lane of commands is bounded in bytes, by itself")
	}
	if got := drain(t, q); !slices.Equal(got, []int{2, 0}) {
		t.Errorf("delivered %v", got)
	}
}

func TestQueueLanes(t *testing.T) {
	q := NewQueue(Limit{100, 1 << 20, Disconnect})
	q.Append(LaneData, numbered(1, 0))
	q.Last(numbered(9, 0))
	q.Append(LaneData, numbered(2, 0))
	q.Append(LaneCommand, numbered(3, 0))
	q.Control(numbered(4, 0))
	q.Update(numbered(5, 0))
	q.Update(numbered(6, 0)) // replaces 5
	if got := drain(t, q); !slices.Equal(got, []int{6, 4, 3, 1, 2, 9}) {
		t.Errorf("delivered %v", got)
	}
	q.Seal()
	if q.Append(LaneData, numbered(7, 0)) != Closed || q.Last(numbered(8, 0)) != Queued {
		t.Error("a sealed queue takes control frames only")
	}
	if got := drain(t, q); !slices.Equal(got, []int{8}) {
		t.Errorf("delivered %v", got)
	}
	for i := range maxControl {
		if r := q.Control(numbered(i, 0)); r != Queued {
			t.Fatalf("ping %d: %v", i, r)
		}
	}
	if q.Control(numbered(0, 0)) != Overflowed {
		t.Error("the control lane is not bounded")
	}
	q.Close()
	if q.Control(nil) != Closed || q.Last(nil) != Closed {
		t.Error("a closed queue takes frames")
	}
	if q.take(&batch{}) {
		t.Error("a closed queue has something to write")
	}
}

// TestQueueLast holds the closing ping back until what was queued before it has gone, and not longer.
func TestQueueLast(t *testing.T) {
	q := NewQueue(Limit{1 << 20, 1 << 30, Disconnect})
	for i := range 100 {
		q.Append(LaneData, numbered(i, 10_000))
	}
	q.Last(numbered(1000, 0))
	var b batch
	q.take(&b)
	first := numbersOf(t, slices.Concat(b.bufs...))
	if slices.Contains(first, 1000) || len(first) == 100 {
		t.Fatalf("first write: %v", first)
	}
	for i := range 100 {
		q.Append(LaneData, numbered(100+i, 10_000))
	}
	all := append(first, drain(t, q)...)
	if at := slices.Index(all, 1000); at < 100 || at > 140 {
		t.Errorf("the last frame came at %d", at)
	}
}

func TestQueueWaiting(t *testing.T) {
	q := NewQueue(Limit{10, 1 << 20, Disconnect})
	if q.Room(1) != nil {
		t.Error("an empty queue has no room")
	}
	for i := range 10 {
		q.Put(LaneData, &Frame{Head: numbered(i, 0)[4:]}, OrFull)
	}
	if r := q.Put(LaneData, &Frame{Head: numbered(10, 0)[4:]}, OrFull); r != Full {
		t.Fatalf("result %v", r)
	}
	room, flushed := q.Room(1), q.Flushed()
	var b batch
	q.take(&b)
	<-room
	select {
	case <-flushed:
		t.Error("flushed before it was written")
	default:
	}
	q.Put(LaneData, &Frame{Head: numbered(11, 0)[4:]}, OrFull)
	q.take(&b) // the first batch has been written
	<-flushed
	later := q.Flushed()
	q.Close()
	<-later
	<-q.Flushed()
}

// TestQueueModel compares a queue under drop_oldest with a list, with shared payloads and values among the frames.
func TestQueueModel(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 0))
	q := NewQueue(Limit{50, 200_000, DropOldest})
	var model [][]byte
	size := 0
	add := func(f []byte) {
		for len(model) > 0 && (len(model) >= 50 || size+len(f) > 200_000) {
			size -= len(model[0])
			model = model[1:]
		}
		model = append(model, f)
		size += len(f)
	}
	var b batch
	for range 5000 {
		if r.IntN(40) == 0 {
			if len(model) > 0 {
				q.take(&b)
				got := slices.Concat(b.bufs...)
				for len(got) > 0 {
					if !bytes.HasPrefix(got, model[0]) {
						t.Fatal("another frame than expected")
					}
					got, size, model = got[len(model[0]):], size-len(model[0]), model[1:]
				}
			}
			continue
		}
		f := randomFrame(r, q)
		add(f)
		if st := q.Stats(); st.Messages != len(model) || st.Bytes != size {
			t.Fatalf("%+v; the model holds %d messages, %d bytes", st, len(model), size)
		}
	}
}

// randomFrame queues a frame in one of the ways that there are and answers its bytes.
func randomFrame(r *rand.Rand, q *Queue) []byte {
	v := data.String(strings.Repeat("x", r.IntN(100)*r.IntN(100)))
	head := []byte("head")
	size := v.BinarySize()
	whole := binary.BigEndian.AppendUint32(nil, uint32(len(head)+size))
	whole = append(whole, head...)
	payload := v.AppendBinary(nil)
	switch r.IntN(6) {
	case 0:
		q.AppendShared(LaneData, whole, payload)
	case 1:
		q.Put(LaneData, &Frame{Head: head, Value: v, Encoded: size}, ByPolicy)
	case 2:
		q.Put(LaneData, &Frame{Head: head[:1], Stamp: head[1:], Value: v, Encoded: size}, ByPolicy)
	case 3:
		q.Put(LaneData, &Frame{Head: head, Payload: payload}, ByPolicy)
	case 4:
		q.Put(LaneData, &Frame{Head: head[:3], Stamp: head[3:], Payload: payload, Shared: true}, ByPolicy)
	default:
		q.Append(LaneData, slices.Concat(whole, payload))
	}
	return slices.Concat(whole, payload)
}

func BenchmarkQueue(b *testing.B) {
	q := NewQueue(Limit{1 << 30, 1 << 30, Disconnect})
	frame := numbered(1, 95)
	var out batch
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		q.Append(LaneData, frame)
		if i++; i%1000 == 0 {
			q.take(&out)
		}
	}
}

// TestQueueSetLimit: a new limit counts from the next frame on.
func TestQueueSetLimit(t *testing.T) {
	q := NewQueue(Limit{10, 1 << 20, Disconnect})
	for i := range 10 {
		q.Append(LaneData, numbered(i, 0))
	}
	room := q.Room(8)
	q.SetLimit(Limit{100, 1 << 20, Disconnect})
	select {
	case <-room:
	default:
		t.Error("nobody hears that there is room now")
	}
	if r := q.Append(LaneData, numbered(10, 0)); r != Queued {
		t.Errorf("after raising: %v", r)
	}
	q.SetLimit(Limit{4, 1 << 20, DropOldest})
	if r := q.Append(LaneData, numbered(11, 0)); r != Dropped || q.Limit() != (Limit{4, 1 << 20, DropOldest}) {
		t.Errorf("after lowering: %v, %+v", r, q.Limit())
	}
	if got, want := drain(t, q), sequence(8, 12); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
