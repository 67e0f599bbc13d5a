// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func decode(t testing.TB, digits string) data.Value {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	v, err := data.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// field describes a column as Zeek does.
func field(name string, kind uint64, optional bool) data.Value {
	return data.Vector(data.String(name), data.None(), data.Count(kind), data.Count(0), data.Boolean(optional))
}

// The examples of the specification, built and as the bytes that it shows.
func TestExamples(t *testing.T) {
	record := "\x00\x00\x00\x03\x00\x00\x00\x05\x00\x00\x00\x00\x01\x3f\xf8\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x07\x00\x00\x00\x00\x01\x00\x00\x00\x02C1\x00\x00\x00\x0b\x00\x00\x00\x00\x00"
	cases := []struct {
		name  string
		built data.Value
		want  Type
		bytes string
	}{
		{
			"ping", NewEvent("ping", data.Integer(1), data.String("two"), data.Count(3)), TypeEvent,
			"0e030200000000000000010200000000000000010e02050470696e670e03030000000000000001050374776f020000000000000003",
		},
		{
			"noargs", Event{Name: "noargs"}.Message(), TypeEvent,
			"0e030200000000000000010200000000000000010e0205066e6f617267730e00",
		},
		{
			"metadata",
			Event{
				Name:     "Supervisor::node_status",
				Args:     data.Vector(data.String("TEST"), data.Count(42)),
				Metadata: TimestampMetadata(time.Unix(0, 0)),
			}.Message(),
			TypeEvent,
			"0e030200000000000000010200000000000000010e03051753757065727669736f723a3a6e6f64655f7374617475730e02" +
				"05045445535402000000000000002a0e010e02020000000000000001090000000000000000",
		},
		{
			"hello",
			Event{
				Name:     "Cluster::hello",
				Args:     data.Vector(data.String("worker-1"), data.String("21ba71c1-97c9-537c-9786-8eb64d181185")),
				Metadata: data.Vector(),
			}.Message(),
			TypeEvent,
			"0e030200000000000000010200000000000000010e03050e436c75737465723a3a68656c6c6f0e020508776f726b65722d310524" +
				"32316261373163312d393763392d353337632d393738362d3865623634643138313138350e00",
		},
		{
			"log create",
			LogCreate{
				Stream: "Conn::LOG", Writer: "Log::WRITER_ASCII",
				Info: data.Vector(data.String("conn"), data.Real(0), data.Real(3600), data.Real(1700000000),
					data.Table(), data.String("")),
				Fields: data.Vector(field("ts", 5, false), field("uid", 7, false), field("service", 7, true)),
			}.Message(),
			TypeLogCreate,
			"0e030200000000000000010200000000000000020e040b09436f6e6e3a3a4c4f470b114c6f673a3a5752495445525f4153434949" +
				"0e060504636f6e6e0400000000000000000440ac2000000000000441d954fc400000000d0005000e030e050502747300020000" +
				"00000000000502000000000000000001000e0505037569640002000000000000000702000000000000000001000e0505077365" +
				"7276696365000200000000000000070200000000000000000101",
		},
		{
			"batch of a log write",
			NewBatch(LogWrite{Stream: "Conn::LOG", Writer: "Log::WRITER_ASCII", Path: "conn", Record: record}.Message()),
			TypeBatch,
			"0e030200000000000000010200000000000000050e010e030200000000000000010200000000000000030e040b09436f6e6e3a3a" +
				"4c4f470b114c6f673a3a5752495445525f41534349490504636f6e6e052d000000030000000500000000013ff8000000000000" +
				"0000000700000000010000000243310000000b0000000000",
		},
		{
			"identifier update", IdentifierUpdate{Name: "Pool::x", Value: data.Count(1)}.Message(), TypeIdentifierUpdate,
			"0e03 020000000000000001 020000000000000004 0e02 0507506f6f6c3a3a78 020000000000000001",
		},
	}
	for _, c := range cases {
		want := decode(t, c.bytes)
		if got := c.built.AppendBinary(nil); !bytes.Equal(got, want.AppendBinary(nil)) {
			t.Errorf("%s: built %x, want %s", c.name, got, c.bytes)
		}
		if got, err := Validate(want); got != c.want || err != nil || TypeOf(want) != c.want {
			t.Errorf("%s: is %s (claims %s), %v, want %s", c.name, got, TypeOf(want), err, c.want)
		}
		if got := rebuild(t, want); !data.Equal(got, want) {
			t.Errorf("%s: taken apart and put together it is %s, want %s", c.name, got, want)
		}
	}
}

// rebuild takes a valid message apart and makes it again.
func rebuild(t testing.TB, v data.Value) data.Value {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
	switch typ, err := Validate(v); typ {
	case TypeEvent:
		e, err := ParseEvent(v)
		must(err)
		return e.Message()
	case TypeLogCreate:
		l, err := ParseLogCreate(v)
		must(err)
		return l.Message()
	case TypeLogWrite:
		l, err := ParseLogWrite(v)
		must(err)
		return l.Message()
	case TypeIdentifierUpdate:
		u, err := ParseIdentifierUpdate(v)
		must(err)
		return u.Message()
	case TypeBatch:
		messages, err := ParseBatch(v)
		must(err)
		var all []data.Value
		for m := range messages.Elements() {
			all = append(all, rebuild(t, m))
		}
		return NewBatch(all...)
	default:
		must(err)
		return v
	}
}

// Text of the examples, as other programs print it.
func TestEventAccessors(t *testing.T) {
	at := time.Unix(1700000000, 5).UTC()
	metadata := data.Vector(
		data.Vector(data.Count(200), data.String("first")),
		data.Vector(data.Count(NetworkTimestamp), data.Timestamp(at)),
		data.Vector(data.Count(200), data.String("second")),
	)
	e, err := ParseEvent(Event{Name: "e", Metadata: metadata}.Message())
	if err != nil || e.Name != "e" || e.Args.String() != "()" {
		t.Fatalf("got %+v, %v", e, err)
	}
	if got, ok := e.Timestamp(); !ok || !got.Equal(at) {
		t.Errorf("timestamp %v, %t", got, ok)
	}
	if got, ok := e.Lookup(200); !ok || got.String() != "first" {
		t.Errorf("metadata 200 is %s", got)
	}
	if got, ok := e.Lookup(201); ok || !got.IsNone() {
		t.Errorf("metadata 201 is %s", got)
	}
	if got, ok := (Event{}).Timestamp(); ok {
		t.Errorf("an event without metadata is of %v", got)
	}
	raw := NewEvent("event_1", data.Integer(42), data.String("test"))
	if n := testing.AllocsPerRun(100, func() { _, err = ParseEvent(raw) }); n != 0 || err != nil {
		t.Errorf("reading an event takes %v allocations, %v", n, err)
	}
	if n := testing.AllocsPerRun(100, func() { raw = NewEvent("event_1", data.Integer(42), data.String("test")) }); n > 1 && !raceDetector {
		t.Errorf("making an event takes %v allocations", n)
	}
}

// body is a message with any content.
func body(t uint64, content ...data.Value) data.Value {
	return data.Vector(data.Count(Version), data.Count(t), data.Vector(content...))
}

func TestInvalid(t *testing.T) {
	name, args := data.String("e"), data.Vector()
	stream := data.Enum("S")
	event := NewEvent("e")
	cases := []struct {
		name   string
		v      data.Value
		claims Type
		msg    string
	}{
		{"none", data.None(), TypeInvalid, "want a vector of version"},
		{"set", data.Set(data.Count(1), data.Count(2), args), TypeInvalid, "want a vector of version"},
		{"too short", data.Vector(data.Count(1), data.Count(1)), TypeInvalid, "want a vector of version"},
		{"type 0", body(0, name, args), TypeInvalid, "type (1 to 5)"},
		{"type 6", body(6, name, args), TypeInvalid, "type (1 to 5)"},
		{"type no count", data.Vector(data.Count(1), data.Integer(1), data.Vector(name, args)), TypeInvalid, "type (1 to 5)"},
		{"version", data.Vector(data.Count(2), data.Count(1), data.Vector(name, args)), TypeEvent, "version is count 2, want count 1"},
		{"version no count", data.Vector(data.Integer(1), data.Count(1), data.Vector(name, args)), TypeEvent, "version is integer, want count 1"},
		{"content", data.Vector(data.Count(1), data.Count(1), name), TypeEvent, "content is a string, want a vector"},
		{"event too short", body(1, name), TypeEvent, "content of event has 1 elements, want at least 2"},
		{"event name", body(1, stream, args), TypeEvent, "event name is a enum-value, want string"},
		{"event arguments", body(1, name, data.Set()), TypeEvent, "event arguments is a set, want vector"},
		{"event metadata", body(1, name, args, data.None()), TypeEvent, "event metadata is a none"},
		{"metadata element", body(1, name, args, data.Vector(name)), TypeEvent, "holds a string of 1, want vectors"},
		{"metadata pair", body(1, name, args, data.Vector(data.Vector(data.Count(2)))), TypeEvent, "want vectors of ID and value"},
		{"metadata triple", body(1, name, args, data.Vector(data.Vector(data.Count(2), name, name))), TypeEvent, "want vectors of ID and value"},
		{"metadata ID", body(1, name, args, data.Vector(data.Vector(name, name))), TypeEvent, "ID of event metadata is a string"},
		{"network timestamp", body(1, name, args, data.Vector(data.Vector(data.Count(1), data.Timespan(1)))), TypeEvent, "network timestamp is a timespan"},
		{"log create too short", body(2, stream, stream, name), TypeLogCreate, "has 3 elements, want at least 4"},
		{"log create stream", body(2, name, stream, name, name), TypeLogCreate, "log stream is a string, want enum-value"},
		{"log create writer", body(2, stream, name, name, name), TypeLogCreate, "log writer is a string"},
		{"log write too short", body(3, stream, stream, name), TypeLogWrite, "has 3 elements, want at least 4"},
		{"log write writer", body(3, stream, name, name, name), TypeLogWrite, "log writer is a string"},
		{"log write path", body(3, stream, stream, args, name), TypeLogWrite, "log path is a vector"},
		{"log write record", body(3, stream, stream, name, args), TypeLogWrite, "log record is a vector"},
		{"identifier too short", body(4, name), TypeIdentifierUpdate, "has 1 elements, want at least 2"},
		{"identifier name", body(4, stream, name), TypeIdentifierUpdate, "identifier is a enum-value"},
		{"batch content", data.Vector(data.Count(1), data.Count(5), data.Set()), TypeBatch, "content is a set"},
		{"batch element", NewBatch(event, name), TypeBatch, "message 1 of a batch: invalid Zeek message"},
		{"batch in batch", NewBatch(NewBatch(event, body(1, name))), TypeBatch, "message 0 of a batch: message 1 of a batch"},
	}
	for _, c := range cases {
		typ, err := Validate(c.v)
		if typ != TypeInvalid || !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.msg) || TypeOf(c.v) != c.claims {
			t.Errorf("%s: %s (claims %s), %v, want invalid (claims %s): %s", c.name, typ, TypeOf(c.v), err, c.claims, c.msg)
		}
	}
	more := data.Vector(data.Count(1), data.Count(1), data.Vector(name, args, data.Vector(), data.None()), name)
	if typ, err := Validate(more); typ != TypeEvent || err != nil {
		t.Errorf("further elements: %s, %v", typ, err)
	}
	if TypeBatch.String() != "batch" || Type(9).String() != "type(9)" {
		t.Errorf("names %s, %s", TypeBatch, Type(9))
	}
	if _, err := ParseLogWrite(event); err == nil {
		t.Error("an event is read as a log record")
	}
}

// recorded reads the data messages of a conversation.
func recorded(t testing.TB, path string) []data.Value {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []data.Value
	for line := range bytes.Lines(file) {
		var m struct{ Topic, Payload string }
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, decode(t, m.Payload))
	}
	return all
}

// Every message that Zeek sent is what its type number says, by the rules of
// that type. The numbers were counted in the recordings' bytes.
func TestRecordedMessages(t *testing.T) {
	want := map[string]map[Type]int{
		"zeek-events.accepting-is-originator":  {TypeEvent: 2},
		"zeek-events.connecting-is-originator": {TypeEvent: 2},
		"zeek8-cluster.to-logger-1":            {TypeEvent: 8, TypeLogCreate: 7, TypeBatch: 10},
		"zeek8-cluster.to-manager":             {TypeEvent: 10, TypeLogCreate: 9, TypeBatch: 8},
		"zeek8-cluster.to-proxy-1":             {TypeEvent: 7, TypeLogCreate: 4},
		"zeek8-events-and-logs":                {TypeEvent: 6, TypeLogCreate: 3, TypeBatch: 3},
	}
	for name, types := range want {
		got := map[Type]int{}
		for i, v := range recorded(t, filepath.Join("testdata", name+".jsonl")) {
			typ, err := Validate(v)
			if err != nil {
				t.Errorf("%s: message %d: %v", name, i, err)
			}
			got[typ]++
			if again := rebuild(t, v); !data.Equal(again, v) {
				t.Errorf("%s: message %d: put together again it is %s, want %s", name, i, again, v)
			}
			if typ == TypeBatch {
				checkLogBatch(t, v)
			}
		}
		for typ := range TypeBatch + 1 {
			if got[typ] != types[typ] {
				t.Errorf("%s: %d of type %s, want %d", name, got[typ], typ, types[typ])
			}
		}
	}
}

// checkLogBatch checks that a batch holds records of logs, as Zeek's do.
func checkLogBatch(t *testing.T, v data.Value) {
	t.Helper()
	messages, err := ParseBatch(v)
	if err != nil || messages.Len() == 0 {
		t.Fatalf("%s: %v", v, err)
	}
	for m := range messages.Elements() {
		l, err := ParseLogWrite(m)
		if err != nil || !strings.HasSuffix(l.Stream, "::LOG") || l.Writer != "Log::WRITER_ASCII" || l.Path == "" || len(l.Record) < 4 {
			t.Errorf("log record %+v, %v", l, err)
		}
	}
}

// FuzzZeekParse checks that no value panics, that what is claimed and what is
// found fit together, and that valid messages survive being rebuilt.
func FuzzZeekParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.jsonl")
	for _, path := range paths {
		for _, v := range recorded(f, path) {
			f.Add(v.AppendBinary(nil))
		}
	}
	f.Add(IdentifierUpdate{Name: "x", Value: data.Set()}.Message().AppendBinary(nil))
	f.Add(NewBatch(NewBatch(NewEvent("e")), NewEvent("f")).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := data.View(b)
		if err != nil {
			return
		}
		typ, err := Validate(v)
		if err != nil {
			if typ != TypeInvalid || !errors.Is(err, ErrInvalid) {
				t.Fatalf("%s: %s, %v", v, typ, err)
			}
			return
		}
		if typ != TypeOf(v) || typ == TypeInvalid {
			t.Fatalf("%s: %s, claims %s", v, typ, TypeOf(v))
		}
		again := rebuild(t, v)
		if next, err := Validate(again); err != nil || next != typ || !data.Equal(rebuild(t, again), again) {
			t.Fatalf("%s: put together again it is %s, %s, %v", v, again, next, err)
		}
		if e, err := ParseEvent(v); err == nil {
			e.Timestamp()
			e.Lookup(200)
		}
	})
}
