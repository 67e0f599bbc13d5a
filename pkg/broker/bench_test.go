// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// smallEvent is event 1 of the workloads: a Zeek event with an integer and a string.
func smallEvent() data.Value {
	return data.Vector(data.Count(1), data.Count(1), data.Vector(data.String("event_1"), data.Vector(data.Integer(42), data.String("test"))))
}

// wait is a subscriber's limit under which nothing is lost.
var wait = QueueLimit{Overflow: OverflowWait}

// BenchmarkEndToEnd publishes at one endpoint and receives at another over loopback: between nodes of a mesh, with stamps, and from a
// client, without.
func BenchmarkEndToEnd(b *testing.B) {
	b.Run("stamped", func(b *testing.B) { benchEndToEnd(b, Options{}) })
	b.Run("plain", func(b *testing.B) { benchEndToEnd(b, Options{Forward: ForwardNone}) })
}

func benchEndToEnd(b *testing.B, o Options) {
	a, z := endpoint(b, o), endpoint(b, Options{})
	sub, err := z.Subscribe([]string{"/bench"}, wait)
	if err != nil {
		b.Fatal(err)
	}
	connect(b, a, z)
	pub := a.NewPublisher("/bench", PublisherOptions{})
	b.ReportAllocs()
	b.ResetTimer()
	n := b.N
	go func() {
		for range n {
			pub.Publish(context.Background(), smallEvent())
		}
	}()
	receive(b, sub, n)
}

func receive(b *testing.B, sub *Subscriber, n int) {
	b.Helper()
	msgs := make([]Message, 256)
	for got := 0; got < n; {
		k, err := sub.GetBatch(b.Context(), msgs)
		if err != nil {
			b.Fatal(err)
		}
		got += k
	}
}

// through publishes a ready-made event b.N times at an endpoint, and receives it as often.
func through(b *testing.B, from *Endpoint, sub *Subscriber) {
	b.Helper()
	pub := from.NewPublisher("/bench", PublisherOptions{})
	v := smallEvent()
	b.ReportAllocs()
	b.ResetTimer()
	n := b.N
	go func() {
		for range n {
			pub.Publish(context.Background(), v)
		}
	}()
	receive(b, sub, n)
}

// BenchmarkRelay sends through a node that only forwards: between clients, where messages enter and leave the mesh, between nodes, and
// between foreign endpoints that see no stamps.
func BenchmarkRelay(b *testing.B) {
	client := Options{Forward: ForwardNone}
	b.Run("clients", func(b *testing.B) { benchRelay(b, client, Options{}, client) })
	b.Run("nodes", func(b *testing.B) { benchRelay(b, Options{}, Options{}, Options{}) })
	b.Run("plain", func(b *testing.B) { benchRelay(b, client, Options{Forward: ForwardAll}, client) })
}

func benchRelay(b *testing.B, first, second, third Options) {
	second.PeerQueue = QueueLimit{Messages: 1 << 30, Bytes: 1 << 30}
	a, node, z := endpoint(b, first), endpoint(b, second), endpoint(b, third)
	sub, err := z.Subscribe([]string{"/bench"}, wait)
	if err != nil {
		b.Fatal(err)
	}
	connect(b, z, node)
	connect(b, a, node)
	poll(b, "the filter comes through", func() bool {
		if v := a.MeshView(); v != nil {
			return len(v.Route(a.ID(), a.ID(), "/bench")) == 2
		}
		return len(a.Peers()[0].Filter) == 1
	})
	through(b, a, sub)
}

// BenchmarkFanOut publishes to ten peers that throw everything away.
func BenchmarkFanOut(b *testing.B) {
	for _, sinks := range []int{1, 10} {
		b.Run(fmt.Sprint(sinks), func(b *testing.B) {
			e := endpoint(b, Options{PlainProtocol: true})
			addr := listening(b, e)
			for i := range sinks {
				sink(b, addr, data.EndpointID{0xff, 0xff, 0xff, 0xff, byte(i)})
			}
			poll(b, "all sinks", func() bool { return e.Stats().Peers == sinks })
			pub := e.NewPublisher("/bench", PublisherOptions{})
			v := smallEvent()
			b.ReportAllocs()
			for b.Loop() {
				if err := pub.Publish(context.Background(), v); err != nil {
					b.Fatal(err)
				}
			}
			if err := e.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// sink peers with an endpoint, subscribes to everything and reads without looking.
func sink(b *testing.B, addr string, id data.EndpointID) {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	c.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: id, Min: 1, Max: 1}))
	io.ReadFull(c, make([]byte, 9+26+6)) // probe, version_select, originator_syn with an empty filter
	c.Write(wire.AppendHandshake(nil, &wire.ResponderSynAck{Filter: []string{""}}))
	go io.Copy(io.Discard, c)
}

// BenchmarkPublishNobody publishes to a topic that no peer wants.
func BenchmarkPublishNobody(b *testing.B) {
	e := endpoint(b, Options{})
	v := smallEvent()
	b.ReportAllocs()
	for b.Loop() {
		e.Publish("/nobody", v)
	}
}
