// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

func TestRefusedPublications(t *testing.T) {
	e := endpoint(t, Options{MaxFrame: 1000})
	deep := data.None()
	for range data.MaxDepth + 1 {
		deep = data.Vector(deep)
	}
	sub := rawDial(t, tcp(t, listening(t, e)), e, "")
	poll(t, "the peer", func() bool { return e.Stats().Peers == 1 })
	for _, c := range []struct {
		topic string
		v     data.Value
		want  error
	}{
		{"", data.None(), ErrTopic}, {"<$>", data.None(), ErrTopic}, {"<$>/local/data/errors", data.None(), ErrTopic},
		{strings.Repeat("x", 65536), data.None(), ErrTopic}, {"/t", deep, ErrValue}, {"/t", data.String(strings.Repeat("x", 1000)), ErrValue},
	} {
		if err := e.Publish(c.topic, c.v); !errors.Is(err, c.want) {
			t.Errorf("Publish(%.20q): %v, want %v", c.topic, err, c.want)
		}
		if err := e.PublishTo(sub.id, c.topic, c.v); !errors.Is(err, c.want) {
			t.Errorf("PublishTo(%.20q): %v, want %v", c.topic, err, c.want)
		}
		if err := e.NewPublisher(c.topic, PublisherOptions{}).Publish(t.Context(), c.v); !errors.Is(err, c.want) {
			t.Errorf("Publisher(%.20q): %v, want %v", c.topic, err, c.want)
		}
	}
	if err := e.PublishTo(data.EndpointID{5}, "/t", data.None()); !errors.Is(err, code.NoPathToPeer) {
		t.Errorf("PublishTo: %v", err)
	}
	if _, err := New(Options{PeerQueue: QueueLimit{Overflow: OverflowWait}}); err == nil {
		t.Error("a peer's queue that waits was accepted")
	}
	for _, address := range []string{"", "host", "host:0", "host:70000", "host:x", ":9999"} {
		if err := e.PeerAsync(address, PeerOptions{}); err == nil {
			t.Errorf("PeerAsync(%q) was accepted", address)
		}
	}
}

// TestHasLocal: it looks at the endpoint's own subscribers, and at their topics.
func TestHasLocal(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	connect(t, a, b)
	subscribe(t, b, "/1")
	s, _ := a.Subscribe([]string{"/2"}, QueueLimit{})
	for topic, want := range map[string]bool{"/1": false, "/2": true, "/2/3": true, "/": false} {
		if got := a.HasLocal(topic); got != want {
			t.Errorf("%s: %v", topic, got)
		}
	}
	s.Close()
	if a.HasLocal("/2") {
		t.Error("nobody subscribes any more")
	}
}

// TestVisibility has the rows of routing.md 3.1 that exist so far: what this endpoint publishes is not for its own subscribers.
func TestVisibility(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	own, _ := a.Subscribe([]string{"/"}, QueueLimit{})
	connect(t, a, b)
	peer := subscribe(t, b, "/")
	publish(t, a, "/1", data.None())
	a.PublishLocal("/2", data.None())
	if err := a.PublishTo(a.ID(), "/3", data.None()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "/4", data.None())
	for _, want := range []string{"/2", "/3", "/4"} {
		if m := get(t, own); m.Topic != want {
			t.Errorf("own subscriber: %q, want %q", m.Topic, want)
		}
	}
	if m := get(t, peer); m.Topic != "/1" {
		t.Errorf("peer: %q", m.Topic)
	}
	if peer.Available() != 0 {
		t.Error("the peer got a local message")
	}
}

// TestEvents checks code, context and text of each event, and their order around the messages.
func TestEvents(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	all, _ := b.Subscribe([]string{topic.Statuses, topic.Errors, "/t"}, QueueLimit{})
	events, _ := a.SubscribeStatus(false)
	addr := listening(t, b)
	if _, err := a.Peer(within(t), addr, PeerOptions{Retry: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	publish(t, a, "/t", data.Count(1))
	if err := a.Unpeer(within(t), addr); err != nil {
		t.Fatal(err)
	}
	id := b.ID().String()
	for _, want := range []string{
		fmt.Sprintf("endpoint_discovered(%s, \"found a new peer in the network\")", id),
		fmt.Sprintf("peer_added(%s, %s, \"handshake successful\")", id, addr),
		fmt.Sprintf("peer_removed(%s, %s, \"removed connection to remote peer\")", id, addr),
		fmt.Sprintf("endpoint_unreachable(%s, \"lost the last path\")", id),
	} {
		ev, err := events.Get(within(t))
		if err != nil || ev.String() != want || ev.Error || ev.ID != b.ID() || strings.HasPrefix(want, "peer_") && ev.Retry != 2*time.Second {
			t.Errorf("event %+v, %v; want %s", ev, err, want)
		}
	}
	for _, want := range []string{"endpoint_discovered", "peer_added", "", "peer_lost", "endpoint_unreachable"} {
		m := get(t, all)
		ev, err := ParseStatus(m.Value)
		if want == "" && m.Topic != "/t" || want != "" && (err != nil || ev.Code != want) {
			t.Errorf("got %+v, want %q", m, want)
		}
	}
	if err := a.Unpeer(within(t), addr); !errors.Is(err, code.PeerInvalid) {
		t.Errorf("Unpeer: %v", err)
	}
	ev, _ := events.Get(within(t))
	if want := fmt.Sprintf("peer_invalid(%s, \"cannot unpeer from unknown peer\")", addr); ev.String() != want || !ev.Error {
		t.Errorf("event %+v", ev)
	}
	if err := a.UnpeerID(within(t), data.EndpointID{1}); !errors.Is(err, code.PeerInvalid) {
		t.Errorf("UnpeerID: %v", err)
	}
	b.Close(within(t))
	if _, err := a.Peer(within(t), addr, PeerOptions{}); err == nil {
		t.Error("peered with a closed endpoint")
	}
	events.Get(within(t)) // of UnpeerID
	if ev, _ := events.Get(within(t)); ev.String() != fmt.Sprintf("peer_unavailable(%s, \"unable to connect to remote peer\")", addr) {
		t.Errorf("event %+v", ev)
	}
}

// TestErrorClasses dials what can't be peered with.
func TestErrorClasses(t *testing.T) {
	e := endpoint(t, Options{})
	addr := listening(t, e)
	answer := func(text string) string {
		l := listenTCP(t)
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				c.Write([]byte(text))
				c.Close()
			}
		}()
		return l.Addr().String()
	}
	free := listenTCP(t)
	free.Close()
	for _, c := range []struct {
		address string
		want    PeerErrorClass
	}{
		{free.Addr().String(), PeerRefused}, {addr, PeerIncompatible}, {"no-such-host.invalid:9999", PeerUnreachable},
		{answer(""), PeerRefused}, {answer("HTTP/1.1 400 Bad Request\r\n"), PeerIncompatible}, {answer("GET / HTTP/1.1"), PeerIncompatible},
		{answer("\x00\x00\x00\x00\x00\x00\x00\x20"), PeerIncompatible}, {answer("\x15\x03\x01\x00\x02\x02\x46"), PeerTLSFailed},
	} {
		if err := e.PeerAsync(c.address, PeerOptions{Retry: time.Hour, Name: "x"}); err != nil {
			t.Fatal(err)
		}
		until(t, e, c.address+" "+string(c.want), func() bool {
			p := e.Peers()
			return len(p) == 1 && p[0].LastError == c.want && p[0].State == Disconnected && p[0].Name == "x"
		})
		if err := e.Unpeer(within(t), c.address); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStrangers connect to the port of an endpoint: HTTP and TLS are closed at once.
func TestStrangers(t *testing.T) {
	e := endpoint(t, Options{})
	addr := listening(t, e)
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "\x00\x00\x00\x00"} {
		c := tcp(t, addr)
		c.Write([]byte(text))
		c.SetReadDeadline(time.Now().Add(patience / 4))
		var got bytes.Buffer
		if _, err := got.ReadFrom(c); err != nil && !errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%q: %v", text, err)
		}
		if got.Len() > 9 { // the probe
			t.Errorf("%q was answered with %q", text, got.Bytes())
		}
	}
}

// TestStoreBus carries commands between stores of different endpoints and of the same one.
func TestStoreBus(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	box := func(e *Endpoint, topic string) chan string {
		ch := make(chan string, 100)
		detach, err := e.AttachStore(topic, func(p []byte) { ch <- string(p) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(detach)
		return ch
	}
	want := func(ch chan string, text string) {
		t.Helper()
		select {
		case got := <-ch:
			if got != text {
				t.Errorf("got %.20q, want %.20q", got, text)
			}
		case <-time.After(patience):
			t.Fatalf("%.20q did not come", text)
		}
	}
	masters, clones, local := box(a, topic.Master("s")), box(b, topic.Clone("s")), box(a, topic.Clone("s"))
	connect(t, b, a)
	if err := b.syncPeers(within(t)); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 100_000)
	for _, payload := range []string{"one", large} {
		send := func(e *Endpoint, topic string, to data.EndpointID) {
			t.Helper()
			buf := []byte(payload)
			if err := e.SendCommand(topic, to, buf); err != nil {
				t.Fatal(err)
			}
			clear(buf) // may be used again
		}
		send(b, topic.Master("s"), data.EndpointID{})
		want(masters, payload)
		send(a, topic.Clone("s"), data.EndpointID{})
		want(clones, payload)
		want(local, payload)
		send(a, topic.Clone("s"), b.ID())
		want(clones, payload)
		send(a, topic.Clone("s"), a.ID())
		want(local, payload)
		each := []byte(payload)
		if err := a.SendCommandEach(topic.Clone("s"), []data.EndpointID{{7}, a.ID(), b.ID()}, each); !errors.Is(err, code.NoPathToPeer) {
			t.Errorf("to somebody unknown: %v", err)
		}
		clear(each)
		want(clones, payload)
		want(local, payload)
		if err := a.SendCommandEach(topic.Clone("s"), []data.EndpointID{a.ID(), b.ID()}, []byte(payload)); err != nil {
			t.Error(err)
		}
		want(clones, payload)
		want(local, payload)
	}
	if err := a.SendCommand(topic.Clone("s"), data.EndpointID{7}, []byte("x")); !errors.Is(err, code.NoPathToPeer) {
		t.Errorf("SendCommand: %v", err)
	}
	if len(clones)+len(local)+len(masters) != 0 {
		t.Error("commands came more often than they were sent")
	}
}

// TestLargeMessages are shared between queues and subscribers.
func TestLargeMessages(t *testing.T) {
	ms := meshOf(t, []string{"client", "node", "client", "client"}, [2]int{0, 1}, [2]int{2, 1}, [2]int{3, 1})
	for _, n := range []int{1000, 5000, 100_000, 3_000_000} {
		v := data.String(strings.Repeat("x", n))
		publish(t, ms[0].e, "/m", v)
		for _, m := range ms[1:] {
			if got := get(t, m.sub); !data.Equal(got.Value, v) {
				t.Errorf("%d bytes arrived as %d", n, got.Value.BinarySize())
			}
		}
	}
}

// TestBadPayload never gets past the node where it enters, and the connection stays.
func TestBadPayload(t *testing.T) {
	ms := meshOf(t, []string{"node", "client"}, [2]int{1, 0})
	r := rawDial(t, tcp(t, listening(t, ms[0].e)), ms[0].e)
	for _, name := range []string{"/m", "/elsewhere"} {
		for _, payload := range [][]byte{{}, {99}, {0, 0}, {14, 1}, bytes.Repeat([]byte{14, 1}, 3000)} {
			r.send(wire.TypeData, name, payload)
		}
	}
	r.send(wire.TypeData, "/m", []byte{1, 1})
	for _, m := range ms {
		if got := get(t, m.sub); !data.Equal(got.Value, data.Boolean(true)) {
			t.Errorf("%s got %+v", m.name, got)
		}
	}
	if n := ms[0].e.Stats().Dropped[DropPayload]; n != 10 {
		t.Errorf("%d drops counted, want 10", n)
	}
}

// TestOverflowDisconnect cuts off a peer that does not read, and dials it again.
func TestOverflowDisconnect(t *testing.T) {
	e := endpoint(t, Options{PlainProtocol: true, PeerQueue: QueueLimit{Messages: 10}})
	events, _ := e.SubscribeStatus(false)
	l := listenTCP(t)
	if err := e.PeerAsync(l.Addr().String(), PeerOptions{Retry: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		rawDial(t, c, e, "/t")
		if err := e.AwaitPeer(within(t), data.EndpointID{0xff, 0xff, 0xff, 0xff, 1}); err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			break
		}
		filler := data.String(strings.Repeat("x", 200_000))
		poll(t, "the overflow", func() bool {
			publish(t, e, "/t", filler)
			return e.Stats().Peers == 0
		})
		var last StatusEvent
		for last.Code != "peer_removed" {
			if last, err = events.Get(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		if last.Message != "removed connection to remote peer (caf::sec::backpressure_overflow)" {
			t.Errorf("event %v", last)
		}
		if p := e.Peers(); len(p) != 1 || p[0].LastError != PeerOverflow {
			t.Errorf("peers: %+v", p)
		}
	}
}

// TestPublisherContext stops waiting when the context ends.
func TestPublisherContext(t *testing.T) {
	e := endpoint(t, Options{PlainProtocol: true, PeerQueue: QueueLimit{Messages: 10}})
	rawDial(t, tcp(t, listening(t, e)), e, "/t")
	poll(t, "the peer", func() bool { return e.Stats().Peers == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p := e.NewPublisher("/t", PublisherOptions{})
	var err error
	for v := data.String(strings.Repeat("x", 200_000)); err == nil; {
		err = p.Publish(ctx, v)
	}
	if !errors.Is(err, context.DeadlineExceeded) || e.Stats().Peers != 1 {
		t.Errorf("%v, %d peers", err, e.Stats().Peers)
	}
	if err := e.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Flush: %v", err)
	}
}

// TestFlush returns when everything has been written.
func TestFlush(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	sub, _ := b.Subscribe([]string{"/t"}, QueueLimit{})
	connect(t, a, b)
	for range 100 {
		for range 50 {
			publish(t, a, "/t", data.None())
		}
		if err := a.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
		if p := a.Peers()[0]; p.QueuedMessages != 0 || p.QueuedBytes != 0 {
			t.Fatalf("after Flush: %+v", p)
		}
	}
	for range 5000 {
		get(t, sub)
	}
}

// TestCloseDelivers writes what was published before Close.
func TestCloseDelivers(t *testing.T) {
	for range 20 {
		a, b := endpoint(t, Options{}), endpoint(t, Options{})
		sub, _ := b.Subscribe([]string{"/t"}, QueueLimit{})
		connect(t, a, b)
		for range 1000 {
			publish(t, a, "/t", data.None())
		}
		if err := a.Close(within(t)); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			get(t, sub)
		}
		if err := a.Publish("/t", data.None()); !errors.Is(err, ErrClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
		if _, err := a.Listen("127.0.0.1:0"); !errors.Is(err, ErrClosed) {
			t.Errorf("Listen after Close: %v", err)
		}
		if _, err := a.Subscribe(nil, QueueLimit{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Subscribe after Close: %v", err)
		}
		if err := a.PeerAsync("127.0.0.1:1", PeerOptions{}); !errors.Is(err, ErrClosed) {
			t.Errorf("PeerAsync after Close: %v", err)
		}
		if err := a.AwaitPeer(within(t), b.ID()); !errors.Is(err, ErrClosed) {
			t.Errorf("AwaitPeer after Close: %v", err)
		}
	}
}

// TestNoLeaks opens and closes endpoints with everything that they can have and counts goroutines.
func TestNoLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		a, _ := New(Options{})
		b, _ := New(Options{})
		c, _ := New(Options{})
		addr := listening(t, b)
		listening(t, b)
		for _, e := range []*Endpoint{a, c} {
			if _, err := e.Peer(within(t), addr, PeerOptions{Retry: time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		a.PeerAsync("127.0.0.1:1", PeerOptions{})
		a.PeerAsync("no-such-host.invalid:1", PeerOptions{})
		a.AttachStore("s", func([]byte) {})
		a.Subscribe([]string{""}, QueueLimit{})
		stranger := tcp(t, addr)
		var closing sync.WaitGroup
		for _, e := range []*Endpoint{a, b, c, b} {
			closing.Go(func() { e.Close(within(t)) })
		}
		closing.Wait()
		stranger.Close()
	}
	poll(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+1 })
}

// TestCrossingDials has two endpoints dial each other at once, again and again: one connection is left, both addresses are served.
func TestCrossingDials(t *testing.T) {
	for range 20 {
		a, b := endpoint(t, Options{}), endpoint(t, Options{})
		atA, atB := listening(t, a), listening(t, b)
		a.PeerAsync(atB, PeerOptions{Retry: time.Second})
		b.PeerAsync(atA, PeerOptions{Retry: time.Second})
		for _, pair := range [][2]*Endpoint{{a, b}, {b, a}} {
			if err := pair[0].AwaitPeer(within(t), pair[1].ID()); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range []*Endpoint{a, b} {
			until(t, e, "one peer", func() bool { p := e.Peers(); return len(p) == 1 && p[0].State == Peered && p[0].Dialed })
		}
		sub := subscribe(t, b, "/t")
		publish(t, a, "/t", data.None())
		get(t, sub)
		b.syncPeers(within(t))
		if sub.Available() != 0 {
			t.Error("the message came twice")
		}
	}
}

// TestConcurrentUse lets goroutines do everything at once; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	hub := endpoint(t, Options{})
	addr := listening(t, hub)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			e, err := New(Options{Forward: ForwardMode(i % 3)})
			if err != nil {
				t.Error(err)
				return
			}
			for n := range 10 {
				if _, err := e.Peer(within(t), addr, PeerOptions{Retry: 50 * time.Millisecond}); err != nil {
					t.Error(err)
				}
				s, _ := e.Subscribe([]string{fmt.Sprintf("/%d", n)}, QueueLimit{})
				for k := range 50 {
					e.Publish(fmt.Sprintf("/%d", k%5), data.Count(uint64(k)))
				}
				s.SetPrefixes([]string{"/x"})
				e.Peers()
				e.Stats()
				s.Close()
				if n%3 == 0 {
					e.Unpeer(within(t), addr)
				}
			}
			e.Close(within(t))
		})
	}
	for n := range 100 {
		hub.Publish(fmt.Sprintf("/%d", n%5), data.Count(uint64(n)))
		hub.Peers()
	}
	all.Wait()
}
