// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"testing"
)

// BenchmarkFlowControl sends from node to node, and over two more, to a subscriber that waits with its peer and to one that grants
// credit, with windows of several sizes.
func BenchmarkFlowControl(b *testing.B) {
	for _, hops := range []int{1, 3} {
		for _, limit := range []QueueLimit{wait, {FlowControl: true}, {Messages: 4096, FlowControl: true}, {Messages: 256, FlowControl: true}} {
			name := fmt.Sprintf("hops=%d/window=%d", hops, limit.forSubscriber().Messages)
			if !limit.FlowControl {
				name = fmt.Sprintf("hops=%d/without", hops)
			}
			b.Run(name, func(b *testing.B) { benchFlow(b, hops, limit) })
		}
	}
}

func benchFlow(b *testing.B, hops int, limit QueueLimit) {
	last := endpoint(b, Options{})
	first := last
	for range hops {
		next := endpoint(b, Options{PeerQueue: QueueLimit{Messages: 1 << 30, Bytes: 1 << 30}})
		connect(b, next, first)
		first = next
	}
	sub, err := last.Subscribe([]string{"/bench"}, limit)
	if err != nil {
		b.Fatal(err)
	}
	poll(b, "the way, and a grant", func() bool {
		return len(first.MeshView().Route(first.ID(), first.ID(), "/bench")) == hops && (!limit.FlowControl || len(first.Flows()) == 1)
	})
	through(b, first, sub)
	if d := sub.Dropped(); d > 0 {
		b.Errorf("%d dropped", d)
	}
}
