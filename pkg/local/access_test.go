// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

// TestWebClients runs the sample with tokens of the test, and has every kind of client try what it may and what it may not.
func TestWebClients(t *testing.T) {
	objects := sample(t, "web-clients.yaml")
	clients := objects.Nodes[0].Spec.WebSocket.Clients
	for i := range clients[:2] {
		clients[i].TokenSHA256 = gateway.HashToken("token of " + clients[i].Name)
	}
	m := start(t, objects, Options{})
	awaitVerdict(t, m, "ready", allReady)
	cert, roots, err := meshtls.ReadFolder(ClientDir(m.DataDir()))
	if err != nil {
		t.Fatal(err)
	}
	url := "wss://" + m.WebSockets()["web-0"] + gateway.Path
	for name, c := range map[string]struct {
		token       string
		certificate bool
		subscribe   string
		status      int
		answer      string
	}{
		"dashboard":         {"token of dashboard", false, `["site/a/"]`, 101, "ack"},
		"dashboard, more":   {"token of dashboard", false, `["other/"]`, 101, "error"},
		"sensor":            {"token of sensor", false, `[]`, 101, "ack"},
		"sensor, listening": {"token of sensor", false, `["site/"]`, 101, "error"},
		"people":            {"", true, `[""]`, 101, "ack"},
		"others":            {"", false, `["site/public/"]`, 101, "ack"},
		"others, more":      {"", false, `["site/"]`, 101, "error"},
		"wrong token":       {"guess", false, `[]`, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			security := &tls.Config{RootCAs: roots} // the host is verified, as every client does
			if c.certificate {
				security.Certificates = []tls.Certificate{cert}
			}
			header := http.Header{}
			if c.token != "" {
				header.Set("Authorization", "Bearer "+c.token)
			}
			transport := &http.Transport{TLSClientConfig: security}
			defer transport.CloseIdleConnections()
			conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header})
			if answer == nil || answer.StatusCode != c.status {
				t.Fatalf("%+v, %v", answer, err)
			}
			if err != nil {
				return
			}
			defer conn.CloseNow()
			if err := conn.Write(ctx, websocket.MessageText, []byte(c.subscribe)); err != nil {
				t.Fatal(err)
			}
			if _, text, err := conn.Read(ctx); err != nil || len(text) < 20 || string(text[:len(`{"type":"`)+len(c.answer)]) != `{"type":"`+c.answer {
				t.Errorf("%s, %v; want %s", text, err, c.answer)
			}
		})
	}
}

// TestZeekOutside is the sample with an endpoint in Zeek's default mode as the guest.
func TestZeekOutside(t *testing.T) {
	m := start(t, sample(t, "zeek-outside.yaml"), Options{})
	awaitVerdict(t, m, "ready", allReady)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	guest, err := broker.New(broker.Options{TLS: &peering.TLS{Anonymous: true}, PlainProtocol: true})
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close(ctx)
	if _, err := guest.Peer(ctx, m.Addresses()["inside-0"], broker.PeerOptions{}); err == nil {
		t.Error("let in at the wrong door")
	}
	if _, err := guest.Peer(ctx, m.Addresses()["gate-0"], broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	tool := client(t, m, "inside-0")
	heard, err := tool.SubscribeSync(ctx, []string{"demo/"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	told, err := guest.SubscribeSync(ctx, []string{"demo/"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	// The guest's wish travels ahead of its message, so that it is known inside when that one has come.
	if err := guest.Publish("demo/out", data.Count(1)); err != nil {
		t.Fatal(err)
	}
	if msg, err := heard.Get(ctx); err != nil || msg.Topic != "demo/out" {
		t.Fatalf("inside: %v, %v", msg, err)
	}
	if err := tool.Publish("demo/in", data.Count(2)); err != nil {
		t.Fatal(err)
	}
	if msg, err := told.Get(ctx); err != nil || msg.Topic != "demo/in" {
		t.Fatalf("outside: %v, %v", msg, err)
	}
}
