// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// recorded answers the payloads of all recorded conversations.
func recorded(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/recorded/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded conversations: %v", err)
	}
	var out [][]byte
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			var frame struct{ Payload string }
			if err := json.Unmarshal(line, &frame); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			payload, err := hex.DecodeString(frame.Payload)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			out = append(out, payload)
		}
	}
	return out
}

func TestRecordedCommandsRoundTrip(t *testing.T) {
	seen := map[Kind]int{}
	for _, payload := range recorded(t) {
		m, err := Parse(payload)
		if err != nil {
			t.Fatalf("%x: %v", payload, err)
		}
		if again := m.Marshal(); !bytes.Equal(again, payload) {
			t.Errorf("%v:\n got %x\nwant %x", m.Body.Kind(), again, payload)
		}
		if m.Size() != len(payload) {
			t.Errorf("%v: size %d, want %d", m.Body.Kind(), m.Size(), len(payload))
		}
		seen[m.Body.Kind()]++
	}
	for _, kind := range []Kind{KindPut, KindPutUnique, KindPutUniqueResult, KindErase, KindExpire, KindAdd, KindClear,
		KindAttachWriter, KindKeepalive, KindCumulativeAck, KindNack, KindAckClone} {
		if seen[kind] == 0 {
			t.Errorf("no recorded %v", kind)
		}
	}
}

func TestEveryPrefixOfRecordedCommandsIsRefused(t *testing.T) {
	for _, payload := range recorded(t) {
		for n := range payload {
			var syntax *Error
			if _, err := Parse(payload[:n:n]); !errors.As(err, &syntax) {
				t.Fatalf("%d of %x: %v", n, payload, err)
			} else if syntax.Offset < 0 || syntax.Offset > n {
				t.Fatalf("%d of %x: offset %d", n, payload, syntax.Offset)
			}
		}
	}
}
