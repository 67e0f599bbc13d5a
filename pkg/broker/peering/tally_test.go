// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// tallyModel counts from outside what goes through a queue.
type tallyModel struct {
	t       *testing.T
	r       *rand.Rand
	q       *Queue
	queued  [lanes]Tally
	written [lanes]Tally
	topics  map[string]uint64 // that were queued
	open    bool
	b       batch
	writing []byte // the bytes of b
}

// head is the beginning of a frame without its length. The sender says in which lane the frame is counted.
func tallyHead(lane Lane, topic string) []byte {
	env := wire.Envelope{Type: wire.TypeData, Topic: []byte(topic)}
	env.Sender[0] = byte(lane)
	b, _ := wire.AppendFrame(nil, &env)
	return b[wire.FrameHeader:]
}

func (m *tallyModel) offer(to Lane) {
	n := 1 + m.r.IntN(80)
	if m.r.IntN(10) == 0 {
		n = ShareAbove + m.r.IntN(2*chunkSize)
	}
	topic := fmt.Sprintf("/t/%d/x", m.r.IntN(70))
	payload := make([]byte, n)
	head := tallyHead(to, topic)
	whole := append(binary.BigEndian.AppendUint32(nil, uint32(len(head)+n)), head...)
	var r Result
	switch m.r.IntN(4) {
	case 0:
		r = m.q.Append(to, append(whole, payload...))
	case 1:
		r = m.q.AppendShared(to, whole, payload)
	default:
		f := Frame{Head: head, Payload: payload, Shared: m.r.IntN(2) == 0}
		if m.r.IntN(2) == 0 {
			f.Head, f.Stamp = head[:len(head)-1], head[len(head)-1:]
		}
		r = m.q.Put(to, &f, Admission(m.r.IntN(4)))
	}
	if r != Full && r != Closed {
		m.queued[to].add(1, wire.FrameHeader+len(head)+n)
		m.topics[topic[:len(topic)-2]]++
	}
}

// write counts the frames that are complete in the first n bytes of what the writer has, and how many are not.
func (m *tallyModel) write(n int) {
	for rest := m.writing[:n]; len(rest) >= wire.FrameHeader; {
		size := wire.FrameHeader + int(binary.BigEndian.Uint32(rest))
		if size > len(rest) {
			break
		}
		if lane := rest[wire.FrameHeader]; lane < lanes {
			m.written[lane].add(1, size)
		}
		rest = rest[size:]
	}
	m.writing = nil
}

func (m *tallyModel) check() {
	m.t.Helper()
	st := m.q.Stats()
	for lane, s := range []LaneStats{st.Data, st.Commands} {
		if sum := s.Written.Plus(s.Dropped).Plus(s.Still()); s.Queued != sum || s.Queued != m.queued[lane] {
			m.t.Fatalf("lane %d: %v were queued, %+v adds up to %v", lane, m.queued[lane], s, sum)
		}
		if s.Written != m.written[lane] {
			m.t.Fatalf("lane %d: %v were written, counted %v", lane, m.written[lane], s.Written)
		}
	}
	if want := st.Data.Dropped.Messages + st.Commands.Dropped.Messages; !m.open && total(m.q.TopicDrops()) != want {
		m.t.Fatalf("%d dropped, by topics %d", want, total(m.q.TopicDrops()))
	}
}

func total(counts map[string]uint64) (n uint64) {
	for _, k := range counts {
		n += k
	}
	return n
}

// step does something at random; false when the queue has come to its end.
func (m *tallyModel) step() bool {
	switch k := m.r.IntN(1000); {
	case k < 700:
		m.offer(LaneData)
	case k < 800:
		m.offer(LaneCommand)
	case k < 830:
		m.q.Control(append([]byte{0, 0, 0, 1}, byte(laneControl)))
	case k < 850:
		m.q.Update(append([]byte{0, 0, 0, 1}, byte(laneControl)))
	case k < 855:
		m.q.Last(append([]byte{0, 0, 0, 1}, byte(laneControl)))
	case k < 860:
		m.q.LinkState(linkNode(m.r.IntN(3)), append([]byte{0, 0, 0, 1}, byte(laneControl)), m.r.IntN(2) == 0)
	case k < 990:
		m.write(len(m.writing))
		if m.q.mu.data.msgs+m.q.mu.command.msgs == 0 {
			m.q.Control(append([]byte{0, 0, 0, 1}, byte(laneControl)))
		}
		if m.open = m.q.take(&m.b); m.open {
			m.writing = slices.Concat(m.b.bufs...)
		}
		return m.open
	case k < 991:
		m.q.Seal()
	case k < 992:
		m.q.shed(int64(m.r.IntN(100_000)))
	case k < 994:
		m.q.Close()
	case k < 996 && len(m.writing) > 0: // the connection ends in the middle of a write
		n := m.r.IntN(len(m.writing) + 1)
		m.write(n)
		m.q.lost(&m.b, int64(n))
		m.q.Close()
		m.open = false
		return false
	}
	return true
}

// TestTally compares the figures of queues with what goes in and out, through whole lives with random ends.
func TestTally(t *testing.T) {
	first := seed.For(t)
	for seed := first; seed < first+300; seed++ {
		r := rand.New(rand.NewPCG(seed, 5))
		limit := Limit{1 + r.IntN(200), 1 + r.IntN(300_000), Policy(r.IntN(3))}
		memory := NewMemory(1 << 40)
		link := &Link{Queue: NewQueue(limit)}
		link.Account(memory, func(int, bool) {})
		m := &tallyModel{t: t, r: r, q: link.Queue, topics: make(map[string]uint64), open: true}
		for n := 0; n < 2000 && m.step(); n++ {
			m.check()
		}
		m.write(len(m.writing)) // the writer sees that the queue is closed when it comes back
		m.q.Close()
		if m.open {
			m.q.take(&m.b)
			m.open = false
		}
		m.check()
		st := m.q.Stats()
		if still := st.Data.Still().Plus(st.Commands.Still()); still != (Tally{}) {
			t.Fatalf("seed %d: after the end %v are still queued", seed, still)
		}
		if memory.Used() != 0 {
			t.Fatalf("seed %d: %d bytes are held by nobody", seed, memory.Used())
		}
		for prefix, n := range m.q.TopicDrops() {
			if prefix != OtherTopics && n > m.topics[prefix] {
				t.Fatalf("seed %d: %d of %s dropped, %d queued", seed, n, prefix, m.topics[prefix])
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d, %+v", seed, limit)
		}
	}
}

func TestTopicDrops(t *testing.T) {
	var d TopicDrops
	for _, name := range []string{"/a/b/c", "/a/b", "/a/b/", "/a", "a/b/c", "", "/", "//x", "x", "\xff/y/z"} {
		d.drop(tallyHead(LaneData, name))
	}
	d.drop([]byte("short"))
	want := map[string]uint64{"/a/b": 3, "/a": 1, "a/b": 1, "": 2, "/": 1, "//x": 1, "x": 1, "?/y": 1}
	if got := d.Counts(); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for i := range 100 {
		d.drop(tallyHead(LaneData, fmt.Sprintf("/more/%d", i)))
	}
	var sum TopicDrops
	sum.Add(d.Counts())
	sum.merge(&d)
	if got := sum.Counts(); len(got) != maxTopicDrops+1 || total(got) != 2*111 || got["/a/b"] != 6 || got[OtherTopics] != 2*44+1 {
		t.Errorf("%d prefixes, %d in all: %v", len(got), total(got), got)
	}
	if (&TopicDrops{}).Counts() != nil {
		t.Error("counts without drops")
	}
	f := tallyHead(LaneData, "/a/b/c")
	if n := testing.AllocsPerRun(100, func() { d.drop(f); d.drop(nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
