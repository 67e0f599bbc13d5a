// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

type vector struct {
	Bin  string `json:"bin"`
	JSON string `json:"json"`
}

func readVectors(t testing.TB) (lines []vector, values []data.Value) {
	t.Helper()
	f, err := os.Open("testdata/values.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line vector
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(line.Bin)
		if err != nil {
			t.Fatal(err)
		}
		v, err := data.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		lines, values = append(lines, line), append(values, v)
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines, values
}

// mapScalars applies f to each scalar in v.
func mapScalars(v data.Value, f func(data.Value) data.Value) data.Value {
	var elems []data.Value
	var entries []data.Entry
	switch v.Kind() {
	case data.KindSet, data.KindVector:
		for e := range v.Elements() {
			elems = append(elems, mapScalars(e, f))
		}
	case data.KindTable:
		for k, x := range v.Entries() {
			entries = append(entries, data.Entry{Key: mapScalars(k, f), Value: mapScalars(x, f)})
		}
		return data.Table(entries...)
	default:
		return f(v)
	}
	if v.Kind() == data.KindSet {
		return data.Set(elems...)
	}
	return data.Vector(elems...)
}

// cut is what JSON leaves of a scalar: milliseconds of a timestamp, and no
// reals below the smallest normal number.
func cut(v data.Value) data.Value {
	if ns, ok := v.AsTimestampNanos(); ok {
		unit := int64(time.Millisecond)
		if ns < 0 {
			unit = int64(time.Second)
		}
		return data.TimestampNanos(ns - ns%unit)
	}
	if f, ok := v.AsReal(); ok {
		return data.Real(f)
	}
	return v
}

// sixDecimals is what the reference's rendering leaves of a real.
func sixDecimals(v data.Value) data.Value {
	f, ok := v.AsReal()
	if !ok || math.IsInf(f, 0) || math.IsNaN(f) {
		return v
	}
	f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', 6, 64), 64)
	return data.Real(f)
}

func same(a, b data.Value) bool {
	return string(a.AppendBinary(nil)) == string(b.AppendBinary(nil))
}

func TestVectors(t *testing.T) {
	lines, values := readVectors(t)
	exact := 0
	for i, v := range values {
		got := AppendValue(nil, v)
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Errorf("line %d: not valid: %s", i+1, got)
		}
		if string(got) == lines[i].JSON {
			exact++
		}
		// With its reals cut as the recording's are, it is the recording.
		if short := AppendValue(nil, mapScalars(v, sixDecimals)); string(short) != lines[i].JSON {
			t.Errorf("line %d: %s, want %s", i+1, short, lines[i].JSON)
		}
		// What we write loses nothing but parts of timestamps.
		want := mapScalars(v, cut)
		if back, err := ParseValue(got); err != nil || !same(back, want) {
			t.Errorf("line %d: %s is read as %s, %v", i+1, got, back, err)
		}
		// The recording has its reals cut too.
		want = mapScalars(want, sixDecimals)
		if back, err := ParseValue([]byte(lines[i].JSON)); err != nil || !same(back, want) {
			t.Errorf("line %d: the recording is read as %s, %v", i+1, back, err)
		}
	}
	t.Logf("%d of %d lines byte for byte without cutting reals", exact, len(lines))
	if exact < 630 {
		t.Errorf("only %d of %d lines byte for byte", exact, len(lines))
	}
}

// record is a step of a recorded WebSocket conversation.
type record struct {
	Dir  string `json:"dir"`
	Text string `json:"text"`
	Hex  string `json:"text_not_utf8_hex"`
}

func readConversation(t testing.TB, path string) []record {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Log []record }
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	return all.Log
}

// Every message that a real server sent is read, and written again to the same
// bytes, unless those weren't valid in the first place.
func TestRecordedMessages(t *testing.T) {
	paths, err := filepath.Glob("testdata/*-server/[et]*s*.json")
	if err != nil || len(paths) != 8 {
		t.Fatalf("found %v, %v", paths, err)
	}
	messages, odd := 0, 0
	for _, path := range paths {
		for i, r := range readConversation(t, path) {
			raw := []byte(r.Text)
			if r.Hex != "" {
				raw, _ = hex.DecodeString(r.Hex)
			}
			var head struct{ Type, Endpoint, Version, Code, Context string }
			if r.Dir != "server" || r.Hex == "" && json.Unmarshal(raw, &head) != nil {
				continue
			}
			switch {
			case head.Type == "ack":
				if got := AppendAck(nil, head.Endpoint, head.Version); string(got) != r.Text {
					t.Errorf("%s: step %d: %s, want %s", path, i, got, r.Text)
				}
				continue
			case head.Type == "error":
				if got := AppendError(nil, head.Code, head.Context); string(got) != r.Text {
					t.Errorf("%s: step %d: %s, want %s", path, i, got, r.Text)
				}
				continue
			}
			topic, v, err := ParseMessage(raw)
			if err != nil {
				t.Errorf("%s: step %d: %v", path, i, err)
				continue
			}
			messages++
			got := AppendMessage(nil, topic, v)
			if r.Hex == "" && json.Valid(raw) {
				if string(got) != r.Text {
					t.Errorf("%s: step %d: %s, want %s", path, i, got, r.Text)
				}
				continue
			}
			odd++
			if _, again, err := ParseMessage(got); err != nil || !json.Valid(got) || !utf8.Valid(got) || !same(again, v) {
				t.Errorf("%s: step %d: %s is read as %s, %v", path, i, got, again, err)
			}
		}
	}
	if messages < 30 || odd == 0 {
		t.Errorf("only %d messages, %d of them not valid JSON", messages, odd)
	}
}
