// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// newNode is an endpoint to talk to, and how to reach it.
func newNode(t *testing.T, security *peering.TLS) (*broker.Endpoint, Options) {
	t.Helper()
	e, err := broker.New(broker.Options{TLS: security})
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
	address, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return e, Options{Peer: address.String(), Plain: security == nil, Timeout: patience, Text: true}
}

func TestPublish(t *testing.T) {
	e, o := newNode(t, nil)
	sub, err := e.Subscribe([]string{"/t"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	var notes bytes.Buffer
	if err := Publish(t.Context(), o, "/t/x", "42", &notes); err != nil {
		t.Fatal(err)
	}
	o.Text = false
	if err := Publish(t.Context(), o, "/t/y", `{"@data-type":"string","data":"hé"}`, &notes); err != nil {
		t.Fatal(err)
	}
	if notes.Len() > 0 {
		t.Errorf("notes: %s", &notes)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, want := range []broker.Message{{Topic: "/t/x", Value: data.Count(42)}, {Topic: "/t/y", Value: data.String("hé")}} {
		m, err := sub.Get(ctx)
		if err != nil || m.Topic != want.Topic || !data.Equal(m.Value, want.Value) {
			t.Errorf("received %v, %v; want %v", m, err, want)
		}
	}
	o.Text = true
	if err := Publish(t.Context(), o, "/other", "1", &notes); err != nil || !strings.Contains(notes.String(), "nobody behind") {
		t.Errorf("a message that nobody wants: %v, notes %q", err, &notes)
	}
}

// lines runs a subscription and hands out what it prints.
type lines struct {
	out, notes *bufio.Reader
	done       chan error
}

func subscribe(t *testing.T, ctx context.Context, o Options, count int, prefixes ...string) lines {
	t.Helper()
	out, outWrite := io.Pipe()
	notes, notesWrite := io.Pipe()
	l := lines{bufio.NewReader(out), bufio.NewReader(notes), make(chan error, 1)}
	go func() {
		err := Subscribe(ctx, o, prefixes, count, outWrite, notesWrite)
		outWrite.Close()
		notesWrite.Close()
		l.done <- err
	}()
	if note, err := l.notes.ReadString('\n'); err != nil || note != "subscribed at "+o.Peer+"\n" {
		t.Fatalf("note %q, %v, %v", note, err, <-l.done)
	}
	return l
}

func (l lines) expect(t *testing.T, want string) {
	t.Helper()
	if got, err := l.out.ReadString('\n'); err != nil || got != want+"\n" {
		t.Fatalf("printed %q, %v; want %q", got, err, want)
	}
}

func TestSubscribe(t *testing.T) {
	e, o := newNode(t, nil)
	publish := func(topic string, v data.Value) {
		t.Helper()
		if err := e.Publish(topic, v); err != nil {
			t.Fatal(err)
		}
	}
	l := subscribe(t, t.Context(), o, 2, "/a", "/b")
	publish("/c", data.Count(1))
	publish("/a/1", data.Vector(data.Count(1), data.String("x")))
	publish("/b", data.None())
	l.expect(t, "/a/1 (1, x)")
	l.expect(t, "/b nil")
	if err := <-l.done; err != nil {
		t.Errorf("after the last message: %v", err)
	}

	o.Text = false
	ctx, cancel := context.WithCancel(t.Context())
	l = subscribe(t, ctx, o, 0, "")
	publish("/t", data.Count(7))
	l.expect(t, `/t {"@data-type":"count","data":7}`)
	cancel()
	if err := <-l.done; err != nil {
		t.Errorf("stopped: %v", err)
	}

	l = subscribe(t, t.Context(), o, 0, "")
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-l.done; err == nil || ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("the node is gone: %v", err)
	}
}

func TestTLS(t *testing.T) {
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	folder := func(r pki.Request) string {
		leaf, err := authority.Issue(rand.Reader, time.Now(), r)
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
	security, err := peering.LoadTLS(folder(pki.NodeRequest("default", "a")))
	if err != nil {
		t.Fatal(err)
	}
	_, o := newNode(t, security)
	o.TLSDir = folder(pki.ClientRequest("default"))
	if err := Publish(t.Context(), o, "/t", "1", io.Discard); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	o.TLSDir, o.Plain = "", true
	if err := Publish(t.Context(), o, "/t", "1", io.Discard); ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("without TLS: %v", err)
	}
}

func TestBadInput(t *testing.T) {
	good := Options{Peer: "127.0.0.1:1", Plain: true, Timeout: time.Second, Text: true}
	for name, change := range map[string]func(*Options){
		"no peer":           func(o *Options) { o.Peer = "" },
		"no security":       func(o *Options) { o.Plain = false },
		"two of them":       func(o *Options) { o.TLSDir = "x" },
		"no certificates":   func(o *Options) { o.Plain, o.TLSDir = false, t.TempDir() },
		"no time":           func(o *Options) { o.Timeout = 0 },
		"a value in quotes": func(o *Options) { o.Text = false },
	} {
		o := good
		change(&o)
		if err := Publish(t.Context(), o, "/t", `"a"`, io.Discard); ctl.Code(err) != ctl.ExitBadInput {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts, so nobody answers
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Peer: l.Addr().String(), Plain: true, Timeout: 100 * time.Millisecond, Text: true}
	if err := Publish(t.Context(), o, "/t", "1", io.Discard); ctl.Code(err) != ctl.ExitTimeout {
		t.Errorf("silence: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Timeout = patience
	if err := Publish(t.Context(), o, "/t", "1", io.Discard); ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("nobody there: %v", err)
	}
}
