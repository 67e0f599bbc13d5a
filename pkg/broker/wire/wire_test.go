// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHandshakeErrors(t *testing.T) {
	const id = "ffffffffffffffffffffffffffffffff"
	for _, c := range []struct {
		name, body string
		want       code.Code
		text       string
	}{
		{"empty", "", code.InvalidMessage, "invalid message type tag"},
		{"data in the handshake", "01", code.InvalidMessage, "invalid message type tag"},
		{"type 13", "0d", code.InvalidMessage, "invalid message type tag"},
		{"short hello", "06 5a45454b", code.InvalidMessage, "failed to parse hello_msg"},
		{"short probe", "07 5a45", code.InvalidMessage, "failed to parse probe_msg"},
		{"short version_select", "08 5a45454b" + id, code.InvalidMessage, "failed to parse version_select_msg"},
		{"short drop_conn", "09 5a45454b" + id + "02", code.InvalidMessage, "failed to parse drop_conn_msg"},
		{"drop_conn text", "09 5a45454b" + id + "02 05 61", code.InvalidMessage, "failed to parse drop_conn_msg"},
		{"drop_conn code", "09 5a45454b" + id + "29 01 61", code.Unspecified, "a"},
		{"magic of hello", "06 5a45454c" + id + "0101", code.WrongMagicNumber, "wrong magic number"},
		{"magic of probe", "07 00000000", code.WrongMagicNumber, "wrong magic number"},
		{"magic of drop_conn", "09 00000000" + id + "02 00", code.WrongMagicNumber, "wrong magic number"},
		{"versions too new", "06 5a45454b" + id + "c8c9", code.PeerIncompatible, "unsupported versions offered"},
		{"versions too old", "06 5a45454b" + id + "0000", code.PeerIncompatible, "unsupported versions offered"},
		{"version selected", "08 5a45454b" + id + "02", code.PeerIncompatible, "unsupported version selected"},
		{"truncated syn", "0a 01", code.InvalidMessage, "failed to parse v1::originator_syn_msg"},
		{"syn claims too much", "0a ffffffff0f", code.InvalidMessage, "failed to parse v1::originator_syn_msg"},
		{"truncated syn_ack", "0b 01 05 61", code.InvalidMessage, "failed to parse v1::responder_syn_ack_msg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ParseHandshake(unhex(t, c.body))
			var he *HandshakeError
			if !errors.As(err, &he) || he.Code != c.want || he.Text != c.text {
				t.Errorf("got %v, %#v, want %v %q", m, err, c.want, c.text)
			}
			if err != nil && !errors.Is(err, c.want) {
				t.Errorf("errors.Is(%v, %v) is false", err, c.want)
			}
		})
	}
}

// TestRefusedHandshake has the refusal that was observed from the reference after a hello with versions 200 to 201.
func TestRefusedHandshake(t *testing.T) {
	frame := unhex(t, "00000033 09 5a45454b 4d2f3e56fabe5e63b02016866e8a0239 02 1c 756e737570706f727465642076657273696f6e73206f666665726564")
	m, err := ParseHandshake(frame[FrameHeader:])
	want := &DropConn{data.EndpointID(unhex(t, "4d2f3e56fabe5e63b02016866e8a0239")), code.PeerIncompatible, "unsupported versions offered"}
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Fatalf("got %+v, %v", m, err)
	}
	if got := AppendHandshake(nil, want); !bytes.Equal(got, frame) {
		t.Errorf("encoded %x", got)
	}
}

func TestHandshakeIgnoresSurplus(t *testing.T) {
	for _, m := range []Handshake{&Probe{}, &Hello{Min: 1, Max: 3}, &OriginatorSyn{[]string{"a"}}, &OriginatorAck{}} {
		got, err := ParseHandshake(append(AppendHandshake(nil, m)[FrameHeader:], 1, 2))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%v: got %v, %v", m.Type(), got, err)
		}
	}
}

func TestParseEnvelopeErrors(t *testing.T) {
	ok, err := AppendFrame(nil, &Envelope{Type: TypeData, TTL: 16, Topic: []byte("/a"), Payload: []byte{0}})
	if err != nil {
		t.Fatal(err)
	}
	body := ok[FrameHeader:]
	for name, c := range map[string]struct {
		body   []byte
		offset int
	}{
		"short":       {body[:36], 36},
		"type 0":      {replace(body, TypeAt, 0), TypeAt},
		"type 6":      {replace(body, TypeAt, 6), TypeAt},
		"topic":       {replace(body, TopicLenAt, 1), TopicLenAt},
		"no payload?": {body[:TopicAt+1], TopicLenAt},
	} {
		_, err := ParseEnvelope(c.body)
		var we *Error
		if !errors.As(err, &we) || we.Offset != c.offset {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func replace(b []byte, at int, x byte) []byte {
	b = bytes.Clone(b)
	b[at] = x
	return b
}

func TestTopicTooLong(t *testing.T) {
	e := Envelope{Type: TypeData, Topic: make([]byte, MaxTopic+1)}
	if got, err := AppendFrame([]byte("x"), &e); err == nil || string(got) != "x" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	e.Topic = e.Topic[1:]
	got, err := AppendFrame(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseEnvelope(got[FrameHeader:]); err != nil || len(back.Topic) != MaxTopic || len(back.Payload) != 0 {
		t.Errorf("got a topic of %d bytes, %v", len(back.Topic), err)
	}
}

func TestParseFilterErrors(t *testing.T) {
	many := AppendFilter(nil, make([]string, MaxFilterEntries+1))
	long := AppendFilter(nil, []string{strings.Repeat("x", MaxTopic+1)})
	for name, payload := range map[string][]byte{
		"empty": {}, "count too large": {2, 1, 'a'}, "count too small": {1, 1, 'a', 1, 'b'}, "truncated entry": {1, 5, 'a'},
		"entry length": {1, 0x80}, "too many entries": many, "entry too long": long, "varbyte of six bytes": {0x80, 0x80, 0x80, 0x80, 0x80, 1},
	} {
		var we *Error
		if f, err := ParseFilter(payload); !errors.As(err, &we) {
			t.Errorf("%s: %q, %v", name, f, err)
		}
	}
	if f, err := ParseFilter([]byte{0}); err != nil || len(f) != 0 {
		t.Errorf("empty filter: %q, %v", f, err)
	}
}

func TestAnnouncement(t *testing.T) {
	want := Announcement{Version: 1, Features: FeatureNode, Nonce: 0x0102030405060708}
	b := want.Append(nil)
	if hex.EncodeToString(b) != "424d534801"+"0000000000000001"+"0102030405060708" {
		t.Errorf("encoded %x", b)
	}
	if got, ok := ParseAnnouncement(append(b, 9)); !ok || got != want {
		t.Errorf("got %+v, %v", got, ok)
	}
	for n := range len(b) {
		if _, ok := ParseAnnouncement(b[:n]); ok {
			t.Errorf("%d bytes are taken for an announcement", n)
		}
	}
	if _, ok := ParseAnnouncement(replace(b, 4, 0)); ok {
		t.Error("version 0 is taken")
	}
}

func TestBye(t *testing.T) {
	b := AppendBye(nil, 0x0100000000000010)
	if hex.EncodeToString(b) != "4259450100000000000010" || !IsBye(b) {
		t.Errorf("encoded %x", b)
	}
	if IsBye(b[:10]) || IsBye([]byte("BYZ01234567")) || IsBye(nil) {
		t.Error("IsBye takes what is none")
	}
}

func TestTypeString(t *testing.T) {
	if TypeRoutingUpdate.String() != "routing_update" || Type(0).String() != "type 0" || Type(99).String() != "type 99" {
		t.Error("names of types")
	}
}

func FuzzParseHandshake(f *testing.F) {
	for _, r := range recordedFrames(f) {
		if r.Body != nil {
			f.Add(r.frame[FrameHeader:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := ParseHandshake(body)
		if err != nil {
			var he *HandshakeError
			if !errors.As(err, &he) {
				t.Fatalf("error %T", err)
			}
			return
		}
		again, err := ParseHandshake(AppendHandshake(nil, m)[FrameHeader:])
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v comes back as %+v, %v", m, again, err)
		}
	})
}

func FuzzParseEnvelope(f *testing.F) {
	for _, r := range recordedFrames(f) {
		if r.Body == nil {
			f.Add(r.frame[FrameHeader:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseEnvelope(body)
		if err != nil {
			return
		}
		got, err := AppendFrame(nil, &e)
		if err != nil || !bytes.Equal(got[FrameHeader:], body) {
			t.Fatalf("encoded %x, %v", got, err)
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{2, 1, 'a', 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		filter, err := ParseFilter(payload)
		if err != nil {
			return
		}
		again, err := ParseFilter(AppendFilter(nil, filter))
		if err != nil || !reflect.DeepEqual(again, filter) {
			t.Fatalf("%q comes back as %q, %v", filter, again, err)
		}
	})
}

func FuzzParseAnnouncement(f *testing.F) {
	f.Add(Announcement{1, FeatureNode, 7}.Append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if a, ok := ParseAnnouncement(payload); ok && !bytes.HasPrefix(payload, a.Append(nil)) {
			t.Fatalf("%x read as %+v", payload, a)
		}
	})
}
