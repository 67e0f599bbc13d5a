// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/capture/capturetest"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

var (
	dialer   = data.EndpointID{1, 2, 3}
	listener = data.EndpointID{9}
)

// conversation is a capture of one of everything.
func conversation(t testing.TB) []byte {
	t.Helper()
	envelope := func(typ wire.Type, topic string, payload []byte) []byte {
		b, err := wire.AppendFrame(nil, &wire.Envelope{Sender: dialer, Receiver: listener, Type: typ, TTL: 16, Topic: []byte(topic), Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	event := zeek.Event{
		Name: "ping", Args: data.Vector(data.Count(1), data.String("two\x1b[31m")),
		Metadata: zeek.TimestampMetadata(capturetest.Started.Add(-2 * time.Second)),
	}
	write := zeek.LogWrite{Stream: "Conn::LOG", Writer: "Log::WRITER_ASCII", Path: "conn", Record: "abc"}.Message()
	put := command.Message{Seq: 3, Sender: data.EntityID{Endpoint: dialer, Object: 1}, Body: &command.Put{Key: data.String("k"), Value: data.Count(7), Expiry: command.Expiry{Set: true, After: time.Minute}}}
	there := [][]byte{
		wire.AppendHandshake(nil, &wire.Hello{Sender: dialer, Min: 1, Max: 1}),
		wire.AppendHandshake(nil, &wire.VersionSelect{Sender: dialer, Version: 1}),
		wire.AppendHandshake(nil, &wire.OriginatorSyn{Filter: []string{"/a", "/b\n"}}),
		wire.AppendHandshake(nil, &wire.OriginatorAck{}),
		envelope(wire.TypePing, "<$>", wire.Announcement{Version: 1, Features: 7, Nonce: 5}.Append(nil)),
		envelope(wire.TypeData, "zeek/events", event.Message().AppendBinary(nil)),
		envelope(wire.TypeData, "zeek/logs/conn", zeek.NewBatch(write, write).AppendBinary(nil)),
		envelope(wire.TypeData, "/plain", data.Vector(data.Count(1), data.String("x")).AppendBinary(nil)),
		envelope(wire.TypeData, "/broken", []byte{0xff}),
		envelope(wire.TypeCommand, "s/<$>/data/master", put.Marshal()),
		envelope(wire.TypeRoutingUpdate, "<$>", wire.AppendFilter(nil, []string{"/c"})),
		envelope(wire.TypePong, "<$>", wire.AppendBye(nil, 1)),
	}
	drop := wire.AppendHandshake(nil, &wire.DropConn{Sender: listener, Code: code.RedundantConnection, Text: "again"})
	flow := capturetest.New(4000).Open().Send(false, 2000, slices.Concat(there...)).Send(true, 2000, drop).Close()
	tls := capturetest.New(4001).Open().Send(false, 100, append([]byte{0x16, 3, 1, 0, 90}, make([]byte, 90)...))
	return capturetest.Form{Link: layers.LinkTypeEthernet}.Capture(t, flow, tls)
}

// lines are what a capture prints, without the time of day.
func lines(t *testing.T, o Output) []string {
	t.Helper()
	var out, notes bytes.Buffer
	if err := Capture(t.Context(), bytes.NewReader(conversation(t)), o, &out, &notes); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		got = append(got, rest)
	}
	return got
}

func TestCaptureLines(t *testing.T) {
	const way = "10.0.0.1:4000 > 10.0.0.2:9999  "
	want := []string{
		way + "hello              01020300-0000-0000-0000-000000000000, versions 1 to 1",
		way + "version_select     01020300-0000-0000-0000-000000000000, version 1",
		way + `originator_syn     wants "/a" "/b\n"`,
		way + "originator_ack     -",
		way + "ping               brokermesh, announcement 1, features 0x7",
		way + `data               zeek/events  ping(1, two\x1b[31m)`,
		way + "data               zeek/logs/conn  batch of 2: 2 times log write Conn::LOG to conn, 3 bytes",
		way + "data               /plain  (1, x)",
		way + "data               /broken  UNREADABLE: data: offset 0: unknown type tag",
		way + "command            s/<$>/data/master  put k -> 7, expires after 1m0s, number 3, from 1@01020300-0000-0000-0000-000000000000",
		way + `routing_update     wants "/c"`,
		way + "pong               goodbye",
		"10.0.0.2:9999 > 10.0.0.1:4000  drop_conn          09000000-0000-0000-0000-000000000000, redundant_connection: again",
		"10.0.0.1:4001 > 10.0.0.2:9999  note               TLS: its content can't be seen",
	}
	got := lines(t, Output{})
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d differs:\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestCaptureFilters(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Output
		want []string // topics, or kinds
	}{
		"a prefix":        {Output{Filter: Filter{Prefixes: []string{"zeek/"}}}, []string{"zeek/events", "zeek/logs/conn"}},
		"two prefixes":    {Output{Filter: Filter{Prefixes: []string{"s/", "/plain"}}}, []string{"/plain", "s/<$>/data/master"}},
		"every topic":     {Output{Filter: Filter{Prefixes: []string{""}}}, []string{"zeek/events", "zeek/logs/conn", "/plain", "/broken", "s/<$>/data/master"}},
		"an event":        {Output{Filter: Filter{Event: "ping"}}, []string{"zeek/events"}},
		"another event":   {Output{Filter: Filter{Event: "pin"}}, nil},
		"a pattern":       {Output{Filter: Filter{Topic: "zeek/*/*"}}, []string{"zeek/logs/conn"}},
		"text":            {Output{Filter: Filter{Match: "k -> 7"}}, []string{"s/<$>/data/master"}},
		"an ID":           {Output{Filter: Filter{From: "0102", Prefixes: []string{"/plain"}}}, []string{"/plain"}},
		"an address":      {Output{Filter: Filter{From: "10.0.0.2"}}, []string{"drop_conn"}},
		"as many as that": {Output{Count: 2}, []string{"hello", "version_select"}},
		"nothing like it": {Output{Filter: Filter{Prefixes: []string{"zeek/"}, From: "10.0.0.2"}}, nil},
	} {
		got := lines(t, tc.o)
		if len(got) != len(tc.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i, line := range got {
			if !strings.Contains(line, " "+tc.want[i]+" ") {
				t.Errorf("%s: %q, want %q", name, line, tc.want[i])
			}
		}
	}
}

func TestCaptureObjects(t *testing.T) {
	var out, notes bytes.Buffer
	if err := Capture(t.Context(), bytes.NewReader(conversation(t)), Output{JSON: true}, &out, &notes); err != nil {
		t.Fatal(err)
	}
	var event, broken, hello map[string]any
	dec := json.NewDecoder(&out)
	n := 0
	for ; dec.More(); n++ {
		var d map[string]any
		if err := dec.Decode(&d); err != nil {
			t.Fatal(err)
		}
		switch {
		case d["topic"] == "zeek/events":
			event = d
		case d["topic"] == "/broken":
			broken = d
		case d["kind"] == "hello":
			hello = d
		}
	}
	if n != 14 || event["event"] != "ping" || event["from"] != dialer.String() || event["hops"] != nil {
		t.Errorf("%d objects, the event is %v", n, event)
	}
	if v, _ := event["value"].(map[string]any); v["@data-type"] != "vector" {
		t.Errorf("value %v", event["value"])
	}
	if age, _ := event["ageNanoseconds"].(float64); age < 2e9 || age > 3e9 {
		t.Errorf("age %v", event["ageNanoseconds"])
	}
	if broken["error"] == nil || broken["value"] != nil || hello["text"] == nil || hello["source"] != "10.0.0.1:4000 > 10.0.0.2:9999" {
		t.Errorf("%v, %v", broken, hello)
	}
	want := "9 packets, 1 connection of Broker, 13 frames, 1 unreadable, 1 connection of TLS\n"
	if notes.String() != want {
		t.Errorf("summary %q, want %q", &notes, want)
	}
}

func TestRate(t *testing.T) {
	var out bytes.Buffer
	p := newPrinter(Output{Rate: 2}, &out, captureLine)
	now := time.Unix(1000, 0)
	show := func(after time.Duration) {
		t.Helper()
		if err := p.print(&Record{Kind: kindData, Topic: "/t", Value: data.Count(1), Hops: -1}, now.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		show(0)
	}
	show(time.Second)
	if err := p.out.Flush(); err != nil || strings.Count(out.String(), "\n") != 4 || !strings.Contains(out.String(), "… 3 left out …\n") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestCaptureErrors(t *testing.T) {
	var out, notes bytes.Buffer
	if err := Capture(t.Context(), strings.NewReader("no packets"), Output{}, &out, &notes); ctl.Code(err) != ctl.ExitBadInput {
		t.Errorf("no capture: %v", err)
	}
	for _, o := range []Output{{Count: -1}, {Rate: -1}, {Filter: Filter{Topic: "[a"}}} {
		if err := Capture(t.Context(), strings.NewReader(""), o, &out, &notes); ctl.Code(err) != ctl.ExitBadInput {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
