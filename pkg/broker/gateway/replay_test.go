// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// A peer stands for the Zeek behind the server: what the client publishes arrives there, and what it answers arrives at the client as
// recorded. On purpose the last message differs: it holds bytes that are neither UTF-8 nor JSON, and ours is both.
func TestRecordedEvents(t *testing.T) {
	replay(t, func(t *testing.T, r recording) {
		near, far := peered(t)
		g := newGateway(t, near, r.options)
		published, err := far.SubscribeSync(t.Context(), []string{"demo/in"}, broker.QueueLimit{})
		if err != nil {
			t.Fatal(err)
		}
		conn := r.read("events")[0]
		c := r.dial(conn, g)
		for i, s := range conn.steps {
			switch {
			case s.isAck():
				r.ack(g, conn, c.receive(), s.Text)
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
				answerFromPeer(t, far, c, s)
			}
		}
	})
}

func answerFromPeer(t *testing.T, far *broker.Endpoint, c client, s step) {
	t.Helper()
	raw := []byte(s.Text)
	if s.Bytes != "" {
		raw, _ = hex.DecodeString(s.Bytes)
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
		t.Errorf("received %s", got)
	}
}

// Two clients of one topic: what one publishes, the other has byte for byte as recorded, and the first hears nothing of it.
func TestRecordedTypes(t *testing.T) {
	replay(t, func(t *testing.T, r recording) {
		g := newGateway(t, newEndpoint(t), r.options)
		from, to := r.read("types.sender")[0], r.read("types.receiver")[0]
		sender, receiver := r.dial(from, g), r.dial(to, g)
		sender.send(from.steps[0].Text)
		r.ack(g, from, sender.receive(), from.steps[1].Text)
		receiver.send(to.steps[0].Text)
		r.ack(g, to, receiver.receive(), to.steps[1].Text)
		if len(from.steps) != len(to.steps) || len(from.steps) < 15 {
			t.Fatalf("%d and %d steps", len(from.steps), len(to.steps))
		}
		for i := 2; i < len(from.steps); i++ {
			sender.send(from.steps[i].Text)
			receiver.expect(to.steps[i].Text)
		}
		sender.send("[]") // what comes next is the answer to this
		if got := sender.receive(); !strings.HasPrefix(got, `{"type":"error"`) {
			t.Errorf("received %s", got)
		}
	})
}

// differing are the steps of errors.json, by the message's number, where the gateway says something else on purpose. Nothing stands for
// a message that is taken.
var differing = map[Dialect]map[int]string{
	DialectBroker: {
		5:  "input #5 contained invalid data", // the former server took a topic that isn't a string for an empty one, which no peer can use
		11: "",                                // an integer for a real is unambiguous
	},
	DialectZeek: {11: "failed to create Zeek event"}, // the same: it is no event
}

// The answers to bad messages begin as recorded. Where the former server gave a reason in the words of its library, ours has its own;
// it also says where the fault is. In the dialect Auto they are C++ Broker's.
func TestRecordedErrors(t *testing.T) {
	replay(t, func(t *testing.T, r recording) {
		g := newGateway(t, newEndpoint(t), r.options)
		heard := join(t, g, `["demo/in"]`)
		conn := r.read("errors")[0]
		c := r.dial(conn, g)
		c.send(conn.steps[0].Text)
		r.ack(g, conn, c.receive(), conn.steps[1].Text)
		words := conn
		if r.dialect == DialectAuto {
			words = recording{t, "broker-server", DialectBroker, Options{}}.read("errors")[0]
		}
		wants := recordedContexts(t, words)
		for i, w := range differing[map[bool]Dialect{true: DialectZeek, false: DialectBroker}[r.dialect == DialectZeek]] {
			wants[i-1] = w
		}
		n := 0
		for _, s := range conn.steps[2:] {
			if s.Dir != "client" {
				continue
			}
			n++
			c.send(s.Text)
			if want := wants[n-1]; want != "" {
				c.expectError(want)
				continue
			}
			topic, v, err := jsonwire.ParseMessage([]byte(s.Text))
			if err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
			heard.expect(string(jsonwire.AppendMessage(nil, topic, v)))
		}
		if n != len(wants) || n < 19 {
			t.Errorf("%d messages, %d recorded", n, len(wants))
		}
	})
}

// recordedContexts are the answers to a connection's messages, up to the reason; nothing for messages that were taken.
func recordedContexts(t *testing.T, c connection) (all []string) {
	t.Helper()
	for _, s := range c.steps[2:] {
		if s.Dir == "client" {
			all = append(all, "")
			continue
		}
		var answer struct{ Context string }
		if err := json.Unmarshal([]byte(s.Text), &answer); err != nil {
			t.Fatal(err)
		}
		all[len(all)-1], _, _ = strings.Cut(answer.Context, " -> ")
	}
	return all
}

// expectError waits for an error whose context is want, up to the reason.
func (c client) expectError(want string) {
	c.t.Helper()
	var answer struct{ Type, Code, Context string }
	if err := json.Unmarshal([]byte(c.receive()), &answer); err != nil {
		c.t.Fatal(err)
	}
	if context, _, _ := strings.Cut(answer.Context, " -> "); answer.Type != "error" || answer.Code != "deserialization_failed" || context != want {
		c.t.Errorf("answer %v, want %q", answer, want)
	}
}

// The former server said nothing to a bad first message, Zeek's says what is wrong, and both let the connection lie. Ours says it in the
// words of Zeek's, and closes.
func TestRecordedFirstMessages(t *testing.T) {
	replay(t, func(t *testing.T, r recording) {
		g := newGateway(t, newEndpoint(t), r.options)
		for i, conn := range r.read("first-message") {
			c := r.dial(conn, g)
			c.send(conn.steps[0].Text)
			if len(conn.steps) > 1 && conn.steps[1].isAck() {
				r.ack(g, conn, c.receive(), conn.steps[1].Text)
				continue
			}
			words := "subscriptions not an array"
			if i == 3 || i == 6 { // [1] and [["demo/"]]
				words = "individual subscription not a string"
			}
			if len(conn.steps) > 1 && !strings.Contains(conn.steps[1].Text, words) {
				t.Errorf("recorded is %s", conn.steps[1].Text)
			}
			c.expect(`{"type":"error","code":"deserialization_failed","context":"` + words + `"}`)
			c.closed(websocket.StatusPolicyViolation)
		}
	})
}

// The dialects of the two servers answer paths as recorded. Auto takes a query, answers a named application as Zeek's server does, and
// everybody else with 404.
func TestRecordedPaths(t *testing.T) {
	replay(t, func(t *testing.T, r recording) {
		g := newGateway(t, newEndpoint(t), r.options)
		for _, conn := range r.read("paths") {
			right := conn.Path == Path || r.dialect != DialectZeek && conn.Path == Path+"?x=1"
			if !right && r.dialect == DialectBroker {
				r.refused(g, conn)
				continue
			}
			c := r.dial(conn, g)
			c.send(`["demo/"]`)
			if right {
				r.ack(g, conn, c.receive(), fmt.Sprintf(`{"version":%q}`, r.options.Version))
				continue
			}
			c.expect(`{"type":"error","code":"invalid_uri","context":"Invalid URI - use /v1/messages/json"}`)
			c.closed(websocket.StatusPolicyViolation)
			if r.dialect == DialectAuto {
				conn.Headers, conn.Status, conn.Body = nil, "HTTP/1.1 404 Not Found", "invalid path; try "+Path+"\n"
				r.refused(g, conn)
			}
		}
	})
}

// refused checks the HTTP answer. The recording has its body twice.
func (r recording) refused(g *Gateway, c connection) {
	r.t.Helper()
	_, response, err := websocket.Dial(r.t.Context(), "ws://"+g.Addr().String()+c.Path, &websocket.DialOptions{HTTPHeader: c.header()})
	if err == nil || response == nil {
		r.t.Fatalf("%s: let in", c.Path)
	}
	body, _ := io.ReadAll(response.Body)
	if got := response.Proto + " " + response.Status; got != c.Status || !strings.HasPrefix(c.Body, string(body)) || len(body) == 0 {
		r.t.Errorf("%s: %s %q, want %s %q", c.Path, got, body, c.Status, c.Body)
	}
}

// The frames of the recordings. The former server ended connections without a word where ours sends the close frame that the WebSocket
// standard asks for.
func TestRecordedFrames(t *testing.T) {
	replay(t, func(t *testing.T, r recording) {
		g := newGateway(t, newEndpoint(t), r.options)
		for _, conn := range r.read("frames") {
			r.replayFrames(dialRaw(t, g), conn)
		}
	})
}

func (r recording) replayFrames(c rawClient, conn connection) {
	bye := ""
	for _, s := range conn.steps {
		payload, _ := hex.DecodeString(s.Hex)
		switch {
		case s.isAck():
			if op, text, err := c.next(); err != nil || op != opText || !strings.Contains(string(text), `,"version":"`+r.options.Version+`"}`) {
				r.t.Fatalf("received %d %q, %v", op, text, err)
			}
		case s.Dir == "client" && s.Text != "":
			c.frame(true, opText, []byte(s.Text))
		case s.Dir == "client":
			c.frame(true, byte(s.Op), payload)
			if s.Op == opBinary && r.dialect != DialectZeek {
				c.expect(opClose, "\x03\xebbinary messages are not part of the protocol") // 1003
				c.frame(true, opClose, []byte("\x03\xeb"))
				c.ended()
				return
			}
			if s.Op == opClose {
				bye = string(payload)
			}
		case s.EOF:
			if r.server == "broker-server" {
				c.expect(opClose, bye)
			}
			c.ended()
		case s.Close != 0:
			c.expect(opClose, bye)
		case s.Text != "":
			c.expect(opText, s.Text)
		default:
			c.expect(byte(s.Op), string(payload))
		}
	}
}
