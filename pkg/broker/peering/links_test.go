// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func linkNode(i int) data.EndpointID { return data.EndpointID{1, byte(i >> 8), byte(i)} }

// TestLinkState: the newest of each node goes out before data that waits, and news of an ending behind it.
func TestLinkState(t *testing.T) {
	q := NewQueue(Limit{100, 1 << 20, Disconnect})
	var b batch
	taken := func() string {
		if !q.take(&b) {
			t.Fatal("closed")
		}
		return string(bytes.Join(b.bufs, nil))
	}
	put := func(name string) { q.Put(LaneData, &Frame{Payload: []byte(name)}, ByPolicy) }
	put("d1")
	q.LinkState(linkNode(1), []byte("old"), false)
	q.LinkState(linkNode(2), []byte("two"), false)
	q.LinkState(linkNode(1), []byte("one"), false)
	if got := taken(); got != "onetwo\x00\x00\x00\x02d1" {
		t.Errorf("%q", got)
	}
	put("d2")
	q.Put(LaneCommand, &Frame{Payload: []byte("c2")}, ByPolicy)
	q.LinkState(linkNode(1), []byte("gone"), true)
	put("d3")
	q.LinkState(linkNode(1), []byte("also"), false) // still not before d2
	q.LinkState(linkNode(4), []byte("here"), false)
	put("d4")
	q.LinkState(linkNode(4), []byte("left"), true) // d4 may need to know that node 4 was here
	q.LinkState(linkNode(4), []byte("left again"), true)
	put("d5")
	q.LinkState(linkNode(3), []byte("three"), false)
	flushed := q.Flushed()
	if got := taken() + taken() + taken(); got != "herethree\x00\x00\x00\x02c2\x00\x00\x00\x02d2also\x00\x00\x00\x02d3\x00\x00\x00\x02d4left again\x00\x00\x00\x02d5" {
		t.Errorf("%q", got)
	}
	q.Last([]byte("end"))
	if got := taken(); got != "end" {
		t.Errorf("%q", got)
	}
	<-flushed
	for i := range maxLinks {
		if r := q.LinkState(linkNode(i), nil, false); r != Queued {
			t.Fatalf("node %d: %v", i, r)
		}
	}
	if r := q.LinkState(data.EndpointID{9}, nil, false); r != Overflowed {
		t.Errorf("one node more: %v", r)
	}
	q.Close()
	if r := q.LinkState(linkNode(1), nil, false); r != Closed {
		t.Errorf("after Close: %v", r)
	}
}

// TestLinkStateOrder queues at random and checks that no frame leaves before link state that was queued earlier, that news of an end
// never overtake, and that the last news of each node come.
func TestLinkStateOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 1))
	q := NewQueue(Limit{1 << 20, 1 << 30, Disconnect})
	type link struct {
		clock  int
		behind bool // no frame queued before this clock may come after it
	}
	pending := make(map[byte]map[byte]link) // by node and version
	last := make(map[byte]byte)
	var frames []int // clocks of frames in the data lane
	waiting := func() (n int) {
		for _, versions := range pending {
			n += len(versions)
		}
		return n + len(frames)
	}
	var b batch
	check := func() {
		if !q.take(&b) {
			t.Fatal("closed")
		}
		for buf := range slices.Values(b.bufs) {
			if len(buf) == 3 && buf[0] == 'L' {
				l, ok := pending[buf[1]][buf[2]]
				if !ok {
					t.Fatalf("news of node %d come late", buf[1])
				}
				if l.behind && len(frames) > 0 && frames[0] < l.clock {
					t.Fatalf("news of node %d overtook a frame", buf[1])
				}
				for version, other := range pending[buf[1]] {
					if other.clock <= l.clock {
						delete(pending[buf[1]], version)
					}
				}
				continue
			}
			for len(buf) > 0 {
				n := 4 + int(binary.BigEndian.Uint32(buf))
				for node, versions := range pending {
					for version, l := range versions {
						// An older version may be missing if a newer one stands for it that came before the next frame.
						if l.clock < frames[0] && version == last[node] {
							t.Fatalf("a frame overtook the news of node %d", node)
						}
					}
				}
				frames, buf = frames[1:], buf[n:]
			}
		}
	}
	for clock := 1; clock < 20_000; clock++ {
		switch k := r.IntN(100); {
		case k < 80:
			q.Put(LaneData, &Frame{Payload: make([]byte, 2000)}, ByPolicy)
			frames = append(frames, clock)
		case k < 95:
			node, behind := byte(r.IntN(5)), r.IntN(3) == 0
			if pending[node] == nil {
				pending[node] = make(map[byte]link)
			}
			last[node]++
			delete(pending[node], last[node]) // a version of long ago with the same number
			pending[node][last[node]] = link{clock, behind}
			q.LinkState(linkNode(int(node)), []byte{'L', node, last[node]}, behind)
		case waiting() > 0:
			check()
		}
	}
	for waiting() > 0 {
		check()
	}
}

func BenchmarkPut(b *testing.B) {
	for _, stamp := range []int{0, 10} {
		b.Run(fmt.Sprint(stamp), func(b *testing.B) {
			q := NewQueue(Limit{1 << 30, 1 << 30, Disconnect})
			f := Frame{Head: make([]byte, 45), Stamp: make([]byte, stamp), Payload: make([]byte, 50)}
			var out batch
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				q.Put(LaneData, &f, ByPolicy)
				if i++; i%1000 == 0 {
					q.take(&out)
				}
			}
		})
	}
}
