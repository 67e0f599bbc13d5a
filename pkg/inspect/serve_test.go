// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// patience bounds every wait of tests with real endpoints.
const patience = 30 * time.Second

func open(t *testing.T, o broker.Options) *broker.Endpoint {
	t.Helper()
	e, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		e.Close(ctx)
	})
	return e
}

func connect(t *testing.T, ctx context.Context, from, to *broker.Endpoint) {
	t.Helper()
	address, err := to.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Peer(ctx, address.String(), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A client at one end of a row of nodes asks the node at the other end.
func TestOverHops(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var nodes []*broker.Endpoint
	for i, name := range []string{"a", "b", "c"} {
		e := open(t, broker.Options{})
		s, err := Serve(e, Info{Node: name, Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		if nodes = append(nodes, e); i > 0 {
			connect(t, ctx, nodes[i-1], e)
		}
	}
	if _, err := nodes[2].Subscribe([]string{"/news"}, broker.QueueLimit{}); err != nil {
		t.Fatal(err)
	}
	leaf := open(t, broker.Options{Forward: broker.ForwardNone})
	connect(t, ctx, leaf, nodes[0])
	c, err := NewClient(leaf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	far := nodes[2].ID()
	r, err := c.Report(ctx, far)
	if err != nil || r.ID != far || r.Node != "c" || len(r.Consumers) != 1 || r.Consumers[0].Prefixes[0] != "/news" || len(r.Peers) != 1 || r.Peers[0].ID != nodes[1].ID() {
		t.Fatalf("%+v, %v", r, err)
	}
	if clock, err := c.Ping(ctx, far); err != nil || clock.RTT <= 0 || clock.Ahead.Abs() > time.Minute {
		t.Errorf("%+v, %v", clock, err)
	}
	waitFor(t, ctx, "the route to the subscriber", func() bool {
		route, err := c.Route(ctx, nodes[0].ID(), "/news/1", data.EndpointID{}, data.EndpointID{})
		return err == nil && len(route.Steps) == 2 && route.Steps[1].To == far && route.Steps[1].Wants && route.Entering == nodes[0].ID()
	})
	if _, err := c.Route(ctx, far, "/news", data.EndpointID{9}, data.EndpointID{}); err == nil {
		t.Error("a route from a node that nobody knows")
	}
	testFlow(t, ctx, c, nodes)
	testTrace(t, ctx, c, nodes)
	testTap(t, ctx, c, nodes)
}

// testFlow subscribes under flow control at one end, and asks the node at the other end about it.
func testFlow(t *testing.T, ctx context.Context, c *Client, nodes []*broker.Endpoint) {
	t.Helper()
	s, err := nodes[0].SubscribeSync(ctx, []string{"/slow"}, broker.QueueLimit{Messages: 64, FlowControl: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	waitFor(t, ctx, "a flow with credit", func() bool {
		r, err := c.Report(ctx, nodes[2].ID())
		return err == nil && len(r.Flows) == 1 && r.Flows[0].Subscriber == nodes[0].ID() && slices.Equal(r.Flows[0].Prefixes, []string{"/slow"}) &&
			r.Flows[0].Credit > 0 && r.Flows[0].CreditBytes > 0 && r.Flows[0].StalledSince == nil && r.Flows[0].DroppedSince == nil
	})
}

// testTrace publishes at the first node and looks at what the last recorded.
func testTrace(t *testing.T, ctx context.Context, c *Client, nodes []*broker.Endpoint) {
	t.Helper()
	far := nodes[2].ID()
	begun, err := c.Trace(ctx, far, "/news", math.MaxUint64)
	if err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Publish("/news/2", data.Count(1)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, ctx, "the record of the message", func() bool {
		tr, err := c.Trace(ctx, far, "/news", begun.Next)
		return err == nil && len(tr.Records) == 1 && tr.Records[0].Topic == "/news/2" && tr.Records[0].Origin == nodes[0].ID() &&
			tr.Records[0].From == nodes[1].ID() && tr.Records[0].Delivered == 1
	})
}

// testTap asks for times, which all nodes come to know of.
func testTap(t *testing.T, ctx context.Context, c *Client, nodes []*broker.Endpoint) {
	t.Helper()
	if nodes[2].MeshView().Times {
		t.Error("times were asked for before anybody did")
	}
	if err := c.Tap(ctx, nodes[0].ID()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, ctx, "times in the far node's view", func() bool { return nodes[2].MeshView().Times })
}

// waitFor asks until something holds.
func waitFor(t *testing.T, ctx context.Context, what string, holds func() bool) {
	t.Helper()
	for retry := time.NewTicker(5 * time.Millisecond); !holds(); {
		select {
		case <-retry.C:
		case <-ctx.Done():
			t.Fatalf("no %s: %v", what, ctx.Err())
		}
	}
}

func TestTape(t *testing.T) {
	var events []broker.TraceEvent
	missed, ended := uint64(0), 0
	tp := tape{
		take: func() ([]broker.TraceEvent, uint64) {
			e, m := events, missed
			events, missed = nil, 0
			return e, m
		},
		end: func() { ended++ },
	}
	add := func(n int) {
		for range n {
			events = append(events, broker.TraceEvent{Topic: "/t", Lost: true, Cause: broker.DropTTL, To: make([]data.EndpointID, maxReceivers+1)})
		}
	}
	add(3)
	if tr := tp.since(1); tr.Next != 3 || len(tr.Records) != 2 || tr.Lost != 0 || tr.Records[0].Dropped != "ttl" || len(tr.Records[0].To) != maxReceivers || tr.Records[0].Receivers != maxReceivers+1 {
		t.Errorf("%+v", tr)
	}
	if tr := tp.since(math.MaxUint64); tr.Next != 3 || len(tr.Records) != 0 {
		t.Errorf("only later ones: %+v", tr)
	}
	missed = 10
	add(2)
	if tr := tp.since(3); tr.Next != 15 || tr.Lost != 10 || len(tr.Records) != 2 {
		t.Errorf("after a loss: %+v", tr)
	}
	for range 10 {
		add(1000)
		tp.since(0)
	}
	if tr := tp.since(0); len(tp.records) != tapeLength || len(tr.Records) != tapePiece || tr.Next != 10015-tapeLength+tapePiece || tr.Lost != 10015-tapeLength {
		t.Errorf("%d kept; next %d, lost %d", len(tp.records), tr.Next, tr.Lost)
	}
	tp.stop()
	if ended != 1 {
		t.Error("not ended")
	}
}

func TestPeerOf(t *testing.T) {
	p := PeerOf(broker.PeerInfo{State: broker.Peered, Class: broker.ClassForeign, LastError: broker.PeerLost, Drops: map[broker.DropCause]uint64{broker.DropTTL: 2}, BytesIn: 5})
	if p.State != "Peered" || p.Class != "Foreign" || p.LastError != "Lost" || p.Drops["ttl"] != 2 || p.BytesIn != 5 {
		t.Errorf("%+v", p)
	}
	if !slices.Equal([]string{leafClass(1), leafClass(2), leafClass(3), leafClass(9)}, []string{"Node", "Client", "Foreign", "Unknown"}) {
		t.Error("names of classes")
	}
}
