// SPDX-License-Identifier: Apache-2.0

package data

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// vector is a line of the recorded values: what the reference wrote.
type vector struct {
	Type string `json:"type"`
	Bin  string `json:"bin"`
	Text string `json:"text"`
	JSON string `json:"json"`
}

func (v vector) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Bin)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readVectors reads a recorded file whole.
func readVectors(t testing.TB, name string) []vector {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []vector
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestValueVectors(t *testing.T) {
	for _, name := range []string{"values.jsonl", "order.jsonl"} {
		for i, line := range readVectors(t, name) {
			raw := line.bytes(t)
			v, err := Decode(raw)
			if err != nil {
				t.Errorf("%s:%d: %v", name, i+1, err)
				continue
			}
			if got := hex.EncodeToString(v.AppendBinary(nil)); got != line.Bin {
				t.Errorf("%s:%d: encoded to %s, want %s", name, i+1, got, line.Bin)
			}
			if v.BinarySize() != len(raw) {
				t.Errorf("%s:%d: size %d, want %d", name, i+1, v.BinarySize(), len(raw))
			}
			if got := v.String(); got != line.Text {
				t.Errorf("%s:%d: text %q, want %q", name, i+1, got, line.Text)
			}
			if c := Canonical(v); !sameBytes(c, v) {
				t.Errorf("%s:%d: what the reference wrote isn't canonical", name, i+1)
			}
			if got := hex.EncodeToString(rebuild(t, v).AppendBinary(nil)); got != line.Bin {
				t.Errorf("%s:%d: rebuilt to %s, want %s", name, i+1, got, line.Bin)
			}
		}
	}
}

func sameBytes(a, b Value) bool {
	return string(a.AppendBinary(nil)) == string(b.AppendBinary(nil))
}

// rebuild takes a value apart with the accessors and makes it again.
func rebuild(t *testing.T, v Value) Value {
	t.Helper()
	switch v.Kind() {
	case KindBoolean:
		x, _ := v.AsBoolean()
		return Boolean(x)
	case KindCount:
		x, _ := v.AsCount()
		return Count(x)
	case KindInteger:
		x, _ := v.AsInteger()
		return Integer(x)
	case KindReal:
		x, _ := v.AsReal()
		return Real(x)
	case KindString:
		x, _ := v.AsString()
		return String(x)
	case KindEnum:
		x, _ := v.AsEnum()
		return Enum(x)
	case KindAddress:
		x, _ := v.AsAddress()
		return Address(x)
	case KindSubnet:
		x, _ := v.AsSubnet()
		return Subnet(x)
	case KindPort:
		x, p, _ := v.AsPort()
		return Port(x, p)
	case KindTimestamp:
		x, _ := v.AsTimestamp()
		return Timestamp(x)
	case KindTimespan:
		x, _ := v.AsTimespan()
		return Timespan(x)
	case KindNone:
		return None()
	case KindTable:
		var entries []Entry
		for k, x := range v.Entries() {
			entries = append([]Entry{{rebuild(t, k), rebuild(t, x)}}, entries...)
		}
		return Table(entries...)
	}
	var elems []Value
	for x := range v.Elements() {
		elems = append(elems, rebuild(t, x))
	}
	if v.Kind() == KindSet {
		return Set(elems...)
	}
	return Vector(elems...)
}

func TestOrderVectors(t *testing.T) {
	lines := readVectors(t, "order.jsonl")
	values := make([]Value, len(lines))
	for i, line := range lines {
		var err error
		if values[i], err = Decode(line.bytes(t)); err != nil {
			t.Fatal(err)
		}
	}
	for i, a := range values {
		for j, b := range values {
			want := sign(i - j)
			if got := sign(Compare(a, b)); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d (lines %d, %d)", a, b, got, want, i+1, j+1)
			}
			if Equal(a, b) != (want == 0) {
				t.Errorf("Equal(%s, %s) = %t (lines %d, %d)", a, b, want != 0, i+1, j+1)
			}
			ea, eb := string(a.AppendBinary(nil)), string(b.AppendBinary(nil))
			if got, _, _ := compareFront(ea, eb); sign(got) != want {
				t.Errorf("encoded: %s, %s: %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(x int) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}
