// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

func newEndpoint(t *testing.T) *broker.Endpoint {
	t.Helper()
	e, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return e
}

func newGateway(t *testing.T, e *broker.Endpoint, o Options) *Gateway {
	t.Helper()
	g, err := Listen(e, "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// peered makes two endpoints that are peers.
func peered(t *testing.T) (near, far *broker.Endpoint) {
	t.Helper()
	near, far = newEndpoint(t), newEndpoint(t)
	address, err := far.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := near.Peer(ctx, address.String(), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := far.AwaitPeer(ctx, near.ID()); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// client is the other side of a session.
type client struct {
	*websocket.Conn
	t   *testing.T
	ctx context.Context
}

func dial(t *testing.T, g *Gateway, path string, header http.Header) client {
	t.Helper()
	return dialAt(t, "ws://"+g.Addr().String()+path, &websocket.DialOptions{HTTPHeader: header})
}

func dialAt(t *testing.T, url string, o *websocket.DialOptions) client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(-1)
	return client{conn, t, ctx}
}

func (c client) send(text string) {
	c.t.Helper()
	if err := c.Write(c.ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) receive() string {
	c.t.Helper()
	_, text, err := c.Read(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c client) expect(want string) {
	c.t.Helper()
	if got := c.receive(); got != want {
		c.t.Fatalf("received %s, want %s", got, want)
	}
}

// closed waits for the end and checks its code.
func (c client) closed(want websocket.StatusCode) {
	c.t.Helper()
	for {
		_, text, err := c.Read(c.ctx)
		if err == nil {
			continue
		}
		var end websocket.CloseError
		if !errors.As(err, &end) || end.Code != want {
			c.t.Fatalf("ended with %v, want code %d; last %s", err, want, text)
		}
		return
	}
}

// join dials and subscribes.
func join(t *testing.T, g *Gateway, subscriptions string) client {
	t.Helper()
	c := dial(t, g, Path, nil)
	c.join(g, subscriptions)
	return c
}

func (c client) join(g *Gateway, subscriptions string) {
	c.t.Helper()
	c.send(subscriptions)
	if got := c.receive(); !strings.HasPrefix(got, `{"type":"ack","endpoint":"`+g.e.ID().String()) {
		c.t.Fatalf("received %s", got)
	}
}

const one = `{"type":"data-message","topic":"/t/x","@data-type":"count","data":1}`

func TestBetweenClients(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{})
	a, b, other := join(t, g, `["/t"]`), join(t, g, `["/t","/t/x",""]`), join(t, g, `["/other"]`)
	a.send(one)
	b.expect(one)
	// Nobody hears himself: the next thing that a receives is from b.
	two := strings.ReplaceAll(one, `"data":1`, `"data":2`)
	b.send(two)
	a.expect(two)
	b.send(strings.ReplaceAll(one, "/t/x", "/other/y"))
	other.expect(strings.ReplaceAll(one, "/t/x", "/other/y"))
	if n := g.Clients(); n != 3 {
		t.Errorf("%d clients", n)
	}
}

func TestOverTheMesh(t *testing.T) {
	near, far := peered(t)
	g := newGateway(t, near, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sub, err := far.SubscribeSync(ctx, []string{"/t"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	c := join(t, g, `["/back"]`) // far knows of it, or there would be no answer
	c.send(one)
	m, err := sub.Get(ctx)
	if err != nil || m.Topic != "/t/x" || !data.Equal(m.Value, data.Count(1)) {
		t.Fatalf("far received %v, %v", m, err)
	}
	if err := far.Publish("/back/1", data.String("hé")); err != nil {
		t.Fatal(err)
	}
	c.expect(`{"type":"data-message","topic":"/back/1","@data-type":"string","data":"hé"}`)
}

func TestLocalSubscribersHearClients(t *testing.T) {
	e := newEndpoint(t)
	g := newGateway(t, e, Options{})
	sub, err := e.Subscribe([]string{"/t"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	c := join(t, g, `[]`)
	c.send(one)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if m, err := sub.Get(ctx); err != nil || m.Topic != "/t/x" {
		t.Errorf("received %v, %v", m, err)
	}
}

func TestBadMessagesAreAnswered(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{})
	c, listener := join(t, g, `[]`), join(t, g, `["/t"]`)
	for i, step := range []struct{ in, want string }{
		{"How is it going?", "input #1 contained malformed JSON"},
		{`[]`, "input #2 expected a JSON object"},
		{`{"topic":"/t","@data-type":"phone","data":"555-0123"}`, "input #3 contained invalid data"},
		{`{"@data-type":"count","data":1}`, "input #4 contained invalid data"},
		{`{"topic":"<$>/local/x","@data-type":"count","data":1}`, "input #5 contained invalid data"},
		{`{"topic":"","@data-type":"count","data":1}`, "input #6 contained invalid data"},
		{`{"topic":"/t","@data-type":"set","data":[{"@data-type":"none"},{"@data-type":"none"}]}`, "input #7 caused an internal error"},
	} {
		c.send(step.in)
		got := c.receive()
		if !strings.HasPrefix(got, `{"type":"error","code":"deserialization_failed","context":"`+step.want) {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	c.send(one) // the session goes on
	listener.expect(one)
}

func TestFirstMessage(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{})
	for in, want := range map[string]string{
		"hello": "subscriptions not an array",
		"{}":    "subscriptions not an array",
		"[1]":   "individual subscription not a string",
		"[" + strings.Repeat(`"a",`, 1000) + `"a"]`: "1001 subscriptions, at most 1000 are allowed",
	} {
		c := dial(t, g, Path, nil)
		c.send(in)
		c.expect(string(jsonwire.AppendError(nil, "deserialization_failed", want)))
		c.closed(websocket.StatusPolicyViolation)
	}
	c := dial(t, g, Path, nil)
	if err := c.Write(c.ctx, websocket.MessageBinary, []byte("[]")); err != nil {
		t.Fatal(err)
	}
	c.closed(websocket.StatusUnsupportedData)
}

func TestPaths(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{})
	_, response, err := websocket.Dial(t.Context(), "ws://"+g.Addr().String()+"/other", nil)
	if err == nil || response == nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %v, %v", response, err)
	}
	c := dial(t, g, "/other", http.Header{"X-Application-Name": {"me"}})
	c.expect(`{"type":"error","code":"invalid_uri","context":"Invalid URI - use /v1/messages/json"}`)
	c.closed(websocket.StatusPolicyViolation)
	c = dial(t, g, Path, http.Header{"X-Application-Name": {"not allowed"}})
	c.expect(`{"type":"error","code":"invalid_application_name","context":"Invalid X-Application-Name"}`)
	c.closed(websocket.StatusPolicyViolation)
	c = dial(t, g, Path+"?query", http.Header{"X-Application-Name": {"my/app:1"}})
	c.send("[]")
	if got := c.receive(); !strings.HasPrefix(got, `{"type":"ack"`) {
		t.Errorf("answer %s", got)
	}
}

func TestClose(t *testing.T) {
	e := newEndpoint(t)
	g := newGateway(t, e, Options{})
	silent, c := dial(t, g, Path, nil), join(t, g, `["/t"]`)
	ended := make(chan error, 1)
	go func() { ended <- g.Close() }()
	c.closed(websocket.StatusGoingAway)
	silent.closed(websocket.StatusGoingAway)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if g.Clients() != 0 {
		t.Errorf("%d clients are left", g.Clients())
	}
}

// Connections that never become sessions are bounded, too.
func TestStrangers(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Limits: Limits{Clients: 2}})
	ended := make(chan error)
	for range 3 {
		conn, err := net.Dial("tcp", g.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			_, err := conn.Read(make([]byte, 1))
			ended <- err
		}()
	}
	if err := <-ended; errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	g.Close()
	<-ended
	<-ended
}
