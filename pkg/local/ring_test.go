// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestRing publishes at each node of the ring, in which every two nodes have several paths between them, and takes it at all the others:
// each message once, and in order.
func TestRing(t *testing.T) {
	m := start(t, sample(t, "ring.yaml"), Options{})
	awaitVerdict(t, m, "everything ready", allReady)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	const messages = 50
	pods := []string{"north-0", "east-0", "south-0", "west-0"}
	ends := make(map[string]*broker.Endpoint)
	subs := make(map[string]*broker.Subscriber)
	for _, pod := range pods {
		ends[pod] = client(t, m, pod)
		sub, err := ends[pod].SubscribeSync(ctx, []string{"/ring"}, broker.QueueLimit{})
		if err != nil {
			t.Fatal(err)
		}
		subs[pod] = sub
	}
	// The wants of all four have to travel round the ring first: whoever publishes hears a call of everybody else.
	for _, from := range pods {
		awaitCall(ctx, t, ends[from], subs, from)
	}
	for _, from := range pods {
		for n := range messages {
			if err := ends[from].Publish("/ring/"+from, data.Count(uint64(n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, at := range pods {
		next := make(map[string]uint64)
		for range messages * (len(pods) - 1) {
			msg, err := nextOf(ctx, subs[at])
			if err != nil {
				t.Fatalf("%s has received %v: %v", at, next, err)
			}
			if n, _ := msg.Value.AsCount(); n != next[msg.Topic] {
				t.Fatalf("%s received number %d of %s after %d others", at, n, msg.Topic, next[msg.Topic])
			}
			next[msg.Topic]++
		}
		if next["/ring/"+at] != 0 {
			t.Errorf("%s received its own messages", at)
		}
	}
	// Behind everything that could still be under way comes one more call; nothing stands before it.
	for _, from := range pods {
		awaitCall(ctx, t, ends[from], subs, from)
	}
	for _, at := range pods {
		for m, ok := subs[at].Poll(); ok; m, ok = subs[at].Poll() {
			if m.Topic != "/ring/call" {
				t.Errorf("%s received %s twice", at, m.Topic)
			}
		}
	}
}

// awaitCall publishes until every other subscriber has heard it.
func awaitCall(ctx context.Context, t *testing.T, from *broker.Endpoint, subs map[string]*broker.Subscriber, name string) {
	t.Helper()
	for at, sub := range subs {
		if at == name {
			continue
		}
		for heard := false; !heard; {
			if ctx.Err() != nil {
				t.Fatalf("%s never heard %s", at, name)
			}
			if err := from.Publish("/ring/call", data.String(name)); err != nil {
				t.Fatal(err)
			}
			if _, err := from.SubscribeSync(ctx, nil, broker.QueueLimit{}); err != nil {
				t.Fatal(err)
			}
			for m, ok := sub.Poll(); ok; m, ok = sub.Poll() {
				s, _ := m.Value.AsString()
				heard = heard || s == name
				if m.Topic != "/ring/call" {
					t.Fatalf("%s received %s twice", at, m.Topic)
				}
			}
		}
	}
}

// nextOf is the next message that is no call.
func nextOf(ctx context.Context, sub *broker.Subscriber) (broker.Message, error) {
	for {
		m, err := sub.Get(ctx)
		if err != nil || m.Topic != "/ring/call" {
			return m, err
		}
	}
}
