// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/binary"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// quietPeer is a registered peer of which nothing runs: its queue drops the oldest, and its reader is the test.
func quietPeer(e *Endpoint, id byte, features uint64) *peer {
	a, _ := memPipe()
	p := e.newPeer(&peering.Established{Conn: a, Peer: data.EndpointID{id}}, "x", nil)
	p.is.Store(natureOf(e.opt.features(), features))
	ls := wire.LinkState{Node: p.Peer, Version: 1, Neighbours: []endpointID{e.ID()}, Wants: []string{"/bench"}}
	e.change(func() {
		p.filter = []string{"/bench"}
		e.mu.peers[p.Peer] = p
		e.linkLocked(p)
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.mesh.Apply(p.Peer, &ls, ls.Append(nil))
	return p
}

// BenchmarkStampCost takes the parts of a direct message, without connections and other goroutines: what publishing and receiving cost
// with a stamp and without.
func BenchmarkStampCost(b *testing.B) {
	for _, c := range []struct {
		name     string
		features uint64
	}{{"plain", 0}, {"stamped", (&Options{}).features()}} {
		e := endpoint(b, Options{PeerQueue: QueueLimit{Messages: 256, Overflow: OverflowDropOldest}})
		p := quietPeer(e, 2, c.features)
		if c.features == 0 {
			p.is.Store(natureOf(e.opt.features(), wire.FeatureNode))
		}
		v := smallEvent()
		sub, _ := e.Subscribe([]string{"/bench"}, QueueLimit{Messages: 1024})
		number := uint64(0)
		b.Run("publish/"+c.name, func(b *testing.B) {
			for b.Loop() {
				e.Publish("/bench", v)
			}
		})
		b.Run("receive/"+c.name, func(b *testing.B) {
			const n = 256
			var frames [][]byte
			buf := make([]byte, 0, 1<<16)
			out := make([]Message, n)
			for b.Loop() {
				buf, frames = buf[:0], frames[:0]
				for range n {
					at := len(buf)
					env := wire.Envelope{Sender: p.Peer, Type: wire.TypeData, TTL: 16, Topic: []byte("/bench")}
					if c.features != 0 {
						number++
						env.Type = wire.TypeStampedData
						buf, _ = wire.AppendHeader(buf, &env, 10+v.BinarySize())
						buf = wire.AppendOwn(buf, 0)
						binary.BigEndian.PutUint64(buf[len(buf)-wire.NumberSize:], number)
					} else {
						buf, _ = wire.AppendHeader(buf, &env, v.BinarySize())
					}
					buf = v.AppendBinary(buf)
					frames = append(frames, buf[at:])
				}
				p.batch(frames)
				sub.GetBatch(b.Context(), out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/msg")
		})
		e.change(func() { clear(e.mu.peers) })
	}
}
