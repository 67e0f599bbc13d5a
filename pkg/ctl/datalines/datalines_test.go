// SPDX-License-Identifier: Apache-2.0

package datalines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// vector is a line of the recorded files, as far as a test needs it.
type vector struct {
	Type    string          `json:"type"`
	Bin     string          `json:"bin"`
	Text    string          `json:"text"`
	JSON    string          `json:"json"`
	Op      string          `json:"op"`
	Present bool            `json:"present"`
	Result  string          `json:"result"`
	After   *string         `json:"after"`
	Value   *string         `json:"value"`
	raw     json.RawMessage // the line
}

func readVectors(t testing.TB, file string) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for line := range bytes.Lines(b) {
		v := vector{raw: bytes.TrimSpace(line)}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		t.Fatalf("%s is empty", file)
	}
	return all
}

// filter runs lines through a command and answers its lines.
func filter(t testing.TB, do func(io.Reader, io.Writer) error, lines []string) []string {
	t.Helper()
	var out bytes.Buffer
	if err := do(strings.NewReader(strings.Join(lines, "\n")+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestDecode(t *testing.T) {
	vectors := readVectors(t, "values.jsonl")
	var in []string
	for _, v := range vectors {
		in = append(in, v.Bin)
	}
	out := filter(t, Decode, in)
	if len(out) != len(in) {
		t.Fatalf("%d lines for %d", len(out), len(in))
	}
	for i, v := range vectors {
		var got decoded
		if err := json.Unmarshal([]byte(out[i]), &got); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if want := strings.ToValidUTF8(v.Text, "\ufffd"); got.Text != want && !strings.Contains(want, "\ufffd") {
			t.Errorf("line %d: text %q, want %q", i+1, got.Text, want)
		}
		back, err := jsonwire.ParseValue([]byte(got.JSON))
		if err != nil {
			t.Errorf("line %d: json %s: %v", i+1, got.JSON, err)
			continue
		}
		if back.Kind().String() != v.Type && v.Type != "enum_value" && v.Type != "list" {
			t.Errorf("line %d: json of a %s, want %s", i+1, back.Kind(), v.Type)
		}
	}
}

func TestDecodeRefusals(t *testing.T) {
	for in, want := range map[string]string{
		"":     `{"error":"input ends inside a value","offset":0}`,
		"02":   `{"error":"input ends inside a value","offset":1}`,
		"0f":   `{"error":"unknown type tag","offset":0}`,
		"0000": `{"error":"bytes after the value","offset":1}`,
		"0c020200000000000000010200000000000000g1": `{"error":"not hexadecimal: encoding/hex: invalid byte: U+0067 'g'","offset":19}`,
	} {
		if got := filter(t, Decode, []string{in})[0]; got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestEncodeIsTheWayBack(t *testing.T) {
	vectors := readVectors(t, "values.jsonl")
	var in []string
	for _, v := range vectors {
		in = append(in, v.Bin)
	}
	var documents []string
	for _, line := range filter(t, Decode, in) {
		var d decoded
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d.JSON)
	}
	same := 0
	for i, got := range filter(t, Encode, documents) {
		// JSON holds timestamps to the millisecond.
		if got == in[i] {
			same++
		} else if !strings.Contains(documents[i], `"timestamp"`) {
			t.Errorf("line %d: %s came back as %s", i+1, in[i], got)
		}
	}
	if same < 500 {
		t.Errorf("only %d of %d values came back as they were", same, len(in))
	}
}

func TestEncodeRefusals(t *testing.T) {
	in := "{\"@data-type\":\"count\",\"data\":1}\nnonsense\n{\"@data-type\":\"phone\",\"data\":1}\n"
	var out bytes.Buffer
	err := Encode(strings.NewReader(in), &out)
	if !errors.Is(err, ErrBadLine) || !strings.Contains(err.Error(), "2 in all, the first is line 2") {
		t.Errorf("error %v", err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || lines[0] != "020000000000000001" || !strings.HasPrefix(lines[1], `{"error":`) || !strings.HasPrefix(lines[2], `{"error":`) {
		t.Errorf("output %q", lines)
	}
}

func TestSort(t *testing.T) {
	var want []string
	for _, v := range readVectors(t, "order.jsonl") {
		want = append(want, v.Bin)
	}
	in := slices.Clone(want)
	slices.Reverse(in)
	in = append(in, want[:20]...)
	if got := filter(t, Sort, in); !slices.Equal(got, want) {
		t.Errorf("%d lines in another order than the recorded %d", len(got), len(want))
	}
	var out bytes.Buffer
	err := Sort(strings.NewReader("00\n0f\n"), &out)
	if !errors.Is(err, ErrBadLine) || !strings.Contains(err.Error(), "line 2") || out.Len() > 0 {
		t.Errorf("error %v, output %q", err, out.String())
	}
}

func TestApply(t *testing.T) {
	vectors := readVectors(t, "store-ops.jsonl")
	var in []string
	for _, v := range vectors {
		in = append(in, string(v.raw))
	}
	leftovers := 0
	for i, line := range filter(t, Apply, in) {
		v := vectors[i]
		want := map[string]any{"result": v.Result}
		switch {
		case v.Value != nil:
			want["value"] = *v.Value
		case !v.Present && v.Result != "ok":
			// The reference's memory backend leaves a default value behind.
			if v.After != nil {
				leftovers++
			}
			want["after"] = nil
		default:
			want["after"] = *v.After
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got, wanted any
		if err := errors.Join(json.Unmarshal([]byte(line), &got), json.Unmarshal(b, &wanted)); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if !jsonEqual(got, wanted) {
			t.Errorf("line %d: %s, want %s (%s)", i+1, line, b, v.Text)
		}
	}
	if leftovers != 84 {
		t.Errorf("%d lines show the reference's leftover, want 84", leftovers)
	}
}

func jsonEqual(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func TestApplyRefusals(t *testing.T) {
	for in, want := range map[string]string{
		`[]`:                                 "not an operation",
		`{"op":"add","arg":"zz"}`:            "arg: not hexadecimal",
		`{"op":"mul","arg":"00"}`:            "allowed: add, subtract, get_index",
		`{"op":"add","arg":"00","init":"x"}`: "no type",
		`{"op":"add","arg":"00","present":true,"current":null}`: "present is true",
		`{"op":"add","arg":"00","current":"0f"}`:                "current: unknown type tag",
	} {
		var out bytes.Buffer
		err := Apply(strings.NewReader(in), &out)
		if !errors.Is(err, ErrBadLine) || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, %s; want %q", in, err, out.String(), want)
		}
	}
}

// TestStreams makes sure that a line is answered before the next one comes.
func TestStreams(t *testing.T) {
	inRead, in := io.Pipe()
	out, outWrite := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Decode(inRead, outWrite) }()
	lines := bufio.NewReader(out)
	for _, text := range []string{"00", "0101"} {
		if _, err := io.WriteString(in, text+"\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"text"`) {
			t.Fatalf("%q: %q, %v", text, line, err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
