// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// patience is how long tests wait for what must happen.
const patience = 20 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// endpoint makes an endpoint that is closed at the end of the test.
func endpoint(t testing.TB, o Options) *Endpoint {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(within(t)) })
	return e
}

func listening(t testing.TB, e *Endpoint) string {
	t.Helper()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

// connect peers two endpoints and waits until both know it.
func connect(t testing.TB, from, to *Endpoint) string {
	t.Helper()
	addr := listening(t, to)
	id, err := from.Peer(within(t), addr, PeerOptions{})
	if err != nil || id != to.ID() {
		t.Fatalf("Peer: %v, %v", id, err)
	}
	if err := to.AwaitPeer(within(t), from.ID()); err != nil {
		t.Fatal(err)
	}
	return addr
}

func subscribe(t testing.TB, e *Endpoint, prefixes ...string) *Subscriber {
	t.Helper()
	s, err := e.SubscribeSync(within(t), prefixes, QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t testing.TB, s *Subscriber) Message {
	t.Helper()
	m, err := s.Get(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// until waits for a condition on the peers of an endpoint.
func until(t testing.TB, e *Endpoint, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		news := e.Changed()
		if ok() {
			return
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("not in time: %s; peers: %+v", what, e.Peers())
		}
	}
}

func publish(t testing.TB, e *Endpoint, topic string, v data.Value) {
	t.Helper()
	if err := e.Publish(topic, v); err != nil {
		t.Fatal(err)
	}
}

func TestPublishSubscribe(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	early, err := b.Subscribe([]string{"/early"}, QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	addr := connect(t, a, b)
	late := subscribe(t, b, "/late", "/late/covered")
	for i := range 1000 {
		publish(t, a, "/early/x", data.Count(uint64(i)))
		publish(t, a, "/late", data.String(fmt.Sprint(i)))
		publish(t, a, "/nobody", data.None())
	}
	for i := range 1000 {
		if m := get(t, early); m.Topic != "/early/x" || m.From != a.ID() || !data.Equal(m.Value, data.Count(uint64(i))) {
			t.Fatalf("message %d: %+v", i, m)
		}
		if m := get(t, late); !data.Equal(m.Value, data.String(fmt.Sprint(i))) {
			t.Fatalf("message %d: %+v", i, m)
		}
	}
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	infos := a.Peers()
	if len(infos) != 1 || infos[0].Address != addr || infos[0].ID != b.ID() || infos[0].State != Peered || infos[0].Class != ClassNode ||
		!infos[0].Dialed || !slices.Equal(infos[0].Filter, []string{"/early", "/late"}) || infos[0].Sent != 2000 {
		t.Errorf("Peers() = %+v", infos)
	}
	if err := a.Unpeer(within(t), addr); err != nil {
		t.Fatal(err)
	}
	if p := a.Peers(); len(p) != 0 {
		t.Errorf("after Unpeer: %+v", p)
	}
	until(t, b, "a is gone", func() bool { return len(b.Peers()) == 0 })
}

// poll waits for a condition that nothing announces.
func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

func tcp(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func listenTCP(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
