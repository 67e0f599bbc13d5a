// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// reader subscribes at a node's port under flow control.
func reader(t *testing.T, n *Node, room int) (*broker.Endpoint, *broker.Subscriber) {
	t.Helper()
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	if _, err := e.Peer(ctx, port(t, n, portBroker), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := e.SubscribeSync(ctx, []string{"/t"}, broker.QueueLimit{Messages: room, FlowControl: true})
	if err != nil {
		t.Fatal(err)
	}
	return e, s
}

// until looks at the status again and again: flows don't advance its generation.
func until(t *testing.T, n *Node, what string, wanted func(statusapi.Status) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for retry := time.NewTicker(5 * time.Millisecond); !wanted(n.Status()); {
		select {
		case <-retry.C:
		case <-ctx.Done():
			t.Fatalf("%s: it never came to that: %+v", what, n.Status().Flows)
		}
	}
}

// TestFlows: a subscriber that holds the node's publishers up is seen in the status and in the metrics.
func TestFlows(t *testing.T) {
	n := newNode(t, "")
	apply(t, n, config("a"))
	e, s := reader(t, n, 4)
	generation := n.Status().Generation
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n.mu.Lock()
	to := n.mu.engine.endpoint.NewPublisher("/t/x", broker.PublisherOptions{})
	n.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		for range 20 {
			if err := to.Publish(ctx, data.Count(1)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	until(t, n, "a stalled flow", func(s statusapi.Status) bool {
		return len(s.Flows) == 1 && s.Flows[0].Subscriber == e.ID().String() && s.Flows[0].StalledSince != nil && s.Flows[0].Sent == 4 && s.Flows[0].Credit == 0
	})
	if got := n.Status().Generation; got != generation {
		t.Errorf("flows advance the generation from %d to %d", generation, got)
	}
	_, text := get(t, n, "/metrics")
	for _, line := range []string{
		"broker_flows 1", "broker_flows_dropped_total 0", `broker_flow_credit_messages{subscriber="` + e.ID().String() + `"} 0`,
		`broker_flow_counted{subscriber="` + e.ID().String() + `"} 1`, `broker_flow_sent_messages{subscriber="` + e.ID().String() + `"} 4`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %q in the metrics", line)
		}
	}
	for range 20 {
		if _, err := s.Get(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
	until(t, n, "no flow", func(s statusapi.Status) bool { return len(s.Flows) == 0 })
}

// TestIgnoreFlowControl: a node that is told to doesn't wait for subscribers elsewhere.
func TestIgnoreFlowControl(t *testing.T) {
	n := newNode(t, "")
	c := config("a")
	c.Queues = &nodeconfig.Queues{FlowControl: nodeconfig.FlowControlIgnore}
	apply(t, n, c)
	_, s := reader(t, n, 4)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n.mu.Lock()
	to := n.mu.engine.endpoint.NewPublisher("/t/x", broker.PublisherOptions{})
	n.mu.Unlock()
	for range 100 {
		if err := to.Publish(ctx, data.Count(1)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, n, "messages that found no room", func(s2 statusapi.Status) bool { return s.Dropped() == 96 && len(s2.Flows) == 0 })
}

// TestUrgentFlows: the status is bounded and names those first that somebody should look at.
func TestUrgentFlows(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	all := []broker.Flow{
		{Prefixes: []string{"open"}, Counted: true},
		{Prefixes: []string{"given up"}, DroppedSince: at, StalledSince: at},
		{Prefixes: []string{"stalled"}, Counted: true, StalledSince: at.Add(time.Second)},
		{Prefixes: []string{"stalled longer"}, Counted: true, StalledSince: at},
	}
	for range 2 * statusapi.MaxFlows {
		all = append(all, broker.Flow{Prefixes: []string{"more"}, Counted: true})
	}
	got := flowsStatus(all)
	if len(got) != statusapi.MaxFlows {
		t.Fatalf("%d flows", len(got))
	}
	for i, want := range []string{"stalled longer", "stalled", "given up", "open", "more"} {
		if got[i].Prefixes[0] != want {
			t.Errorf("%d: %s, want %s", i, got[i].Prefixes[0], want)
		}
	}
	if got[0].StalledSince == nil || got[0].DroppedSince != nil || got[2].DroppedSince == nil || got[3].StalledSince != nil {
		t.Errorf("%+v", got[:4])
	}
}
