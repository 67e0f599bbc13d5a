// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// quietPeers registers foreign peers of which nothing runs, as quietPeer does, each with a filter of its own.
func quietPeers(e *Endpoint, filters [][]string) {
	peers := make([]*peer, len(filters))
	for i := range filters {
		id := data.EndpointID{0xee}
		binary.BigEndian.PutUint32(id[4:], uint32(i))
		a, _ := memPipe()
		peers[i] = e.newPeer(&peering.Established{Conn: a, Peer: id}, "x", nil)
		peers[i].is.Store(natureOf(e.opt.features(), 0))
		peers[i].filter = filters[i]
	}
	e.change(func() {
		for _, p := range peers {
			e.mu.peers[p.Peer] = p
			e.linkLocked(p)
		}
	})
}

// names are topics below /bench: one, so many that an endpoint may remember where they go, or more than that.
func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("/bench/%d", i)
	}
	return out
}

func benchPublishAmong(b *testing.B, filters [][]string) {
	for _, topics := range []int{1, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			e := endpoint(b, Options{PeerQueue: QueueLimit{Messages: 256, Overflow: OverflowDropOldest}})
			quietPeers(e, filters)
			list, v := names(topics), smallEvent()
			b.ReportAllocs()
			before := cpuTime(b)
			for i := 0; b.Loop(); i++ {
				if err := e.Publish(list[i%topics], v); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			if got := queuedAt(e); got != min(b.N, 256) {
				b.Fatalf("%d messages are queued after %d were published", got, b.N)
			}
			e.change(func() { clear(e.mu.peers) })
		})
	}
}

// cpuTime is what the process has taken so far: on a busy machine it varies much less than the time that passes.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// queuedAt is what waits for all quiet peers.
func queuedAt(e *Endpoint) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.mu.peers {
		n += p.Queue.Stats().Messages
	}
	return n
}

// BenchmarkUninterestedPeers publishes to one peer among others that want something else.
func BenchmarkUninterestedPeers(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		filters := make([][]string, n)
		filters[0] = []string{"/bench"}
		for i := 1; i < n; i++ {
			filters[i] = []string{fmt.Sprintf("/other/%d", i)}
		}
		b.Run(fmt.Sprintf("peers=%d", n), func(b *testing.B) { benchPublishAmong(b, filters) })
	}
}

// BenchmarkSubscriptions publishes to one peer while others ask for so many prefixes, none of which begins the topic.
func BenchmarkSubscriptions(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		const others = 10
		filters := make([][]string, 1+others)
		filters[0] = []string{"/bench"}
		for i := range n {
			filters[1+i%others] = append(filters[1+i%others], fmt.Sprintf("/bench/of/others/%d", i))
		}
		b.Run(fmt.Sprintf("prefixes=%d", n), func(b *testing.B) { benchPublishAmong(b, filters) })
	}
}

// BenchmarkRelayTopics passes messages of so many topics in turn from one peer to another, without connections and other goroutines.
func BenchmarkRelayTopics(b *testing.B) {
	for _, topics := range []int{1, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			const n = 250
			e := endpoint(b, Options{Forward: ForwardAll, PeerQueue: QueueLimit{Messages: 256, Overflow: OverflowDropOldest}})
			quietPeers(e, [][]string{{"/none"}, {"/bench"}})
			from := e.routes.Load().peers[data.EndpointID{0xee}]
			payload := smallEvent().AppendBinary(nil)
			frames := make([][]byte, topics)
			for i, name := range names(topics) {
				env := wire.Envelope{Sender: from.Peer, Type: wire.TypeData, TTL: 16, Topic: []byte(name), Payload: payload}
				frames[i], _ = wire.AppendFrame(nil, &env)
			}
			batch, scratch, next := make([][]byte, n), make([]byte, 0, 1<<16), 0
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				scratch = scratch[:0] // a reader's frames may be changed
				for i := range batch {
					at := len(scratch)
					scratch = append(scratch, frames[next%topics]...)
					batch[i] = scratch[at:]
					next++
				}
				if err := from.batch(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*n), "cpu-ns/message")
			e.change(func() { clear(e.mu.peers) })
		})
	}
}
