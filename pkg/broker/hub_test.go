// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestHubVisibility has the whole matrix of routing.md 3.1, each message once: a subscriber, hub H and another hub of one endpoint, and
// a subscriber and a hub of each of two peers.
func TestHubVisibility(t *testing.T) {
	e, p, q := endpoint(t, Options{Forward: ForwardAll}), endpoint(t, Options{}), endpoint(t, Options{PlainProtocol: true})
	connect(t, p, e)
	connect(t, q, e)
	hubOf := func(e *Endpoint) *Hub {
		h, err := e.NewHub([]string{"/"}, QueueLimit{})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h, other, peersHub := hubOf(e), hubOf(e), hubOf(p)
	watchers := []struct {
		name string
		sub  *Subscriber
	}{
		{"subscriber", subscribe(t, e, "/")}, {"other hub", other.Subscriber}, {"hub H", h.Subscriber},
		{"peer's subscriber", subscribe(t, p, "/")}, {"peer's hub", peersHub.Subscriber}, {"other peer", subscribe(t, q, "/")},
	}
	settle := func() {
		for range 3 {
			for _, e := range []*Endpoint{e, p, q} {
				if err := e.syncPeers(within(t)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	settle()
	ctx, v := within(t), data.Count(1)
	for _, c := range []struct {
		by      string
		publish func(name string) error
		want    [6]int // how often each watcher gets it
	}{
		{"endpoint", func(n string) error { return e.Publish(n, v) }, [6]int{0, 1, 1, 1, 1, 1}},
		{"publisher", func(n string) error { return e.NewPublisher(n, PublisherOptions{}).Publish(ctx, v) }, [6]int{0, 1, 1, 1, 1, 1}},
		{"hub H", func(n string) error { return h.Publish(ctx, n, v) }, [6]int{1, 1, 0, 1, 1, 1}},
		{"peer", func(n string) error { return p.Publish(n, v) }, [6]int{1, 1, 1, 0, 1, 1}},
		{"peer's hub", func(n string) error { return peersHub.Publish(ctx, n, v) }, [6]int{1, 1, 1, 1, 0, 1}},
		{"local", func(n string) error { e.PublishLocal(n, v); return nil }, [6]int{1, 1, 1, 0, 0, 0}},
		{"to another node", func(n string) error { return e.PublishTo(p.ID(), n, v) }, [6]int{0, 0, 0, 1, 1, 0}},
		{"to the own node", func(n string) error { return e.PublishTo(e.ID(), n, v) }, [6]int{1, 1, 1, 0, 0, 0}},
	} {
		if err := c.publish("/" + c.by); err != nil {
			t.Fatalf("%s: %v", c.by, err)
		}
		settle()
		for i, w := range watchers {
			n := 0
			for m, ok := w.sub.Poll(); ok; m, ok = w.sub.Poll() {
				n++
				if m.Topic != "/"+c.by || !data.Equal(m.Value, v) {
					t.Errorf("%s: %s got %+v", c.by, w.name, m)
				}
			}
			if n != c.want[i] {
				t.Errorf("published by %s: %s got it %d times, want %d", c.by, w.name, n, c.want[i])
			}
		}
	}
}

// TestHubEnds publishes no more after Close, and refuses topics as others do.
func TestHubEnds(t *testing.T) {
	e := endpoint(t, Options{})
	h, err := e.NewHub([]string{"/a"}, QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Publish(t.Context(), "<$>/x", data.None()); !errors.Is(err, ErrTopic) {
		t.Errorf("reserved topic: %v", err)
	}
	if n := e.Stats().Subscribers; n != 1 {
		t.Errorf("%d subscribers", n)
	}
	h.Close()
	if err := h.Publish(t.Context(), "/a", data.None()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := h.Get(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestHubLocalPolicies publishes to a local subscriber that takes nothing: whether that is the publisher's business is the
// subscriber's policy.
func TestHubLocalPolicies(t *testing.T) {
	e := endpoint(t, Options{})
	h, _ := e.NewHub(nil, QueueLimit{})
	for _, c := range []struct {
		full     Full
		overflow Overflow
		want     error
		dropped  uint64
	}{
		{FullFail, OverflowDropOldest, nil, 0}, {FullWait, OverflowDropNewest, nil, 0}, {FullDrop, OverflowDropOldest, nil, 0},
		{FullFail, OverflowWait, ErrFull, 0}, {FullDrop, OverflowWait, nil, 1},
	} {
		sub, _ := e.Subscribe([]string{"/t"}, QueueLimit{Messages: 2, Overflow: c.overflow})
		h.SetFull(c.full)
		before := h.DroppedOut()
		var err error
		for range 3 {
			err = h.Publish(within(t), "/t", data.Count(1))
		}
		if !errors.Is(err, c.want) || h.DroppedOut()-before != c.dropped || sub.Available() != 2 {
			t.Errorf("%+v: %v, %d dropped, %d available", c, err, h.DroppedOut()-before, sub.Available())
		}
		sub.Close()
	}
}
