// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// FuzzConversation is a client that says two things. Whatever they are, it is answered in valid JSON, and if the first was a
// subscription the session survives the second.
func FuzzConversation(f *testing.F) {
	f.Add(`[]`, one)
	f.Add(`["/t",""]`, `{"topic":"/t","@data-type":"set","data":[{"@data-type":"none"},{"@data-type":"none"}]}`)
	f.Add(`["<$>/local/"]`, `{"topic":"<$>/x","@data-type":"none"}`)
	f.Add(`[1]`, ``)
	e, err := broker.New(broker.Options{})
	if err != nil {
		f.Fatal(err)
	}
	g, err := New(e, Options{Limits: Limits{Depth: 10}, Access: Access{Default: &Rights{Publish: []string{"/t"}, Subscribe: []string{""}}}})
	if err != nil {
		f.Fatal(err)
	}
	p := newPipes()
	served := make(chan error, 1)
	go func() { served <- g.Serve(p) }()
	f.Cleanup(func() {
		g.Close()
		<-served
		e.Close(context.Background())
	})
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	f.Fuzz(func(t *testing.T, first, second string) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, "ws://gateway"+Path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		conn.SetReadLimit(-1)
		c := client{conn, t, ctx}
		c.send(first)
		if got := c.valid(); !strings.HasPrefix(got, `{"type":"ack"`) {
			c.closed(websocket.StatusPolicyViolation)
			return
		}
		go func() { // a pipe holds nothing, and there may be an answer to the first of the two
			if conn.Write(ctx, websocket.MessageText, []byte(second)) == nil {
				conn.Write(ctx, websocket.MessageText, []byte("[]"))
			}
		}()
		for !strings.Contains(c.valid(), `"input #2 expected a JSON object"`) {
		}
	})
}

// valid receives a message, which must be JSON.
func (c client) valid() string {
	c.t.Helper()
	got := c.receive()
	if !json.Valid([]byte(got)) || !utf8.ValidString(got) {
		c.t.Fatalf("received %q", got)
	}
	return got
}
