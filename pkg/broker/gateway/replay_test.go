// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// recordedVersion is what the recorded server says of itself.
const recordedVersion = "2.8.0-dev"

// step is an entry of a recorded conversation: the HTTP answer of a new
// connection, or a frame.
type step struct {
	Path    string   `json:"http_request_path"`
	Headers []string `json:"request_headers"`
	Status  string   `json:"http_status"`

	Dir   string `json:"dir"`
	Text  string `json:"text"`
	Bytes string `json:"text_not_utf8_hex"`
	Op    int    `json:"op"`
	Hex   string `json:"hex"`
	EOF   bool   `json:"eof"`
}

// isAck tells acknowledgements, whose endpoint differs.
func (s step) isAck() bool { return strings.HasPrefix(s.Text, `{"type":"ack",`) }

// connection is the part of a recording that one connection makes up.
type connection struct {
	step  // the HTTP answer
	steps []step
}

func readRecording(t *testing.T, name string) []connection {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "broker-server", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var recording struct{ Log []step }
	if err := json.Unmarshal(b, &recording); err != nil {
		t.Fatal(err)
	}
	var all []connection
	for _, s := range recording.Log {
		if s.Path != "" {
			all = append(all, connection{step: s})
			continue
		}
		last := &all[len(all)-1]
		last.steps = append(last.steps, s)
	}
	if len(all) == 0 {
		t.Fatal("nothing is recorded")
	}
	return all
}

// dial connects as the recorded client did.
func (c connection) dial(t *testing.T, g *Gateway) client {
	t.Helper()
	header := make(http.Header)
	for _, h := range c.Headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Add(name, value)
	}
	return dial(t, g, c.Path, header)
}

// expectAck checks an acknowledgement, which is the recorded one but for the
// name of the endpoint.
func (c client) expectAck(g *Gateway, recorded string) {
	c.t.Helper()
	var ack struct{ Endpoint string }
	if err := json.Unmarshal([]byte(recorded), &ack); err != nil {
		c.t.Fatal(err)
	}
	c.expect(strings.Replace(recorded, ack.Endpoint, g.e.ID().String(), 1))
}

// What a Zeek script published arrives as the former server showed it, byte for
// byte. On purpose the last message differs: it holds bytes that are neither
// UTF-8 nor JSON, and ours is both.
func TestRecordedEvents(t *testing.T) {
	near, far := peered(t) // far stands for the Zeek
	g := newGateway(t, near, Options{Version: recordedVersion})
	published, err := far.SubscribeSync(t.Context(), []string{"demo/in"}, broker.QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	conn := readRecording(t, "events")[0]
	c := conn.dial(t, g)
	for i, s := range conn.steps {
		switch {
		case s.isAck():
			c.expectAck(g, s.Text)
		case s.Dir == "client":
			c.send(s.Text)
			if i == 0 {
				continue
			}
			topic, want, err := jsonwire.ParseMessage([]byte(s.Text))
			if err != nil {
				t.Fatal(err)
			}
			m, err := published.Get(c.ctx)
			if err != nil || m.Topic != topic || m.Value.String() != want.String() {
				t.Fatalf("step %d: the peer has %v, %v", i, m, err)
			}
		default:
			raw := []byte(s.Text)
			if s.Bytes != "" {
				if raw, err = hex.DecodeString(s.Bytes); err != nil {
					t.Fatal(err)
				}
			}
			topic, v, err := jsonwire.ParseMessage(raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := far.Publish(topic, v); err != nil {
				t.Fatal(err)
			}
			if s.Bytes == "" {
				c.expect(s.Text)
			} else if got := c.receive(); !json.Valid([]byte(got)) || !strings.Contains(got, `bytes \u0001\udcff end`) {
				t.Errorf("step %d: %s", i, got)
			}
		}
	}
}

// Two clients of one topic: what one publishes, the other has byte for byte as
// recorded, and the first hears nothing of it.
func TestRecordedTypes(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Version: recordedVersion})
	from, to := readRecording(t, "types.sender")[0], readRecording(t, "types.receiver")[0]
	sender, receiver := from.dial(t, g), to.dial(t, g)
	sender.send(from.steps[0].Text)
	sender.expectAck(g, from.steps[1].Text)
	receiver.send(to.steps[0].Text)
	receiver.expectAck(g, to.steps[1].Text)
	if len(from.steps) != len(to.steps) || len(from.steps) < 15 {
		t.Fatalf("%d and %d steps", len(from.steps), len(to.steps))
	}
	for i := 2; i < len(from.steps); i++ {
		sender.send(from.steps[i].Text)
		receiver.expect(to.steps[i].Text)
	}
	sender.send("[]") // what comes next is the answer to this
	sender.expect(`{"type":"error","code":"deserialization_failed","context":"input #16 expected a JSON object"}`)
}

// differing are the steps of errors.json, by the message's number, where the
// gateway says something else on purpose.
var differing = map[int]string{
	5:  "input #5 contained invalid data", // the former server took a topic that isn't a string for an empty one, which no peer can use
	11: "",                                // an integer for a real is unambiguous
}

// The answers to bad messages begin as recorded. Where the former server gave a
// reason in the words of its library, ours has its own; it also says where the
// fault is.
func TestRecordedErrors(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Version: recordedVersion})
	heard := join(t, g, `["demo/in"]`)
	conn := readRecording(t, "errors")[0]
	c := conn.dial(t, g)
	c.send(conn.steps[0].Text)
	c.expectAck(g, conn.steps[1].Text)
	n := 0
	for i, s := range conn.steps {
		if i < 2 || s.Dir != "client" {
			continue
		}
		n++
		want := ""
		if i+1 < len(conn.steps) && conn.steps[i+1].Dir == "server" {
			var answer struct{ Context string }
			if err := json.Unmarshal([]byte(conn.steps[i+1].Text), &answer); err != nil {
				t.Fatal(err)
			}
			want, _, _ = strings.Cut(answer.Context, " -> ")
		}
		if w, ok := differing[n]; ok {
			want = w
		}
		c.send(s.Text)
		if want == "" {
			topic, v, err := jsonwire.ParseMessage([]byte(s.Text))
			if err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
			heard.expect(string(jsonwire.AppendMessage(nil, topic, v)))
			continue
		}
		var answer struct{ Type, Code, Context string }
		if err := json.Unmarshal([]byte(c.receive()), &answer); err != nil {
			t.Fatal(err)
		}
		if context, _, _ := strings.Cut(answer.Context, " -> "); answer.Type != "error" || answer.Code != "deserialization_failed" || context != want {
			t.Errorf("message %d: answer %v, want %q", n, answer, want)
		}
	}
	if n < 19 {
		t.Errorf("%d messages", n)
	}
}

// The former server said nothing to a bad first message and let the connection
// lie; ours says what is wrong in the words of Zeek's server, and closes.
func TestRecordedFirstMessages(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Version: recordedVersion})
	for i, conn := range readRecording(t, "first-message") {
		c := conn.dial(t, g)
		c.send(conn.steps[0].Text)
		if len(conn.steps) > 1 {
			c.expectAck(g, conn.steps[1].Text)
			continue
		}
		words := "subscriptions not an array"
		if i == 3 || i == 6 { // [1] and [["demo/"]]
			words = "individual subscription not a string"
		}
		c.expect(`{"type":"error","code":"deserialization_failed","context":"` + words + `"}`)
		c.closed(websocket.StatusPolicyViolation)
	}
}

// The good paths are those recorded. For the others the former server answered
// status 400 whatever the headers; ours answers a named application as Zeek's
// server does, everybody else with 404.
func TestRecordedPaths(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Version: recordedVersion})
	bad := 0
	for _, conn := range readRecording(t, "paths") {
		if strings.Contains(conn.Status, "101") {
			c := conn.dial(t, g)
			c.send(conn.steps[0].Text)
			c.expectAck(g, conn.steps[1].Text)
			continue
		}
		bad++
		c := conn.dial(t, g)
		c.expect(`{"type":"error","code":"invalid_uri","context":"Invalid URI - use /v1/messages/json"}`)
		c.closed(websocket.StatusPolicyViolation)
		_, response, err := websocket.Dial(t.Context(), "ws://"+g.Addr().String()+conn.Path, nil)
		if err == nil || response == nil || response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v, %v", conn.Path, response, err)
		}
	}
	if bad != 3 {
		t.Errorf("%d bad paths", bad)
	}
}
