// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

func connectLocal(t testing.TB, a, b *Endpoint) {
	t.Helper()
	if err := a.PeerLocal(within(t), b); err != nil {
		t.Fatal(err)
	}
}

// TestPeerLocal sends everything that can be sent in both directions, and ends with the closing handshake.
func TestPeerLocal(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	early, _ := b.Subscribe([]string{"/early"}, QueueLimit{})
	all, _ := b.Subscribe([]string{topic.Statuses, "/late"}, QueueLimit{})
	events, _ := a.SubscribeStatus(false)
	connectLocal(t, a, b)
	connectLocal(t, a, b) // changes nothing
	connectLocal(t, b, a)
	publish(t, a, "/early", data.Count(1)) // the peer knows what is wanted
	if m := get(t, early); m.From != a.ID() || !data.Equal(m.Value, data.Count(1)) {
		t.Errorf("got %+v", m)
	}
	for _, pair := range [][2]*Endpoint{{a, b}, {b, a}} {
		from, to := pair[0], pair[1]
		info := from.Peers()
		if len(info) != 1 || info[0].ID != to.ID() || info[0].State != Peered || info[0].Class != ClassNode || !info[0].Local || info[0].Address != "local" {
			t.Errorf("peers %+v", info)
		}
		sub := subscribe(t, to, "/t")
		text := strings.Repeat("x", 10_000)
		publish(t, from, "/t/large", data.String(text))
		m := get(t, sub)
		got, _ := m.Value.AsString()
		if m.Topic != "/t/large" || m.From != from.ID() || m.Origin != from.ID() || m.Hops != 1 || unsafe.StringData(got) != unsafe.StringData(text) {
			t.Errorf("got %q from %v: it was copied, or is another one", m.Topic, m.From)
		}
		hub, _ := to.NewHub([]string{"/t"}, QueueLimit{})
		for i := range 100 {
			if err := from.NewPublisher("/t", PublisherOptions{}).Publish(within(t), data.Count(uint64(i))); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			for _, s := range []*Subscriber{sub, hub.Subscriber} {
				if m := get(t, s); count(m) != uint64(i) {
					t.Fatalf("got %v, want %d", m.Value, i)
				}
			}
		}
		hub.Close()
		buf := data.Count(7).AppendBinary(nil)
		if err := from.PublishBytes("/t", buf); err != nil {
			t.Fatal(err)
		}
		clear(buf)
		if err := from.PublishTo(to.ID(), "/t/only", data.Count(8)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []uint64{7, 8} {
			if m := get(t, sub); count(m) != want {
				t.Errorf("got %v, want %d", m.Value, want)
			}
		}
		if err := from.Flush(within(t)); err != nil {
			t.Error(err)
		}
		sub.Close()
	}
	poll(t, "the round trip", func() bool { return a.Peers()[0].RTT > 0 })
	publish(t, a, "/late", data.None())
	if err := a.UnpeerID(within(t), b.ID()); err != nil {
		t.Fatal(err)
	}
	id := b.ID().String()
	for _, want := range []string{`endpoint_discovered(` + id + `, "found a new peer in the network")`, `peer_added(` + id + `, "handshake successful")`,
		`peer_removed(` + id + `, "removed connection to remote peer")`, `endpoint_unreachable(` + id + `, "lost the last path")`} {
		if ev, err := events.Get(within(t)); err != nil || ev.String() != want {
			t.Errorf("event %v, %v; want %s", ev, err, want)
		}
	}
	for _, want := range []string{"endpoint_discovered", "peer_added", "", "peer_lost", "endpoint_unreachable"} {
		m := get(t, all)
		if ev, err := ParseStatus(m.Value); want == "" && m.Topic != "/late" || want != "" && (err != nil || ev.Code != want) {
			t.Errorf("got %+v, want %q", m, want)
		}
	}
	if len(a.Peers())+events.Available() != 0 {
		t.Errorf("left over: %+v", a.Peers())
	}
	connectLocal(t, a, b) // again
}

// TestPeerLocalStores carries commands.
func TestPeerLocalStores(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	got := make(chan string, 10)
	if _, err := b.AttachStore(topic.Master("s"), func(p []byte) { got <- string(p) }); err != nil {
		t.Fatal(err)
	}
	connectLocal(t, a, b)
	large := strings.Repeat("y", 100_000)
	for _, to := range []data.EndpointID{{}, b.ID()} {
		for _, payload := range []string{"small", large} {
			if err := a.SendCommand(topic.Master("s"), to, []byte(payload)); err != nil {
				t.Fatal(err)
			}
			select {
			case p := <-got:
				if p != payload {
					t.Errorf("got %.10q of %d bytes", p, len(p))
				}
			case <-within(t).Done():
				t.Fatal("nothing came")
			}
		}
	}
}

// TestPeerLocalClasses is what each kind of endpoint sees of each.
func TestPeerLocalClasses(t *testing.T) {
	want := map[string]PeerClass{"node": ClassNode, "client": ClassClient, "foreign": ClassForeign, "all": ClassNode, "old": ClassNode}
	for ka := range kinds {
		for kb := range kinds {
			a, b := endpoint(t, kinds[ka]), endpoint(t, kinds[kb])
			connectLocal(t, a, b)
			wa, wb := want[kb], want[ka]
			if ka == "foreign" || kb == "foreign" { // who says nothing hears nothing
				wa, wb = ClassForeign, ClassForeign
			}
			if kinds[ka].PlainProtocol {
				wa = ClassForeign
			}
			if ga, gb := a.Peers()[0].Class, b.Peers()[0].Class; ga != wa || gb != wb {
				t.Errorf("%s and %s: %v and %v, want %v and %v", ka, kb, ga, gb, wa, wb)
			}
		}
	}
}

// TestPeerLocalMixed relays values from a connection to the process and on to a connection, small and large.
func TestPeerLocalMixed(t *testing.T) {
	client, foreign := endpoint(t, kinds["client"]), endpoint(t, kinds["foreign"])
	n1, n2, n3 := endpoint(t, Options{}), endpoint(t, Options{}), endpoint(t, Options{})
	connect(t, client, n1)
	connectLocal(t, n1, n2)
	connectLocal(t, n2, n3)
	connect(t, foreign, n3)
	for _, pair := range [][2]*Endpoint{{client, foreign}, {foreign, client}, {n1, foreign}, {foreign, n1}, {n2, client}, {n2, foreign}} {
		from, to := pair[0], pair[1]
		name := fmt.Sprintf("/t/%s/%s", from.ID(), to.ID())
		sub := subscribe(t, to, name)
		poll(t, "the filter to come through", func() bool { return goesOut(from, name) })
		for _, n := range []int{10, 10_000, 1_000_000} {
			v := data.Vector(data.String(strings.Repeat("z", n)), data.Count(uint64(n)))
			publish(t, from, name, v)
			if m := get(t, sub); !data.Equal(m.Value, v) {
				t.Errorf("%d bytes arrived as %d", n, m.Value.BinarySize())
			}
		}
		sub.Close()
	}
}

// TestPeerLocalRefused has what can't be peered.
func TestPeerLocalRefused(t *testing.T) {
	a, b, closed := endpoint(t, Options{}), endpoint(t, Options{}), endpoint(t, Options{})
	closed.Close(within(t))
	twin := endpoint(t, Options{ID: a.ID()})
	var pe *PeerError
	for _, other := range []*Endpoint{a, twin} {
		if err := a.PeerLocal(t.Context(), other); !errors.As(err, &pe) || pe.Class != PeerIncompatible {
			t.Errorf("with itself: %v", err)
		}
	}
	for _, pair := range [][2]*Endpoint{{a, closed}, {closed, a}} {
		if err := pair[0].PeerLocal(t.Context(), pair[1]); !errors.Is(err, ErrClosed) {
			t.Errorf("with a closed one: %v", err)
		}
	}
	if a.registry.Known(closed.ID()) || closed.registry.Known(a.ID()) {
		t.Error("an end is left in the books")
	}
	a.registry.Claim(b.ID()) // as if a handshake did not end
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.PeerLocal(ctx, a); !errors.Is(err, context.DeadlineExceeded) || b.registry.Known(a.ID()) {
		t.Errorf("while another connection is made: %v", err)
	}
	a.registry.Forget(b.ID())
	connectLocal(t, b, a)
}

// TestPeerLocalCrossing has many try at once, beside TCP.
func TestPeerLocalCrossing(t *testing.T) {
	for range 20 {
		a, b := endpoint(t, Options{}), endpoint(t, Options{})
		addr := listening(t, b)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { connectLocal(t, a, b) })
			all.Go(func() { connectLocal(t, b, a) })
			all.Go(func() {
				if _, err := a.Peer(within(t), addr, PeerOptions{Retry: time.Second}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		sub := subscribe(t, b, "/t")
		publish(t, a, "/t", data.None())
		get(t, sub)
		b.syncPeers(within(t))
		if n := a.Stats().Peers; n != 1 || sub.Available() != 0 {
			t.Errorf("%d peerings, %d messages too many", n, sub.Available())
		}
	}
}

// TestPeerLocalOverload fills the queue towards an endpoint whose reader waits for a subscriber.
func TestPeerLocalOverload(t *testing.T) {
	for _, c := range []struct {
		name     string
		overflow Overflow
		newest   bool // the newest message arrives
	}{{"disconnect", OverflowDisconnect, false}, {"drop newest", OverflowDropNewest, false}, {"drop oldest", OverflowDropOldest, true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := localPair(t, Options{PeerQueue: QueueLimit{Messages: 10, Overflow: c.overflow}})
				stuck, _ := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 1, Overflow: OverflowWait})
				events, _ := a.SubscribeStatus(false)
				connectLocal(t, a, b)
				const n = 40
				for i := range n {
					publish(t, a, "/t", data.Count(uint64(i)))
					synctest.Wait()
				}
				if c.overflow == OverflowDisconnect {
					wantEvents(t, events, "endpoint_discovered", "peer_added")
					if ev, _ := nextEvent(t, events); ev.String() != `peer_removed(`+b.ID().String()+`, "removed connection to remote peer (caf::sec::backpressure_overflow)")` {
						t.Errorf("event %v", ev)
					}
				} else if d := a.Peers()[0].Drops[DropPeerQueue]; d == 0 || d != a.Stats().Dropped[DropPeerQueue] {
					t.Errorf("%d drops counted", d)
				}
				stuck.Close()
				var got []uint64
				for m, ok := stuck.Poll(); ok; m, ok = stuck.Poll() {
					got = append(got, count(m))
				}
				synctest.Wait()
				if !slices.Equal(got, []uint64{0}) {
					t.Errorf("got %v", got)
				}
				closePair(a, b)
			})
		})
	}
}

// TestPeerLocalWaits loses nothing with a publisher that waits and a subscriber that does.
func TestPeerLocalWaits(t *testing.T) {
	a, b := endpoint(t, Options{PeerQueue: QueueLimit{Messages: 10}}), endpoint(t, Options{})
	sub, _ := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 10, Overflow: OverflowWait})
	connectLocal(t, a, b)
	const n = 20_000
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		p := a.NewPublisher("/t", PublisherOptions{})
		for i := range n {
			if err := p.Publish(within(t), data.Count(uint64(i))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range n {
		if m := get(t, sub); count(m) != uint64(i) {
			t.Fatalf("got %v, want %d", m.Value, i)
		}
	}
}

func localPair(t *testing.T, o Options) (a, b *Endpoint) {
	t.Helper()
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = New(o); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func closePair(a, b *Endpoint) {
	a.Close(context.Background())
	b.Close(context.Background())
}

// TestPeerLocalLiveness keeps a peering on which nothing happens, and gives one up whose other end doesn't get at its messages.
func TestPeerLocalLiveness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := localPair(t, Options{})
		connectLocal(t, a, b)
		time.Sleep(time.Hour)
		if a.Stats().Peers != 1 || b.Stats().Peers != 1 || a.Stats().PeeringsLost != 0 {
			t.Error("the peering did not last")
		}
		events, _ := a.SubscribeStatus(false)
		stuck, _ := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 1, Overflow: OverflowWait})
		synctest.Wait()
		for range 3 {
			publish(t, a, "/t", data.None())
		}
		began := time.Now()
		if d := wantEvents(t, events, "peer_lost", "endpoint_unreachable").Sub(began); d < lostAfter-time.Second || d > lostAfter+pingAfter {
			t.Errorf("lost after %v", d)
		}
		stuck.Close()
		closePair(a, b)
	})
}

// TestPeerLocalCloseSaysWhatWasLost counts what an endpoint that doesn't read has missed.
func TestPeerLocalCloseSaysWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := localPair(t, Options{})
		stuck, _ := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 1, Overflow: OverflowWait})
		connectLocal(t, a, b)
		for range 10 {
			publish(t, a, "/t", data.None())
			synctest.Wait()
		}
		began := time.Now()
		err := a.Close(context.Background())
		var lost *NotFlushedError
		if !errors.As(err, &lost) || len(lost.Peers) != 1 || lost.Peers[0].ID != b.ID() || lost.Peers[0].Messages != 8 || !about(time.Since(began), closeTimeout) {
			t.Errorf("Close: %v after %v", err, time.Since(began)) // one message is in the queue, one waits for it
		}
		stuck.Close()
		b.Close(context.Background())
	})
}

// TestPeerLocalCloses ends peerings from either side, and from both at once; nothing published before is lost, and no goroutine stays.
func TestPeerLocalCloses(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		a, _ := New(Options{})
		b, _ := New(Options{})
		sub, _ := b.Subscribe([]string{"/t"}, QueueLimit{})
		connectLocal(t, a, b)
		for range 1000 {
			publish(t, a, "/t", data.None())
		}
		if err := a.Close(within(t)); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			get(t, sub)
		}
		until(t, b, "a is gone", func() bool { return len(b.Peers()) == 0 })
		c, _ := New(Options{})
		connectLocal(t, c, b)
		var both sync.WaitGroup
		both.Go(func() { b.Close(within(t)) })
		both.Go(func() { c.Close(within(t)) })
		both.Wait()
		if err := c.UnpeerID(within(t), b.ID()); !errors.Is(err, code.PeerInvalid) {
			t.Errorf("UnpeerID: %v", err)
		}
	}
	poll(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+1 })
}
