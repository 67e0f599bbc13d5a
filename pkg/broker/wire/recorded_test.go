// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// recordedFrame is one frame of a recorded conversation with what its twin says of it.
type recordedFrame struct {
	name  string
	frame []byte
	Type  string `json:"type"`
	// Body of a handshake message: its fields in hex.
	Body     *string         `json:"body"`
	Sender   data.EndpointID `json:"sender"`
	Receiver data.EndpointID `json:"receiver"`
	TTL      uint16          `json:"ttl"`
	Topic    string          `json:"topic"`
	Payload  string          `json:"payload"`
}

func recordedFrames(t testing.TB) []recordedFrame {
	t.Helper()
	files, err := filepath.Glob("testdata/conversations/*/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded conversations: %v", err)
	}
	var all []recordedFrame
	for _, file := range files {
		all = append(all, readConversation(t, file)...)
	}
	return all
}

func readConversation(t testing.TB, file string) []recordedFrame {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := os.Open(strings.TrimSuffix(file, ".bin") + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	var out []recordedFrame
	lines := bufio.NewScanner(twin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := recordedFrame{name: filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)}
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		n := FrameHeader + int(binary.BigEndian.Uint32(raw))
		f.frame, raw = raw[:n:n], raw[n:]
		out = append(out, f)
	}
	if len(raw) != 0 {
		t.Fatalf("%s: %d bytes are left after the last frame of the twin", file, len(raw))
	}
	return out
}

func TestRecordedFrames(t *testing.T) {
	frames := recordedFrames(t)
	if len(frames) != 1284 {
		t.Fatalf("%d frames, 1284 are recorded", len(frames))
	}
	for _, f := range frames {
		body := f.frame[FrameHeader:]
		if f.Body != nil {
			checkHandshake(t, f, body)
		} else {
			checkEnvelope(t, f, body)
		}
	}
}

func checkHandshake(t *testing.T, f recordedFrame, body []byte) {
	t.Helper()
	m, err := ParseHandshake(body)
	if err != nil {
		t.Fatalf("%s: %s: %v", f.name, f.Type, err)
	}
	if m.Type().String() != f.Type || hex.EncodeToString(body[1:]) != *f.Body {
		t.Errorf("%s: got %s, want %s %s", f.name, m.Type(), f.Type, *f.Body)
	}
	if got := AppendHandshake([]byte("x"), m); !bytes.Equal(got[1:], f.frame) {
		t.Errorf("%s: %s: encoded\n%x, recorded\n%x", f.name, f.Type, got[1:], f.frame)
	}
}

func checkEnvelope(t *testing.T, f recordedFrame, body []byte) {
	t.Helper()
	e, err := ParseEnvelope(body)
	if err != nil {
		t.Fatalf("%s: %s: %v", f.name, f.Type, err)
	}
	if e.Type.String() != f.Type || e.Sender != f.Sender || e.Receiver != f.Receiver || e.TTL != f.TTL || string(e.Topic) != f.Topic ||
		hex.EncodeToString(e.Payload) != f.Payload {
		t.Errorf("%s: got %+v, want %+v", f.name, e, f)
	}
	got, err := AppendFrame(nil, &e)
	if err != nil || !bytes.Equal(got, f.frame) || len(got) != e.FrameSize() {
		t.Errorf("%s: encoded %x (%v), recorded %x", f.name, got, err, f.frame)
	}
	if e.Type == TypeRoutingUpdate {
		filter, err := ParseFilter(e.Payload)
		if err != nil || !bytes.Equal(AppendFilter(nil, filter), e.Payload) {
			t.Errorf("%s: filter %q: %v", f.name, filter, err)
		}
	}
}

// TestPrefixes feeds every strict prefix of every recorded frame to the parsers: an error or, where the rest is payload, a shorter
// payload, but never a panic and never the whole message.
func TestPrefixes(t *testing.T) {
	for _, f := range recordedFrames(t) {
		body := f.frame[FrameHeader:]
		for n := range len(body) {
			if f.Body != nil {
				if m, err := ParseHandshake(body[:n]); err == nil {
					t.Fatalf("%s: %s: %d of %d bytes parse as %+v", f.name, f.Type, n, len(body), m)
				}
				continue
			}
			e, err := ParseEnvelope(body[:n])
			if complete := n >= HeaderSize+len(f.Topic); complete != (err == nil) {
				t.Fatalf("%s: %s: %d of %d bytes: %v", f.name, f.Type, n, len(body), err)
			} else if complete && len(e.Payload) != n-HeaderSize-len(f.Topic) {
				t.Fatalf("%s: payload of %d bytes", f.name, len(e.Payload))
			}
		}
	}
}
