// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"sync"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestFlowSockets: several goroutines of two origins publish over real connections as fast as they can, to a subscriber with a small
// window. Whatever the order in which they come to publish, none is lost.
func TestFlowSockets(t *testing.T) {
	const each, publishers = 3000, 3
	es := make([]*Endpoint, 4)
	for i := range es {
		es[i] = endpoint(t, Options{})
	}
	for _, l := range [][2]int{{0, 1}, {1, 2}, {3, 1}} {
		connect(t, es[l[0]], es[l[1]])
	}
	from := []*Endpoint{es[0], es[3]}
	for _, e := range from {
		poll(t, "the mesh", func() bool { return es[2].MeshView().Reaches(e.ID()) && e.MeshView().Reaches(es[2].ID()) })
	}
	sub, err := es[2].SubscribeSync(within(t), []string{"/t"}, QueueLimit{Messages: 64, FlowControl: true})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for _, e := range from {
		poll(t, "the way", func() bool { return len(e.Flows()) == 1 && len(e.MeshView().Route(e.ID(), e.ID(), "/t")) == 2 })
		for k := range publishers {
			running.Go(func() {
				p := e.NewPublisher("/t", PublisherOptions{})
				for i := range each {
					if err := p.Publish(context.Background(), data.Vector(data.Count(uint64(k)), data.Count(uint64(i)))); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	type source struct {
		origin    endpointID
		publisher uint64
	}
	next := make(map[source]uint64)
	for range len(from) * publishers * each {
		m := get(t, sub)
		k, _ := m.Value.Index(0)
		i, _ := m.Value.Index(1)
		s := source{origin: m.Origin}
		s.publisher, _ = k.AsCount()
		if got, _ := i.AsCount(); got != next[s] {
			t.Fatalf("message %d of %v, want %d", got, s, next[s])
		}
		next[s]++
	}
	running.Wait()
	if sub.Dropped() > 0 || sub.Available() > 0 {
		t.Errorf("%d dropped, %d more", sub.Dropped(), sub.Available())
	}
}
