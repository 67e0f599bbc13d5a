// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func TestSources(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[2001:db8:1:2:3::4]:5": "2001:db8:1:2::", "[fe80::1%eth0]:5": "fe80::",
		"127.0.0.2:5": "invalid IP", "[::1]:5": "invalid IP", "[::ffff:127.0.0.1]:5": "invalid IP", "pipe": "invalid IP", "": "invalid IP",
	} {
		if got := sourceOf(remote).String(); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

// TestLimitOfSource turns away the clients of one address that are too many, and gives their places back.
func TestLimitOfSource(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Limits: Limits{Clients: 7}})
	here, there, own := sourceOf("192.0.2.7:1"), sourceOf("192.0.2.8:1"), sourceOf("127.0.0.1:1")
	for i, step := range []struct {
		from netip.Addr
		want bool
	}{{here, true}, {here, true}, {own, true}, {here, true}, {here, true}, {here, false}, {there, true}, {own, true}, {own, false}} {
		if got := g.enter(step.from); got != step.want {
			t.Errorf("%d, from %s: %v", i, step.from, got)
		} else if got {
			g.upgrading.Done()
		}
	}
	r := httptest.NewRequest(http.MethodGet, Path, nil)
	r.RemoteAddr = "192.0.2.7:99"
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
	for range 4 {
		g.leave(here)
	}
	g.leave(there)
	g.leave(own)
	g.leave(own)
	if g.Clients() != 0 || len(g.mu.from) != 0 {
		t.Errorf("%d clients, %v", g.Clients(), g.mu.from)
	}
}

// TestMemoryOfClients has a client's queue give way when the endpoint's memory is used up.
func TestMemoryOfClients(t *testing.T) {
	for _, policy := range []broker.Overflow{broker.OverflowDisconnect, broker.OverflowDropNewest, broker.OverflowDropOldest} {
		e, err := broker.New(broker.Options{MemoryLimit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		q := newQueue(broker.QueueLimit{Messages: 1 << 20, Bytes: 1 << 30, Overflow: policy})
		gone := false
		q.account = e.Account(func(n int64) bool {
			given, stays := q.shed(n)
			gone = gone || !stays
			return given
		})
		big := broker.Message{Topic: "/t", Value: data.String(strings.Repeat("x", 10_000))}
		pushed := uint64(0)
		for ; pushed < 500 && !gone; pushed++ {
			if !q.push(big) {
				t.Fatal("refused")
			}
			if st := e.Stats(); st.MemoryUsed > 1<<20+64<<10 {
				t.Fatalf("%d bytes are held", st.MemoryUsed)
			}
		}
		waiting, dropped := q.state()
		if gone != (policy == broker.OverflowDisconnect) || pushed != uint64(waiting)+dropped || !gone && (waiting < 80 || waiting > 110) || gone && waiting != 1 {
			t.Errorf("policy %v: gone %v, %d pushed, %d wait, %d dropped", policy, gone, pushed, waiting, dropped)
		}
		for range waiting / 2 {
			q.pop()
		}
		q.clear()
		if st := e.Stats(); st.MemoryUsed != 0 {
			t.Errorf("%d bytes are held by nobody", st.MemoryUsed)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestSmallMessagesAreTaken: a client that doesn't come to its pings is alive as long as it takes what is sent, and no longer.
func TestSmallMessagesAreTaken(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		c := dial(false)
		c.join(g, `["/t"]`)
		const n = 100
		for range n {
			if err := g.e.Publish("/t/x", data.String(strings.Repeat("x", fragment/4))); err != nil {
				t.Fatal(err)
			}
		}
		for range n {
			if text := c.receive(); len(text) < fragment/4 {
				t.Fatalf("received %.100s", text)
			}
			time.Sleep(time.Second)
		}
		within(t, 0, 12*time.Second, func() { c.closedWith(websocket.StatusInternalError) })
	})
}
