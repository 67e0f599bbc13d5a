// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// step is an entry of a recorded conversation: the HTTP answer of a new connection, or a frame.
type step struct {
	Path    string   `json:"http_request_path"`
	Headers []string `json:"request_headers"`
	Status  string   `json:"http_status"`
	Body    string   `json:"body"`

	Dir    string `json:"dir"`
	Text   string `json:"text"`
	Bytes  string `json:"text_not_utf8_hex"`
	Op     int    `json:"op"`
	Hex    string `json:"hex"`
	Ping   string `json:"ping"`
	Close  int    `json:"close"`
	Reason string `json:"reason"`
	EOF    bool   `json:"eof"`
}

// isAck tells acknowledgements, whose endpoint differs.
func (s step) isAck() bool { return strings.HasPrefix(s.Text, `{"type":"ack",`) }

// connection is the part of a recording that one connection makes up, without the server's pings.
type connection struct {
	step  // the HTTP answer
	steps []step
}

// recordings are the servers that were recorded, with the versions that they give, and the dialects that their clients are replayed
// against.
var recordings = []struct {
	server, version string
	dialect         Dialect
}{
	{"broker-server", "2.8.0-dev", DialectBroker},
	{"broker-server", "2.8.0-dev", DialectAuto},
	{"zeek-server", "8.0.10", DialectZeek},
	{"zeek-server", "8.0.10", DialectAuto},
}

// replay runs a test for each of the recordings.
func replay(t *testing.T, test func(t *testing.T, r recording)) {
	for _, c := range recordings {
		t.Run(c.server+" as "+string(c.dialect), func(t *testing.T) {
			test(t, recording{t, c.server, c.dialect, Options{Version: c.version, Dialect: c.dialect}})
		})
	}
}

type recording struct {
	t       *testing.T
	server  string
	dialect Dialect
	options Options
}

func (r recording) read(name string) []connection {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", r.server, name+".json"))
	if err != nil {
		r.t.Fatal(err)
	}
	var recording struct{ Log []step }
	if err := json.Unmarshal(b, &recording); err != nil {
		r.t.Fatal(err)
	}
	var all []connection
	for _, s := range recording.Log {
		switch {
		case s.Path != "":
			all = append(all, connection{step: s})
		case s.Ping == "" && s.Op != opPong || s.Dir == "server" && s.Op == opPong:
			last := &all[len(all)-1]
			last.steps = append(last.steps, s)
		}
	}
	if len(all) == 0 {
		r.t.Fatal("nothing is recorded")
	}
	return all
}

func (c connection) header() http.Header {
	header := make(http.Header)
	for _, h := range c.Headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Add(name, value)
	}
	return header
}

// dial connects as the recorded client did.
func (r recording) dial(c connection, g *Gateway) client { return dial(r.t, g, c.Path, c.header()) }

// ack checks an acknowledgement: it is the recorded one, but for the endpoint.
func (r recording) ack(g *Gateway, c connection, got, recorded string) {
	r.t.Helper()
	var ours, theirs struct{ Type, Endpoint, Version string }
	if json.Unmarshal([]byte(got), &ours) != nil || json.Unmarshal([]byte(recorded), &theirs) != nil || ours.Version != theirs.Version {
		r.t.Fatalf("received %s, want %s", got, recorded)
	}
	if string(jsonwire.AppendAck(nil, ours.Endpoint, ours.Version)) != got {
		r.t.Errorf("received %s", got)
	}
	rest, ok := strings.CutPrefix(ours.Endpoint, g.e.ID().String())
	numbered := r.dialect == DialectZeek || r.dialect == DialectAuto && len(c.Headers) > 0
	if !ok || strings.HasPrefix(rest, "-websocket-") != numbered || !numbered && rest != "" {
		r.t.Errorf("endpoint %s", ours.Endpoint)
	}
}
