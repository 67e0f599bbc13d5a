// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// lockedBuffer is written by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// records are the log lines so far, by their text.
func (l *lockedBuffer) records(t *testing.T) map[string]map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]map[string]any)
	for line := range strings.Lines(l.b.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		out[r["msg"].(string)] = r
	}
	return out
}

// TestLogAttributes has who, where and what in the same words in each line.
func TestLogAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		c := newCouple(t, Options{Logger: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		c.peer(time.Second)
		time.Sleep(time.Minute)
		c.cut(true)
		time.Sleep(time.Minute)
		if err := c.a.Unpeer(t.Context(), dialedAddress); err != nil {
			t.Fatal(err)
		}
		conn, err := c.net.connect(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		raw := rawDial(t, conn, c.b)
		raw.send(wire.TypeData, "/t", []byte{99})
		time.Sleep(2 * time.Second)
		if err := c.b.UnpeerID(t.Context(), raw.id); err != nil {
			t.Fatal(err)
		}
		stranger, _ := c.net.connect(t.Context(), "")
		stranger.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		time.Sleep(time.Minute)
		c.a.Close(t.Context())
		c.b.Close(t.Context())
		records := out.records(t)
		for text, want := range map[string]map[string]any{
			"peered":                               {"code": "peer_added", "class": "Foreign", "peer": raw.id.String(), "address": acceptedAddress},
			"peer lost":                            {"code": "peer_lost", "class": "Lost", "peer": nil, "address": nil, "error": nil},
			"peer removed":                         {"code": "peer_removed", "peer": raw.id.String(), "address": acceptedAddress},
			"dial failed":                          {"code": "peer_unavailable", "address": dialedAddress, "error": nil},
			"bad message dropped":                  {"cause": "payload", "topic": "/t", "peer": raw.id.String(), "address": acceptedAddress, "error": nil},
			"connection refused":                   {"class": "Incompatible", "address": acceptedAddress, "error": nil},
			"peer did not answer the closing ping": {"peer": raw.id.String(), "address": acceptedAddress},
		} {
			r := records[text]
			for k, v := range want {
				if r[k] == nil || v != nil && r[k] != v {
					t.Errorf("%q: %s is %v, want %v, in %v", text, k, r[k], v, r)
				}
			}
		}
		known := []string{"time", "level", "msg", "peer", "address", "topic", "code", "class", "error", "cause", "role", "filter", "entries", "dropped"}
		for text, r := range records {
			for k := range maps.Keys(r) {
				if !slices.Contains(known, k) {
					t.Errorf("%q has an attribute %q", text, k)
				}
			}
			if id, ok := r["peer"].(string); ok {
				if _, err := data.ParseEndpointID(id); err != nil {
					t.Errorf("%q: peer %v", text, r["peer"])
				}
			}
		}
	})
}
