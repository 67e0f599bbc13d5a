// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// inBubble runs a test with an endpoint that listens in memory and time that passes only when everybody waits.
func inBubble(t *testing.T, o Options, f func(t *testing.T, e *Endpoint, l *memListener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.ID = data.EndpointID{0x44}
		e, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		l := newMemListener()
		if err := e.listen(l); err != nil {
			t.Fatal(err)
		}
		f(t, e, l)
		e.Close(context.Background())
	})
}

func (l *memListener) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := l.connect(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nextEvent answers the next status event and when it came.
func nextEvent(t *testing.T, s *StatusSubscriber) (StatusEvent, time.Time) {
	t.Helper()
	ev, err := s.Get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return ev, time.Now()
}

func wantEvents(t *testing.T, s *StatusSubscriber, codes ...string) (at time.Time) {
	t.Helper()
	for _, want := range codes {
		ev, now := nextEvent(t, s)
		if ev.Code != want {
			t.Fatalf("event %v, want %s", ev, want)
		}
		at = now
	}
	return at
}

// about tells whether a duration is a little more than another.
func about(d, want time.Duration) bool { return d >= want && d < want+time.Second }

// TestSilentPeers waits for peers of each class that say nothing more.
func TestSilentPeers(t *testing.T) {
	node := wire.Announcement{Version: 1, Features: wire.FeatureNode}
	client := wire.Announcement{Version: 1}
	for _, c := range []struct {
		name  string
		says  []byte
		class PeerClass
		lost  time.Duration
	}{
		{"foreign", []byte("x"), ClassForeign, 60 * time.Second},
		{"node", node.Append(nil), ClassNode, 15 * time.Second},
		{"client", client.Append(nil), ClassClient, 15 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
				events, _ := e.SubscribeStatus(false)
				r := rawDial(t, l.dial(t), e)
				defer r.conn.Close()
				began := time.Now()
				r.send(wire.TypePing, topic.Reserved, c.says)
				added := wantEvents(t, events, "endpoint_discovered", "peer_added")
				if added.Sub(began) > time.Second/2 {
					t.Error("the first frame did not end the waiting")
				}
				if got := e.Peers()[0].Class; got != c.class {
					t.Errorf("class %v", got)
				}
				lost := wantEvents(t, events, "peer_lost", "endpoint_unreachable")
				if d := lost.Sub(began); !about(d, c.lost) {
					t.Errorf("lost after %v, want %v", d, c.lost)
				}
				pings := 0
				for body, err := r.tryRead(); err == nil; body, err = r.tryRead() {
					if env, _ := wire.ParseEnvelope(body); env.Type == wire.TypePing {
						pings++
					}
				}
				// The announcement, then one for each five seconds of silence before the last.
				if want := int(c.lost / pingAfter); pings != want {
					t.Errorf("%d pings, want %d", pings, want)
				}
			})
		})
	}
}

// TestAnsweringPeerStays keeps a peer that answers pings and says nothing else.
func TestAnsweringPeerStays(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e)
		counted := make(chan int)
		go func() { counted <- r.answer() }()
		time.Sleep(10 * time.Minute)
		if s := e.Peers(); len(s) != 1 || s[0].State != Peered {
			t.Errorf("peers: %+v", s)
		}
		r.conn.Close()
		if n := <-counted; n < 100 || n > 130 {
			t.Errorf("%d pings in ten minutes", n)
		}
	})
}

// TestFirstFrame registers a peer that says nothing after one second, as a foreign one; with PlainProtocol at once.
func TestFirstFrame(t *testing.T) {
	for _, plain := range []bool{false, true} {
		inBubble(t, Options{PlainProtocol: plain}, func(t *testing.T, e *Endpoint, l *memListener) {
			events, _ := e.SubscribeStatus(false)
			began := time.Now()
			r := rawDial(t, l.dial(t), e)
			added := wantEvents(t, events, "endpoint_discovered", "peer_added").Sub(began)
			if plain && added != 0 || !plain && !about(added, time.Second) {
				t.Errorf("plain=%v: added after %v", plain, added)
			}
			if got := e.Peers()[0].Class; got != ClassForeign {
				t.Errorf("class %v", got)
			}
			r.conn.Close()
		})
	}
}

// TestSilentHandshake ends a handshake in which the other side says nothing after 10 s.
func TestSilentHandshake(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, l *memListener) {
		began := time.Now()
		c := l.dial(t)
		buf := make([]byte, 100)
		for n, err := c.Read(buf); err == nil; n, err = c.Read(buf) {
			_ = n
		}
		if d := time.Since(began); !about(d, 10*time.Second) {
			t.Errorf("closed after %v", d)
		}
		synctest.Wait()
		if n := e.Stats().HandshakesFailed; n != 1 {
			t.Errorf("%d failed handshakes", n)
		}
	})
}

// TestUnansweredClose gives a peer that doesn't answer the closing ping 3 s, and all peers together no more.
func TestUnansweredClose(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
		events, _ := e.SubscribeStatus(false)
		first := rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 1})
		wantEvents(t, events, "endpoint_discovered", "peer_added")
		began := time.Now()
		if err := e.UnpeerID(t.Context(), first.id); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); !about(d, closeTimeout) {
			t.Errorf("Unpeer took %v", d)
		}
		wantEvents(t, events, "peer_removed", "endpoint_unreachable")
		for i := range 5 {
			rawDialAs(t, l.dial(t), e, data.EndpointID{0xff, 0xff, 0xff, 0xff, 2, byte(i)})
		}
		synctest.Wait()
		began = time.Now()
		e.Close(t.Context())
		if d := time.Since(began); !about(d, closeTimeout) {
			t.Errorf("Close took %v", d)
		}
	})
}

// TestCloseContext ends Close with its context and says what was lost.
func TestCloseContext(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
		r := rawDial(t, l.dial(t), e, "/t")
		synctest.Wait()
		r.conn.(*memConn).in.setFull(true) // the peer's socket takes nothing any more
		for range 10 {
			publish(t, e, "/t", data.Count(1))
		}
		synctest.Wait()
		for range 10 {
			publish(t, e, "/t", data.Count(1))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := e.Close(ctx)
		if d := time.Since(began); !about(d, time.Second) || !errors.Is(err, ErrNotFlushed) {
			t.Errorf("Close: %v after %v", err, d)
		}
		if again := e.Close(t.Context()); again != err {
			t.Errorf("second Close: %v", again)
		}
	})
}

// TestBackOff dials an address that refuses: the pauses grow up to the retry interval, with jitter.
func TestBackOff(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, _ *memListener) {
		errs, _ := e.SubscribeStatus(true)
		var at []time.Time
		e.dialer.Connect = func(context.Context, string) (net.Conn, error) {
			at = append(at, time.Now())
			return nil, errors.New("refused")
		}
		if err := e.PeerAsync("10.0.0.7:9999", PeerOptions{Retry: 4 * time.Second}); err != nil {
			t.Fatal(err)
		}
		for range 12 {
			if ev, _ := nextEvent(t, errs); ev.Code != "peer_unavailable" || ev.Address != "10.0.0.7:9999" || ev.Retry != 4*time.Second {
				t.Fatalf("event %+v", ev)
			}
		}
		for i := 1; i < len(at); i++ {
			most := min(minRetry<<(i-1), 4*time.Second)
			if d := at[i].Sub(at[i-1]); d < most/2 || d > most {
				t.Errorf("pause %d: %v, want %v to %v", i, d, most/2, most)
			}
		}
		if s := e.Peers(); len(s) != 1 || s[0].State != Disconnected || s[0].LastErrorText == "" {
			t.Errorf("peers: %+v", s)
		}
		if err := e.Unpeer(t.Context(), "10.0.0.7:9999"); err != nil {
			t.Fatal(err)
		}
		n := len(at)
		time.Sleep(time.Minute)
		if len(at) != n || len(e.Peers()) != 0 {
			t.Error("dialing went on after Unpeer")
		}
	})
}

// TestReturn is the return of an endpoint whose old connection is dead: it is refused once, and accepted after 2 s.
func TestReturn(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
		events, _ := e.SubscribeStatus(false)
		old := rawDial(t, l.dial(t), e)
		wantEvents(t, events, "endpoint_discovered", "peer_added")
		time.Sleep(time.Second)
		began := time.Now()
		again := l.dial(t)
		again.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: old.id, Min: 1, Max: 1}))
		r := &rawPeer{t, again, old.id, e.ID()}
		r.read() // probe
		if msg, _ := wire.ParseHandshake(r.read()); msg.(*wire.DropConn).Code != 39 {
			t.Errorf("answer %+v", msg)
		}
		lost := wantEvents(t, events, "peer_lost", "endpoint_unreachable")
		if d := lost.Sub(began); !about(d, probeTimeout) {
			t.Errorf("given up after %v", d)
		}
		synctest.Wait()
		rawDial(t, l.dial(t), e)
		wantEvents(t, events, "endpoint_discovered", "peer_added")
	})
}

// TestReturnOfLiving refuses a second connection of an endpoint that answers on the first one, and keeps that.
func TestReturnOfLiving(t *testing.T) {
	inBubble(t, Options{PlainProtocol: true}, func(t *testing.T, e *Endpoint, l *memListener) {
		first := rawDial(t, l.dial(t), e)
		go first.answer()
		synctest.Wait()
		time.Sleep(time.Second)
		again := l.dial(t)
		again.Write(wire.AppendHandshake(nil, &wire.Hello{Sender: first.id, Min: 1, Max: 1}))
		time.Sleep(10 * time.Second)
		if s := e.Peers(); len(s) != 1 || s[0].State != Peered {
			t.Errorf("peers: %+v", s)
		}
		first.conn.Close()
	})
}

// TestPeerGivesUp ends Peer with its context while the other side has not said yet who it is: no connection is left.
func TestPeerGivesUp(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, e *Endpoint, _ *memListener) {
		near, far := memPipe()
		e.dialer.Connect = func(context.Context, string) (net.Conn, error) { return near, nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		result := make(chan error)
		go func() {
			_, err := e.Peer(ctx, "10.0.0.7:1", PeerOptions{Retry: time.Minute})
			result <- err
		}()
		rawDial(t, far, e) // greets like a dialer, which a listener may too
		if err := <-result; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Peer: %v", err)
		}
		synctest.Wait()
		if p := e.Peers(); len(p) != 0 {
			t.Errorf("peers: %+v", p)
		}
	})
}
