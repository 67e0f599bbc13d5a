// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// connection is a record with an optional field, as an argument.
type connection struct {
	Orig    netip.Addr
	Port    data.PortNumber
	Service string `broker:",omitempty"`
}

// pair is the index of a set[addr, count].
type pair struct {
	A netip.Addr
	N uint64
}

func TestArgumentsFromGo(t *testing.T) {
	c := connection{Orig: netip.MustParseAddr("10.0.0.1"), Port: data.PortNumber{Number: 80, Protocol: data.ProtocolTCP}}
	index := map[pair]struct{}{{c.Orig, 7}: {}}
	v, err := Marshal("Test::event", uint64(1), -2, "three", c, index, data.EnumName("Log::UNKNOWN"), 5*time.Second, data.Count(8))
	if err != nil {
		t.Fatal(err)
	}
	want := `(1, 1, ("Test::event", (1, -2, "three", (10.0.0.1, 80/tcp, nil), {(10.0.0.1, 7)}, Log::UNKNOWN, 5s, 8)))`
	if v.Text() != want {
		t.Fatalf("got %s, want %s", v.Text(), want)
	}
	e, err := ParseEvent(v)
	if err != nil {
		t.Fatal(err)
	}
	type args struct {
		Count    uint64
		Int      int
		Text     string
		Conn     connection
		Index    map[pair]struct{}
		Enum     data.EnumName
		Interval time.Duration
		Any      any
	}
	wantArgs := args{1, -2, "three", c, index, "Log::UNKNOWN", 5 * time.Second, uint64(8)}
	var got args
	if err := e.Unmarshal(&got); err != nil || !reflect.DeepEqual(got, wantArgs) {
		t.Errorf("got %+v, %v, want %+v", got, err, wantArgs)
	}
	got = args{}
	err = e.Scan(&got.Count, &got.Int, &got.Text, &got.Conn, &got.Index, &got.Enum, &got.Interval, &got.Any)
	if err != nil || !reflect.DeepEqual(got, wantArgs) {
		t.Errorf("got %+v, %v, want %+v", got, err, wantArgs)
	}
	var list []any
	if err := e.Unmarshal(&list); err != nil || len(list) != 8 || list[2] != "three" {
		t.Errorf("as a list: %v, %v", list, err)
	}
}

func TestArgumentErrors(t *testing.T) {
	e, err := MarshalEvent("e", 1, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	var list []string
	one := struct{ A int }{}
	two := struct {
		A int
		B []int
	}{}
	for _, c := range []struct {
		err      error
		sentinel error
		want     string
	}{
		{e.Scan(&n), ErrArguments, "number of arguments: event e has 2, want 1"},
		{e.Scan(&n, &list), nil, "argument 0 of event e: data: found integer +1, want count"},
		{e.Unmarshal(&one), ErrArguments, "event e has 2, want 1"},
		{e.Unmarshal(&two), nil, `arguments of event e: data: .B[0]: found string "a", want integer`},
		{Event{Name: "none"}.Scan(&n), ErrArguments, "event none has 0, want 1"},
	} {
		var convert *data.ConvertError
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || c.sentinel != nil && !errors.Is(c.err, c.sentinel) ||
			c.sentinel == nil && !errors.As(c.err, &convert) {
			t.Errorf("%v, want %q", c.err, c.want)
		}
	}
	if _, err := Marshal("e", 1, func() {}); err == nil || !strings.Contains(err.Error(), "argument 1 of event e: data: found Go type func()") {
		t.Errorf("a function as argument: %v", err)
	}
	if v, err := Marshal("e", 2); err != nil || v.String() != "(1, 1, (e, (2)))" {
		t.Errorf("after an error: %s, %v", v, err)
	}
}

func TestMetadata(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	e := Event{Name: "e"}.At(at).With(UserMetadata, data.String("a")).With(UserMetadata, data.String("b"))
	read, err := ParseEvent(e.Message())
	if err != nil || read.Metadata.Text() != `((1, 2023-11-14T22:13:20Z), (200, "a"), (200, "b"))` {
		t.Fatalf("%s, %v", read.Metadata.Text(), err)
	}
	if got, ok := read.Timestamp(); !ok || !got.Equal(at) {
		t.Errorf("timestamp %v", got)
	}
	if got, ok := read.Lookup(UserMetadata); !ok || got.String() != "a" {
		t.Errorf("metadata %v", got)
	}
	var ids []uint64
	for id, v := range read.AllMetadata() {
		if ids = append(ids, id); v.String() == "a" {
			break
		}
	}
	if !reflect.DeepEqual(ids, []uint64{1, 200}) {
		t.Errorf("IDs %v", ids)
	}
}

func TestBeginEvent(t *testing.T) {
	var b data.Builder
	BeginEvent(&b, "e")
	b.Count(1)
	if v := b.Vector(); !data.Equal(v, NewEvent("e", data.Count(1))) {
		t.Errorf("built %s", v)
	}
	BeginEvent(&b, "e")
	b.End()
	b.Append(TimestampMetadata(time.Unix(0, 0)))
	if v := b.Vector(); !data.Equal(v, Event{Name: "e"}.At(time.Unix(0, 0)).Message()) {
		t.Errorf("built %s", v)
	}
	args := []data.Value{data.Count(1), data.String("x"), data.Vector(data.Count(2))}
	if n := testing.AllocsPerRun(100, func() { NewEvent("event_1", args...) }); n > 1 && !raceDetector {
		t.Errorf("making an event takes %v allocations", n)
	}
}

func TestMessages(t *testing.T) {
	a, b, c := NewEvent("a"), NewEvent("b"), NewEvent("c")
	collect := func(v data.Value, most int) string {
		var names []string
		for m := range Messages(v) {
			e, err := ParseEvent(m)
			if err != nil {
				return "invalid"
			}
			if names = append(names, e.Name); len(names) == most {
				break
			}
		}
		return strings.Join(names, " ")
	}
	nested := NewBatch(a, NewBatch(b, NewBatch()), c)
	for _, c := range []struct {
		v    data.Value
		most int
		want string
	}{{nested, 9, "a b c"}, {nested, 2, "a b"}, {a, 9, "a"}, {NewBatch(), 9, ""}, {NewBatch(a, data.None()), 9, "invalid"}, {data.None(), 9, "invalid"}} {
		if got := collect(c.v, c.most); got != c.want {
			t.Errorf("%s: %q, want %q", c.v, got, c.want)
		}
	}
}

func TestTopics(t *testing.T) {
	id, err := data.ParseEndpointID("21ba71c1-97c9-537c-9786-8eb64d181185")
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		NodeTopic("worker-1"): "zeek/cluster/node/worker-1/",
		NodeIDTopic(id):       "zeek/cluster/nodeid/21ba71c1-97c9-537c-9786-8eb64d181185/",
		LogTopic("Conn::LOG"): "zeek/logs/Conn::LOG",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
