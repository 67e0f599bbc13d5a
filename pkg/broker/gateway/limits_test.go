// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

func TestLimits(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Limits: Limits{Clients: 1, Message: 1000}})
	c := join(t, g, "[]")
	_, response, err := websocket.Dial(t.Context(), "ws://"+g.Addr().String()+Path, nil)
	if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one client too many: %v, %v", response, err)
	}
	c.send(`{"topic":"/t","@data-type":"string","data":"` + strings.Repeat("x", 1000) + `"}`)
	c.closed(websocket.StatusMessageTooBig)
}

func TestLimitsOfSubscriptions(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Limits: Limits{Subscriptions: 2, Prefix: 3}})
	join(t, g, `["abc","def"]`)
	for in, want := range map[string]string{
		`["a","b","c"]`: "3 subscriptions, at most 2 are allowed",
		`["abcd"]`:      "a subscription of 4 bytes, at most 3 are allowed",
	} {
		c := dial(t, g, Path, nil)
		c.send(in)
		c.expect(string(jsonwire.AppendError(nil, "deserialization_failed", want)))
		c.closed(websocket.StatusPolicyViolation)
	}
}

func TestLimitOfNesting(t *testing.T) {
	nested := func(levels int) string {
		return string(jsonwire.AppendMessage(nil, "/t", nest(levels)))
	}
	for _, limit := range []int{0, 64} {
		g := newGateway(t, newEndpoint(t), Options{Limits: Limits{Depth: limit}})
		most := limit
		if limit == 0 {
			most = data.MaxDepth
		}
		c, listener := join(t, g, `[]`), join(t, g, `["/t"]`)
		c.send(nested(most))
		listener.expect(nested(most))
		c.send(nested(most + 1))
		if got := c.receive(); !strings.Contains(got, fmt.Sprintf("nested too deeply, want at most %d levels", most)) {
			t.Errorf("received %s", got)
		}
	}
}

func nest(levels int) data.Value {
	v := data.Count(1)
	for range levels {
		v = data.Vector(v)
	}
	return v
}

// Whoever sends too fast has to wait, is not taken for dead meanwhile, and loses nothing.
func TestThrottle(t *testing.T) {
	for name, rate := range map[string]Rate{
		"messages": {Messages: 1},
		"bytes":    {Bytes: float64(len(one)) / 10},
	} {
		o := Options{Limits: Limits{Message: len(one), Rate: rate}} // a burst of one message
		inBubble(t, o, func(t *testing.T, g *Gateway, dial func(bool) client) {
			listener, c := dial(true), dial(false) // its answers to pings would have to wait too
			listener.join(g, `["/t"]`)
			c.join(g, `[]`)
			go c.Read(c.ctx)
			go func() {
				for range 31 {
					c.send(one)
				}
			}()
			listener.expect(one)
			wait := 30 * time.Second
			if name == "bytes" {
				wait *= 10
			}
			within(t, wait-time.Second, wait+time.Second, func() {
				for range 30 {
					listener.expect(one)
				}
			})
			if g.Clients() != 2 {
				t.Errorf("%s: %d clients", name, g.Clients())
			}
		})
	}
}

func TestExcessDisconnects(t *testing.T) {
	o := Options{Limits: Limits{Rate: Rate{Messages: 10, Excess: ExcessDisconnect}}}
	inBubble(t, o, func(t *testing.T, g *Gateway, dial func(bool) client) {
		c := dial(true)
		c.join(g, `[]`)
		for range 2 { // what may come in a second, and again a second later
			for range 10 {
				c.send(one)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if g.Clients() != 1 {
			t.Fatal("it was let go for what it may do")
		}
		go func() {
			for range 11 {
				_ = c.Write(c.ctx, websocket.MessageText, []byte(one))
			}
		}()
		c.closedWith(websocket.StatusPolicyViolation)
	})
}

// A stalled client costs the quick one beside it nothing, whatever the policy; one whose messages are dropped learns nothing of it but
// keeps its session while it answers.
func TestStalledBesideQuick(t *testing.T) {
	const n, limit = 100, 10
	for _, policy := range []broker.Overflow{broker.OverflowDisconnect, broker.OverflowDropOldest, broker.OverflowDropNewest} {
		o := Options{Limits: Limits{Queue: broker.QueueLimit{Messages: limit, Overflow: policy}}}
		inBubble(t, o, func(t *testing.T, g *Gateway, dial func(bool) client) {
			stalled, quick := dial(true), dial(true)
			stalled.join(g, `["/t"]`)
			quick.join(g, `["/t"]`)
			within(t, 0, 0, func() {
				for i := range n {
					if err := g.e.Publish("/t/x", data.Count(uint64(i))); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					quick.expect(numbered(i))
				}
			})
			first := g.Sessions()[0]
			if policy == broker.OverflowDisconnect {
				time.Sleep(maxLag + 1)
				if err := g.e.Publish("/t/x", data.Count(n)); err != nil {
					t.Fatal(err)
				}
				quick.expect(numbered(n))
				synctest.Wait()
				stalled.closedWith(websocket.StatusInternalError)
				return
			}
			// One message is on its way already, a pipe holds nothing.
			if first.Dropped != n-limit-1 || first.Queued != limit {
				t.Errorf("policy %v: %+v", policy, first)
			}
			stalled.expect(numbered(0))
			for i := range limit {
				want := i + 1
				if policy == broker.OverflowDropOldest {
					want = n - limit + i
				}
				stalled.expect(numbered(want))
			}
		})
	}
}

func numbered(i int) string {
	return string(jsonwire.AppendMessage(nil, "/t/x", data.Count(uint64(i))))
}

// A large message goes out in fragments; as long as the client takes them it is alive, though a ping has no place meanwhile.
func TestSlowReaderIsAlive(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *Gateway, dial func(bool) client) {
		c := dial(false)
		c.join(g, `["/t"]`)
		const size = 20 * fragment
		if err := g.e.Publish("/t/x", data.String(strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		_, r, err := c.Reader(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		buf, total := make([]byte, fragment/16), 0
		for total < size {
			n, err := r.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", total, err)
			}
			total += n
			time.Sleep(time.Duration(n) * 4 * time.Second / fragment)
		}
	})
}
