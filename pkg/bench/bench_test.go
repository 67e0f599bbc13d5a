// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

func TestEvents(t *testing.T) {
	for number, want := range map[int]string{
		1: "(1, 1, (event_1, (42, test)))",
		2: "(1, 1, (event_2, (1700000000123456789ns, CHhAvVGS1DHFjwGM9, (::, 4567/tcp, ::, 80/tcp), tcp, http, 140000000ns, 42, 1234567, SF, T, F, 0, ShADadFf, 10, 500, 8, 4000, {a, b})))",
	} {
		build, err := EventBuilder(number)
		if err != nil {
			t.Fatal(err)
		}
		v := build()
		if v.String() != want {
			t.Errorf("event %d is %s, want %s", number, v, want)
		}
		if _, err := zeek.ParseEvent(v); err != nil {
			t.Errorf("event %d: %v", number, err)
		}
	}
	if _, err := EventBuilder(3); err == nil {
		t.Error("there is an event 3")
	}
}

func TestChecksumReadsEveryLeaf(t *testing.T) {
	seen := map[uint64]string{}
	for _, v := range []data.Value{
		data.None(), data.Boolean(true), data.Boolean(false), data.Count(7), data.Integer(-80), data.Real(1.5), data.String("a"),
		data.String("b"), data.TimestampNanos(9), data.Timespan(10), data.Port(80, data.ProtocolTCP), data.Port(80, data.ProtocolUDP),
		data.Vector(data.Count(700)), data.Vector(data.Count(700), data.Count(800)), data.Set(data.String("a"), data.String("b")),
		data.Table(data.Entry{Key: data.Count(1), Value: data.Count(100)}), data.Table(data.Entry{Key: data.Count(1), Value: data.Count(200)}),
		data.Enum("c"),
	} {
		sum := Checksum(v)
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s have one sum", v, other)
		}
		seen[sum] = v.String()
		if back, err := data.Decode(v.AppendBinary(nil)); err != nil || Checksum(back) != sum {
			t.Errorf("%s: another sum after a journey, %v", v, err)
		}
	}
}

func TestHalvesAgree(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const count = 5000
	address := make(chan net.Addr, 1)
	type half struct {
		Result
		err error
	}
	sink := make(chan half, 1)
	go func() {
		r, err := Sink(ctx, SinkOptions{Listen: "127.0.0.1:0", Count: count, Listening: func(a net.Addr) { address <- a }})
		sink <- half{r, err}
	}()
	var peer string
	select {
	case a := <-address:
		peer = a.String()
	case s := <-sink:
		t.Fatal(s.err)
	}
	r, err := Source(ctx, SourceOptions{Peer: peer, Count: count, Event: 2})
	s := <-sink
	if err != nil || s.err != nil {
		t.Fatal(err, s.err)
	}
	if r.Messages != count || s.Messages != count || r.Checksum != s.Checksum || r.Rate <= 0 || s.MaxRSS <= 0 {
		t.Errorf("source %+v, sink %+v", r, s.Result)
	}
}

func TestFailures(t *testing.T) {
	if _, err := Source(t.Context(), SourceOptions{Event: 3}); err == nil || !strings.Contains(err.Error(), "event 3") {
		t.Errorf("event 3: %v", err)
	}
	if _, err := Sink(t.Context(), SinkOptions{Listen: "nowhere"}); err == nil {
		t.Error("listens nowhere")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Sink(ended, SinkOptions{Listen: "127.0.0.1:0", Count: 1}); err == nil {
		t.Error("a sink that was stopped has a result")
	}
	if _, err := Source(ended, SourceOptions{Peer: "127.0.0.1:1", Count: 1, Event: 1}); err == nil {
		t.Error("a source that was stopped has a result")
	}
}
