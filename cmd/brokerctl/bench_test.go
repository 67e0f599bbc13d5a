// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// benchHalf is a running half that listens.
type benchHalf struct {
	address string
	out     bytes.Buffer
	code    chan int
}

func beginHalf(t *testing.T, args ...string) *benchHalf {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	notes, notesWrite := io.Pipe()
	h := &benchHalf{code: make(chan int, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.code <- run(ctx, append([]string{"bench"}, args...), strings.NewReader(""), &h.out, notesWrite)
		notesWrite.Close()
	}()
	t.Cleanup(func() { cancel(); <-ended })
	if _, err := fmt.Fscanf(notes, "listening on %s\n", &h.address); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, notes)
	return h
}

// figures reads what a half has printed.
func figures(t *testing.T, who, text string, more ...string) map[string]any {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%s printed %q: %v", who, text, err)
	}
	for _, field := range append([]string{"messages", "seconds", "rate", "cpu_us_per_message", "max_rss_kib"}, more...) {
		if n, ok := f[field].(float64); !ok || n <= 0 {
			t.Errorf("%s: %s is %v", who, field, f[field])
		}
	}
	return f
}

func (h *benchHalf) end(t *testing.T, who string, more ...string) map[string]any {
	t.Helper()
	if code := <-h.code; code != ctl.ExitOK {
		t.Fatalf("%s: exit code %d", who, code)
	}
	return figures(t, who, h.out.String(), more...)
}

// benchLast runs the half that the others wait for.
func benchLast(t *testing.T, who string, args []string, more ...string) map[string]any {
	t.Helper()
	got := call(t, "", append([]string{"bench"}, args...)...)
	if got.code != ctl.ExitOK {
		t.Fatalf("%s: %+v", who, got)
	}
	return figures(t, who, got.out, more...)
}

func agree(t *testing.T, source, sink map[string]any) {
	t.Helper()
	if source["checksum"] == nil || source["checksum"] != sink["checksum"] || source["messages"] != sink["messages"] {
		t.Errorf("source %v, sink %v", source, sink)
	}
}

func TestBenchPubsub(t *testing.T) {
	for _, event := range []string{"1", "2"} {
		for _, security := range [][]string{nil, {"--tls-dir", certificateDir(t)}, {"--anonymous"}} {
			sink := beginHalf(t, append([]string{"sink", "--listen", "127.0.0.1:0", "--count", "20000"}, security...)...)
			source := benchLast(t, "source", append([]string{"source", "--peer", sink.address, "--count", "20000", "--event", event}, security...))
			agree(t, source, sink.end(t, "sink"))
		}
	}
}

// certificateDir is a folder with a certificate.
func certificateDir(t *testing.T) string {
	t.Helper()
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Issue(rand.Reader, time.Now(), pki.ClientRequest("default"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"ca.crt": authority.CertPEM(), "tls.crt": leaf.Cert, "tls.key": leaf.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBenchRelayAndFanOut(t *testing.T) {
	sink := beginHalf(t, "sink", "--listen", "127.0.0.1:0", "--count", "20000")
	relay := beginHalf(t, "relay", "--listen", "127.0.0.1:0", "--peer", sink.address)
	source := benchLast(t, "source", []string{"source", "--peer", relay.address, "--count", "20000"})
	agree(t, source, sink.end(t, "sink"))
	if r := relay.end(t, "relay"); r["messages"] != source["messages"] || r["dropped"] != 0.0 {
		t.Errorf("relay %v", r)
	}

	var sinks []*benchHalf
	args := []string{"source", "--count", "5000"}
	for range 3 {
		s := beginHalf(t, "sink", "--count-only", "--listen", "127.0.0.1:0", "--count", "5000")
		sinks, args = append(sinks, s), append(args, "--peer", s.address)
	}
	source = benchLast(t, "source", args, "sinks", "cpu_us_per_message_and_sink")
	for _, s := range sinks {
		if got := s.end(t, "counter"); got["messages"] != source["messages"] {
			t.Errorf("source %v, counter %v", source, got)
		}
	}
}

func TestBenchPing(t *testing.T) {
	pong := beginHalf(t, "pong", "--listen", "127.0.0.1:0")
	ping := benchLast(t, "ping", []string{"ping", "--peer", pong.address, "--count", "300"}, "rtt_us_p50", "rtt_us_p99")
	if answered := pong.end(t, "pong"); answered["messages"] != ping["messages"] {
		t.Errorf("ping %v, pong %v", ping, answered)
	}
}

func TestBenchStores(t *testing.T) {
	for _, backend := range []string{"memory", "sqlite", "pebble"} {
		benchLast(t, backend, []string{"store", "--backend", backend, "--dir", t.TempDir(), "--count", "2000"}, "get_us", "writers")
	}
	master := beginHalf(t, "master", "--listen", "127.0.0.1:0", "--count", "3000")
	clone := benchLast(t, "clone", []string{"clone", "--peer", master.address}, "sync_seconds")
	m := master.end(t, "master", "replicated_put_rate")
	if m["messages"] != 3000.0 || clone["messages"] != 3000.0 || clone["entries"] != 6000.0 {
		t.Errorf("master %v, clone %v", m, clone)
	}
}
