// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// TestPeerAll dials several addresses at once and answers for each of them.
func TestPeerAll(t *testing.T) {
	e, b, c := endpoint(t, Options{}), endpoint(t, Options{}), endpoint(t, Options{})
	first, second, third := listening(t, b), listening(t, b), listening(t, c)
	free := listenTCP(t)
	free.Close()
	dead := free.Addr().String()
	ids, err := e.PeerAll(within(t), []string{first, third, first}, PeerOptions{})
	if want := map[string]data.EndpointID{first: b.ID(), third: c.ID()}; err != nil || !maps.Equal(ids, want) {
		t.Errorf("%v, %v; want %v", ids, err, want)
	}
	ids, err = e.PeerAll(within(t), []string{second, dead, "nonsense", "nonsense"}, PeerOptions{})
	if want := map[string]data.EndpointID{second: b.ID()}; !maps.Equal(ids, want) { // connected already, by another address
		t.Errorf("%v, want %v", ids, want)
	}
	for _, want := range []string{"peer " + dead + ": ", "peer nonsense: "} {
		if err == nil || strings.Count(err.Error(), want) != 1 {
			t.Errorf("error %q, want %q once", err, want)
		}
	}
	var pe *PeerError
	if !errors.As(err, &pe) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := e.PeerAll(ctx, []string{dead}, PeerOptions{Retry: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if ids, err := e.PeerAll(t.Context(), nil, PeerOptions{}); len(ids) != 0 || err != nil {
		t.Errorf("no addresses: %v, %v", ids, err)
	}
	for _, p := range e.Peers() {
		if p.Address == dead {
			t.Errorf("dialing went on: %+v", p)
		}
	}
}

// TestFlaps counts lost peerings of an address, not those that were ended on purpose.
func TestFlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCouple(t, Options{})
		c.peer(time.Second)
		for want := range uint64(4) {
			time.Sleep(time.Minute)
			if p := c.a.Peers(); len(p) != 1 || p[0].State != Peered || p[0].Flaps != want || c.a.Stats().PeeringsLost != want {
				t.Fatalf("%+v, want %d flaps", p, want)
			}
			c.cut(false)
		}
		time.Sleep(time.Minute)
		if err := c.a.Unpeer(t.Context(), dialedAddress); err != nil {
			t.Fatal(err)
		}
		if n := c.a.Stats().PeeringsLost; n != 4 {
			t.Errorf("%d lost", n)
		}
		c.a.Close(context.Background())
		c.b.Close(context.Background())
	})
}

// TestRoundTrip measures a peer that takes 40 ms to answer, and later 80 ms, while it is never silent.
func TestRoundTrip(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e)
		synctest.Wait()
		if rtt := e.Peers()[0].RTT; rtt != 0 {
			t.Errorf("%v before any ping was answered", rtt)
		}
		delay := 40 * time.Millisecond
		pings := make(chan time.Time, 100)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for body, err := r.tryRead(); err == nil; body, err = r.tryRead() {
				if env, _ := wire.ParseEnvelope(body); env.Type == wire.TypePing {
					pings <- time.Now()
					time.Sleep(delay)
					pong := wire.Envelope{Sender: r.id, Receiver: r.them, Type: wire.TypePong, TTL: 16, Topic: []byte(topic.Reserved), Payload: env.Payload}
					frame, _ := wire.AppendFrame(nil, &pong)
					r.conn.Write(frame) // fails when the test has closed the connection
				}
			}
		}()
		chatter := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
				r.send(wire.TypeData, "/t", []byte{0})
			}
		}
		chatter(2 * measureEvery)
		if rtt := e.Peers()[0].RTT; rtt != 40*time.Millisecond {
			t.Errorf("round trip %v", rtt)
		}
		delay = 80 * time.Millisecond
		chatter(2 * measureEvery)
		if rtt := e.Peers()[0].RTT; rtt <= 40*time.Millisecond || rtt >= 80*time.Millisecond {
			t.Errorf("round trip %v after it has grown", rtt)
		}
		chatter(20 * time.Minute)
		if rtt := e.Peers()[0].RTT; rtt < 79*time.Millisecond || rtt > 80*time.Millisecond {
			t.Errorf("round trip %v after a long time", rtt)
		}
		r.conn.Close()
		<-done
		close(pings)
		last := <-pings
		for at := range pings {
			if d := at.Sub(last); d > measureEvery {
				t.Errorf("%v without a ping", d)
			}
			last = at
		}
	})
}

// TestRoundTripFromAnnouncement is known as soon as the peer has answered the announcement.
func TestRoundTripFromAnnouncement(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	connect(t, a, b)
	poll(t, "the round trip", func() bool { return a.Peers()[0].RTT > 0 && b.Peers()[0].RTT > 0 })
}

// TestDropsOfPeer tells for each peer why messages were discarded.
func TestDropsOfPeer(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true, PeerQueue: QueueLimit{Messages: 4, Overflow: OverflowDropNewest}}, func(t *testing.T, e *Endpoint, l *memListener) {
		stuck, open := stuckAndOpen(t, e, l)
		for range 5 {
			publish(t, e, "/t", data.None())
			synctest.Wait()
		}
		open.send(wire.TypeData, "/x", []byte{99})
		open.counts()
		e.Subscribe([]string{"/x"}, QueueLimit{})
		open.send(wire.TypeData, "/x", []byte{99})
		synctest.Wait()
		for _, p := range e.Peers() {
			want := map[DropCause]uint64{DropPeerQueue: 5}
			if p.ID == open.id {
				want = map[DropCause]uint64{DropPayload: 2}
			}
			if !maps.Equal(p.Drops, want) {
				t.Errorf("%s: %v, want %v", p.ID, p.Drops, want)
			}
		}
		if got := e.Stats().Dropped; got[DropPeerQueue] != 5 || got[DropPayload] != 2 {
			t.Errorf("all: %v", got)
		}
		stuck.conn.Close()
		open.conn.Close()
	})
}

// TestOptionsTTL is written into own messages.
func TestOptionsTTL(t *testing.T) {
	for _, c := range []struct {
		ttl  int
		want uint16
	}{{0, 16}, {1, 1}, {65535, 65535}} {
		e := endpoint(t, Options{PlainProtocol: true, TTL: c.ttl})
		r := rawDial(t, tcp(t, listening(t, e)), e, "/t")
		if err := e.AwaitPeer(within(t), r.id); err != nil {
			t.Fatal(err)
		}
		publish(t, e, "/t", data.None())
		if err := e.PublishTo(r.id, "/t", data.None()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if env := r.envelope(); env.Type != wire.TypeData || env.TTL != c.want {
				t.Errorf("TTL %d: got %+v", c.ttl, env)
			}
		}
	}
	for _, bad := range []int{-1, 65536} {
		if _, err := New(Options{TTL: bad}); err == nil {
			t.Errorf("TTL %d was accepted", bad)
		}
	}
}

// TestUnpeerBetween ends an address at the moment when its connection stands and has not been entered yet: the connection goes too.
func TestUnpeerBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, other := localPair(t, Options{})
		e.dialer.Connect = func(context.Context, string) (net.Conn, error) { return nil, errors.New("refused") }
		target, _, err := e.dial(dialedAddress, PeerOptions{Retry: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		here, there := peering.NewLocalLinks(e.end(), other.end())
		p := e.newPeerOn(here, dialedAddress, target)
		if err := e.Unpeer(t.Context(), dialedAddress); err != nil {
			t.Fatal(err)
		}
		if cause, peered := p.run(); !errors.Is(cause, ErrClosed) || peered || !here.Ended() || len(e.Peers()) != 0 {
			t.Errorf("%v, %v, peers %+v", cause, peered, e.Peers())
		}
		there.Close()
		closePair(e, other)
	})
}
