// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// pipes is a listener whose connections are pipes: nothing of them is buffered,
// and the clock of a bubble stands for time.
type pipes struct {
	conns chan net.Conn
	end   chan struct{}
}

func newPipes() pipes { return pipes{make(chan net.Conn), make(chan struct{})} }

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.end); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// inBubble runs a test with a gateway on pipes. dial connects a client;
// answering says whether it answers pings.
func inBubble(t *testing.T, o Options, test func(t *testing.T, g *Gateway, dial func(answering bool) client)) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t)
		g, err := New(e, o)
		if err != nil {
			t.Fatal(err)
		}
		p := newPipes()
		served := make(chan error, 1)
		go func() { served <- g.Serve(p) }()
		test(t, g, func(answering bool) client {
			transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
			ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
			t.Cleanup(cancel)
			conn, _, err := websocket.Dial(ctx, "ws://gateway"+Path, &websocket.DialOptions{
				HTTPClient:     &http.Client{Transport: transport},
				OnPingReceived: func(context.Context, []byte) bool { return answering },
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.CloseNow() })
			conn.SetReadLimit(-1)
			return client{conn, t, ctx}
		})
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if n := g.Clients(); n != 0 {
			t.Errorf("%d clients are left", n)
		}
	})
}

// within runs f and checks how long it took.
func within(t *testing.T, atLeast, atMost time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if d := time.Since(begin); d < atLeast || d > atMost {
		t.Errorf("after %v, want %v to %v", d, atLeast, atMost)
	}
}

// closedWith waits for the end, checks its code and answers its words.
func (c client) closedWith(want websocket.StatusCode) string {
	c.t.Helper()
	for {
		_, _, err := c.Read(c.ctx)
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != want {
			c.t.Fatalf("ended with %v, want code %d", err, want)
		}
		return err.Error()
	}
}

func TestPingTimeout(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		c := dial(false)
		c.join(g, "[]")
		within(t, 5*time.Second, 10*time.Second, func() {
			if words := c.closedWith(websocket.StatusInternalError); !strings.Contains(words, `"Ping timeout"`) {
				t.Error(words)
			}
		})
	})
}

func TestAnsweredPings(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		c := dial(true)
		c.join(g, `["/t"]`)
		other := dial(true)
		other.join(g, `[]`)
		go other.Read(other.ctx)
		time.AfterFunc(time.Hour, func() { other.send(one) })
		within(t, time.Hour, time.Hour, func() { c.expect(one) })
	})
}

// Whoever sends is there, even if pings have to wait behind what is sent.
func TestSlowSenderIsAlive(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		listener, c := dial(true), dial(false)
		listener.join(g, `["/t"]`)
		c.join(g, `[]`)
		go c.Read(c.ctx) // so that it could answer
		w, err := c.Writer(c.ctx, websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		const parts, size = 30, 8192 // each more than the library buffers
		go func() {
			w.Write([]byte(`{"type":"data-message","topic":"/t","@data-type":"string","data":"`))
			for range parts {
				time.Sleep(4 * time.Second)
				w.Write(bytes.Repeat([]byte("x"), size))
			}
			w.Write([]byte(`"}`))
			w.Close()
		}()
		within(t, parts*4*time.Second, parts*4*time.Second, func() {
			if got := listener.receive(); strings.Count(got, "x") != parts*size {
				t.Errorf("received %d bytes", len(got))
			}
		})
	})
}

// While a client has to wait for a peer, its answers can't be heard.
func TestHeldClientIsAlive(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		c := dial(false)
		c.join(g, "[]")
		hold := func(held bool) {
			g.mu.Lock()
			defer g.mu.Unlock()
			for s := range g.mu.sessions {
				s.held.Store(held)
			}
		}
		hold(true)
		time.AfterFunc(time.Minute, func() { hold(false) })
		within(t, time.Minute, time.Minute+10*time.Second, func() { c.closedWith(websocket.StatusInternalError) })
	})
}

func TestNoSubscriptions(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, _ *Gateway, dial func(bool) client) {
		c := dial(true)
		within(t, helloTime, helloTime, func() { c.closedWith(websocket.StatusPolicyViolation) })
	})
}

// A client that reads nothing is let go, and holds up neither those who
// publish nor the others.
func TestSlowClient(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		slow, quick, writer := dial(true), dial(true), dial(true)
		slow.join(g, `["/t"]`)
		quick.join(g, `["/t"]`)
		writer.join(g, `[]`)
		go writer.Read(writer.ctx)
		const n = DefaultQueue + 10
		within(t, 0, 0, func() {
			for range n {
				writer.send(one)
				quick.expect(one)
			}
		})
		if g.Clients() != 3 {
			t.Fatal("a burst has ended a session")
		}
		go quick.Read(quick.ctx)
		time.Sleep(maxLag + time.Millisecond)
		writer.send(one)
		synctest.Wait()
		if words := slow.closedWith(websocket.StatusInternalError); !strings.Contains(words, "doesn't read") {
			t.Error(words)
		}
		synctest.Wait()
		if g.Clients() != 2 {
			t.Errorf("%d clients, want 2", g.Clients())
		}
	})
}

// A burst ends no session: far more messages than may wait arrive at once.
func TestBurst(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		c, other := dial(true), dial(true)
		c.join(g, `["/t"]`)
		other.join(g, `[]`)
		go other.Read(other.ctx)
		const n = 8 * DefaultQueue
		within(t, 0, 0, func() {
			for range n {
				other.send(one)
				if err := g.e.Publish("/t/x", data.Count(1)); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			for range 2 * n {
				c.expect(one)
			}
		})
	})
}

// The same when it doesn't even read what its end is.
func TestDeadClient(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		dial(true).join(g, "[]")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if g.Clients() != 0 {
			t.Error("it is still there")
		}
	})
}

func TestCloseWithDeadClients(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		dial(true)
		dial(true).join(g, `["/t"]`)
		writer := dial(true)
		writer.join(g, "[]")
		go writer.Read(writer.ctx)
		writer.send(one) // is stuck in the pipe to the other
		synctest.Wait()
		within(t, 0, 2*hurryTime, func() {
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}
