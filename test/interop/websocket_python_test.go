// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// websockets finds a Python that has the package websockets. Debian's is not always the first in PATH.
var websockets = sync.OnceValues(func() (string, error) {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import websockets").Run() == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("these tests need Python with the package websockets (Debian: apt-get install python3-websockets)")
})

// runPython runs a program and answers what it printed.
func runPython(t *testing.T, args ...string) string {
	t.Helper()
	python, err := websockets()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t), python, args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	return string(out)
}

// serving makes a gateway of an endpoint.
func serving(t *testing.T, e *broker.Endpoint, o gateway.Options) *gateway.Gateway {
	t.Helper()
	g, err := gateway.Listen(e, "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// report is what websocket_client.py saw.
type report struct {
	Ack    struct{ Type, Endpoint string }
	Error  struct{ Type, Code, Context string }
	Echoed int
	Close  []any
	Status int
	Failed string
}

// pythonClient runs websocket_client.py to its end and answers what it saw.
func pythonClient(t *testing.T, args ...string) (r report) {
	t.Helper()
	out := runPython(t, append([]string{"testdata/websocket_client.py"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// TestWebSocketPython sends every recorded value to a client written with Python's websockets, which parses it and sends it back.
func TestWebSocketPython(t *testing.T) {
	near, far := endpoint(t, broker.Options{}, ""), endpoint(t, broker.Options{}, "")
	if _, err := near.Peer(within(t), listening(t, far), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	g := serving(t, near, gateway.Options{})
	sub := subscribe(t, far, "/from/")
	done := make(chan report, 1)
	go func() {
		done <- pythonClient(t, "ws://"+g.Addr().String()+gateway.Path)
	}()
	if m := get(t, sub); m.Topic != "/from/ready" {
		t.Fatalf("message %+v", m)
	}
	n := 0
	for _, h := range recordedValues(t) {
		raw, _ := hex.DecodeString(h)
		v, err := data.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := far.Publish("/to/echo", v); err != nil {
			t.Fatal(err)
		}
		want, err := jsonwire.ParseValue(jsonwire.AppendValue(nil, v)) // timestamps are cut
		if err != nil {
			t.Fatal(err)
		}
		n++
		if m := get(t, sub); m.Topic != "/from/echo" || !bytes.Equal(m.Value.AppendBinary(nil), want.AppendBinary(nil)) {
			t.Errorf("sent %s, got %s back on %s", v, m.Value, m.Topic)
		}
	}
	if err := far.Publish("/to/end", data.None()); err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.Ack.Type != "ack" || r.Ack.Endpoint != near.ID().String()+"-websocket-0" || r.Error.Code != "deserialization_failed" || r.Echoed != n ||
		fmt.Sprint(r.Close) != "[1000 ]" || r.Status != 0 || r.Failed != "" {
		t.Errorf("the client saw %+v", r)
	}
}

// TestWebSocketPythonSecurity: tokens and certificates, as another TLS library has them.
func TestWebSocketPythonSecurity(t *testing.T) {
	dir := newAuthority(t).folder("brokermesh://test/client")
	security := load(t, dir)
	ca, cert, key := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	e := endpoint(t, broker.Options{}, "")
	access := gateway.Access{Tokens: []gateway.Token{{Name: "me", SHA256: gateway.HashToken("right")}}}
	run := func(o gateway.Options, args ...string) report {
		g := serving(t, e, o)
		defer g.Close()
		sub := subscribe(t, e, "/from/ready")
		defer sub.Close()
		go func() {
			if _, err := sub.Get(t.Context()); err == nil {
				e.Publish("/to/end", data.None())
			}
		}()
		return pythonClient(t, append([]string{"wss://" + g.Addr().String() + gateway.Path, "--ca", ca}, args...)...)
	}
	optional := gateway.Options{TLS: security, ClientCerts: gateway.CertsOptional, Access: access}
	for name, c := range map[string]struct {
		r      report
		status int // 0: let in
	}{
		"a token":                 {run(optional, "--token", "right"), 0},
		"a certificate":           {run(optional, "--cert", cert, "--key", key), 0},
		"neither":                 {run(optional), 401},
		"a wrong token":           {run(optional, "--token", "wrong"), 401},
		"a certificate, required": {run(gateway.Options{TLS: security}, "--cert", cert, "--key", key), 0},
	} {
		if c.r.Status != c.status || c.status == 0 && (c.r.Ack.Type != "ack" || fmt.Sprint(c.r.Close) != "[1000 ]") {
			t.Errorf("%s: the client saw %+v", name, c.r)
		}
	}
	if r := run(gateway.Options{TLS: security}); r.Failed == "" {
		t.Errorf("no certificate where one is required: the client saw %+v", r)
	}
}

// guide is the user's guide; its code is run here.
const guide = "../../docs/websocket.md"

// block is the code of the guide that follows a mark.
func block(t *testing.T, mark string) string {
	t.Helper()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- " + mark + " -->\n```[a-z]*\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no block %q", guide, mark)
	}
	return string(m[1])
}

// TestWebSocketGuidePython runs the guide's program: it prints what the guide says.
func TestWebSocketGuidePython(t *testing.T) {
	g := serving(t, endpoint(t, broker.Options{}, ""), gateway.Options{})
	program := strings.ReplaceAll(block(t, "run: python"), "127.0.0.1:9997", g.Addr().String())
	if got, want := runPython(t, "-c", program), block(t, "output: python"); got != want {
		t.Errorf("it prints\n%swhere the guide has\n%s", got, want)
	}
}
