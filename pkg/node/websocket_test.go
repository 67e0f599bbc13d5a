// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// wsClient is a WebSocket client of a test.
type wsClient struct {
	t *testing.T
	*websocket.Conn
}

// visit connects with a token and subscribes; status is the HTTP answer.
func visit(t *testing.T, address, token, subscriptions string) (c wsClient, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	conn, answer, err := websocket.Dial(ctx, "ws://"+address+gateway.Path, &websocket.DialOptions{HTTPHeader: header})
	if answer != nil {
		status = answer.StatusCode
	}
	if err != nil {
		return wsClient{}, status
	}
	t.Cleanup(func() { conn.CloseNow() })
	c = wsClient{t, conn}
	c.send(subscriptions)
	if got := c.receive(); got["type"] != "ack" {
		t.Fatalf("%v", got)
	}
	return c, status
}

func (c wsClient) send(text string) {
	c.t.Helper()
	if err := c.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c wsClient) receive() map[string]any {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, text, err := c.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	return m
}

// ended waits for the end of the session and answers its code.
func (c wsClient) ended() websocket.StatusCode {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// known is a document with two clients, "a" by the token alpha and "b" by beta.
func known(t *testing.T) (nodeconfig.Config, *nodeconfig.WebSocket) {
	t.Helper()
	c := config("a")
	c.WebSocketPort = 9997
	everything := nodeconfig.Rights{Publish: []string{""}, Subscribe: []string{""}}
	c.WebSocket = &nodeconfig.WebSocket{Clients: []nodeconfig.Client{
		{Name: "a", TokenSHA256: gateway.HashToken("alpha"), Rights: everything},
		{Name: "b", TokenSHA256: gateway.HashToken("beta"), Certificate: "x:b", Rights: nodeconfig.Rights{Publish: []string{"b/"}, Subscribe: []string{"b/"}}},
	}}
	return c, c.WebSocket
}

const hello = `{"type":"data-message","topic":"%","@data-type":"count","data":1}`

func TestWebSocketClients(t *testing.T) {
	n := newNode(t, "")
	c, w := known(t)
	apply(t, n, c)
	address := port(t, n, "websocket")
	for token, want := range map[string]int{"": http.StatusUnauthorized, "gamma": http.StatusUnauthorized, "beta": http.StatusSwitchingProtocols} {
		if _, got := visit(t, address, token, `["b/"]`); got != want {
			t.Errorf("token %q: status %d, want %d", token, got, want)
		}
	}
	a, _ := visit(t, address, "alpha", `[""]`)
	b, _ := visit(t, address, "beta", `["b/x"]`)
	b.send(strings.Replace(hello, "%", "other", 1))
	if m := b.receive(); m["code"] != "permission_denied" {
		t.Errorf("published what it may not: %v", m)
	}
	b.send(strings.Replace(hello, "%", "b/x", 1))
	if m := a.receive(); m["topic"] != "b/x" {
		t.Errorf("%v", m)
	}

	// Others come in with what the config says of them.
	w.Others = &nodeconfig.Rights{Subscribe: []string{"public/"}}
	apply(t, n, c)
	guest, status := visit(t, address, "", `["public/"]`)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	guest.send(strings.Replace(hello, "%", "public/", 1))
	if m := guest.receive(); m["code"] != "permission_denied" {
		t.Errorf("%v", m)
	}
}

// TestWebSocketChangesLive: rights change under the clients' feet, other things with a new gateway; peers notice nothing.
func TestWebSocketChangesLive(t *testing.T) {
	n, far := newNode(t, ""), newNode(t, "")
	apply(t, far, config("far"))
	c, w := known(t)
	c.Peers = []nodeconfig.Peer{{Name: "a-far", Address: port(t, far, "broker")}}
	apply(t, n, c)
	since := await(t, n, "peered", peered).Peers[0].Since
	address := port(t, n, "websocket")
	a, _ := visit(t, address, "alpha", `[""]`)
	b, _ := visit(t, address, "beta", `["b/"]`)

	w.Clients[1].Publish = []string{"c/"}
	apply(t, n, c)
	if code := b.ended(); code != websocket.StatusPolicyViolation {
		t.Errorf("a client with other rights: code %d", code)
	}
	b, _ = visit(t, address, "beta", `["b/"]`)
	b.send(strings.Replace(hello, "%", "c/", 1))
	if m := a.receive(); m["topic"] != "c/" {
		t.Errorf("%v", m)
	}

	for name, change := range map[string]func(){
		"limits":  func() { w.Limits = &nodeconfig.Limits{MessageBytes: 1 << 10} },
		"dialect": func() { w.Dialect = nodeconfig.DialectBroker },
	} {
		a, _ = visit(t, address, "alpha", `[""]`)
		change()
		apply(t, n, c)
		if code := a.ended(); code == websocket.StatusPolicyViolation || code == websocket.StatusMessageTooBig {
			t.Errorf("%s: code %d", name, code)
		}
		if _, status := visit(t, address, "alpha", `[""]`); status != http.StatusSwitchingProtocols {
			t.Errorf("%s: status %d afterwards", name, status)
		}
	}
	a, _ = visit(t, address, "alpha", `[""]`)
	a.send(strings.Repeat(" ", 2<<10) + hello)
	if code := a.ended(); code != websocket.StatusMessageTooBig {
		t.Errorf("the new limit: code %d", code)
	}

	// Without a word about clients, everybody is let in.
	c.WebSocket = nil
	apply(t, n, c)
	if _, status := visit(t, address, "", `[""]`); status != http.StatusSwitchingProtocols {
		t.Errorf("without clients: status %d", status)
	}
	s := n.Status()
	if s.ConfigHash != c.Hash() || s.RestartNeeded != "" || port(t, n, "websocket") != address {
		t.Errorf("status %+v", s)
	}
	if p := s.Peers[0]; p.State != statusapi.PeerPeered || !p.Since.Equal(since) {
		t.Errorf("the peer: %+v, before since %v", p, since)
	}
}

// TestWebSocketPortGoes with the next process: until then its clients are who they were.
func TestWebSocketPortGoes(t *testing.T) {
	n := newNode(t, "")
	c, _ := known(t)
	apply(t, n, c)
	address := port(t, n, "websocket")
	without := c
	without.WebSocketPort, without.WebSocket = 0, nil
	apply(t, n, without)
	if s := n.Status(); s.RestartNeeded != "webSocketPort" {
		t.Errorf("restart needed %q", s.RestartNeeded)
	}
	if _, status := visit(t, address, "", `[""]`); status != http.StatusUnauthorized {
		t.Errorf("without a token: status %d", status)
	}
	other := newNode(t, "")
	apply(t, other, config("a"))
	apply(t, other, c)
	if s := other.Status(); s.RestartNeeded != "webSocketPort" {
		t.Errorf("a port that comes: %+v", s)
	}
}

func TestLastingListener(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	last := &lasting{l}
	failed := make(chan error, 1)
	go func() {
		_, err := last.Accept()
		failed <- err
	}()
	last.Close()
	var timeout net.Error
	if err := <-failed; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("accept: %v", err)
	}
	conn, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
	if err != nil {
		t.Fatalf("nobody waits, but the port is open: %v", err)
	}
	defer conn.Close()
	last.reopen()
	if c, err := last.Accept(); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}

// TestGatewayLimits: what the config says of limits is the gateway's.
func TestGatewayLimits(t *testing.T) {
	e := engine{log: slog.New(slog.DiscardHandler)}
	c := nodeconfig.Config{TLS: nodeconfig.TLSDisabled, WebSocket: &nodeconfig.WebSocket{Limits: &nodeconfig.Limits{
		MessageBytes: 1 << 20, Subscriptions: 2, Connections: 3, ConnectionsPerAddress: 1, MessagesPerSecond: 4, BytesPerSecond: 5000,
		QueueMessages: 6, Overflow: nodeconfig.OverflowDropNewest,
	}}}
	want := gateway.Limits{
		Clients: 3, PerAddress: 1, Message: 1 << 20, Subscriptions: 2, Rate: gateway.Rate{Messages: 4, Bytes: 5000},
		Queue: broker.QueueLimit{Messages: 6, Overflow: broker.OverflowDropNewest},
	}
	if got := e.gatewayOptions(c).Limits; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
