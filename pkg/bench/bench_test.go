// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// half is a running half: where it listens, if it does, and its outcome.
type half[R any] struct {
	t       *testing.T
	address chan net.Addr
	done    chan struct{}
	result  R
	err     error
}

// begin runs a half of which run gets the link.
func begin[R any](t *testing.T, l Link, run func(context.Context, Link) (R, error)) *half[R] {
	t.Helper()
	h := &half[R]{t: t, address: make(chan net.Addr, 1), done: make(chan struct{})}
	l.Listening = func(a net.Addr) { h.address <- a }
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	go func() {
		defer close(h.done)
		h.result, h.err = run(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-h.done })
	return h
}

// at is the address of a half that listens.
func (h *half[R]) at() string {
	h.t.Helper()
	select {
	case a := <-h.address:
		return a.String()
	case <-h.done:
		h.t.Fatalf("ended before it listened: %v", h.err)
	}
	return ""
}

// end waits for the half, which has to succeed.
func (h *half[R]) end() R {
	h.t.Helper()
	<-h.done
	if h.err != nil {
		h.t.Fatal(h.err)
	}
	return h.result
}

func listen() Link { return Link{Listen: "127.0.0.1:0"} }

func dial(addresses ...string) Link { return Link{Peers: addresses} }

// plausible looks at what every half prints.
func plausible(t *testing.T, who string, r Result, count int) {
	t.Helper()
	if r.Messages != count || r.Rate <= 0 || r.Seconds <= 0 || r.MaxRSS <= 0 || r.CPUPerMessage < 0 || r.Allocs < 0 {
		t.Errorf("%s: %+v, want %d messages", who, r, count)
	}
}

func sinkOf(count int) func(context.Context, Link) (Result, error) {
	return func(ctx context.Context, l Link) (Result, error) {
		return Sink(ctx, SinkOptions{Link: l, Count: count})
	}
}

func counterOf(count int) func(context.Context, Link) (Result, error) {
	return func(ctx context.Context, l Link) (Result, error) {
		return Sink(ctx, SinkOptions{Link: l, Count: count, CountOnly: true})
	}
}

func sourceOf(count, event int) func(context.Context, Link) (SourceResult, error) {
	return func(ctx context.Context, l Link) (SourceResult, error) {
		return Source(ctx, SourceOptions{Link: l, Count: count, Event: event})
	}
}

func TestSourceAndSink(t *testing.T) {
	const count = 5000
	sink := begin(t, listen(), sinkOf(count))
	source := begin(t, dial(sink.at()), sourceOf(count, 2))
	r, s := source.end(), sink.end()
	plausible(t, "source", r.Result, count)
	plausible(t, "sink", s, count)
	if r.Checksum != s.Checksum || r.Sinks != 1 || r.CPUPerSink != r.CPUPerMessage {
		t.Errorf("source %+v, sink %+v", r, s)
	}
}

// TestOtherWayRound lets the source listen, and the sink dial before it does.
func TestOtherWayRound(t *testing.T) {
	const count = 1000
	for name, sink := range map[string]func(context.Context, Link) (Result, error){"sink": sinkOf(count), "counter": counterOf(count)} {
		t.Run(name, func(t *testing.T) {
			source := begin(t, listen(), sourceOf(count, 1))
			s := begin(t, dial(source.at()), sink)
			plausible(t, "sink", s.end(), count)
			plausible(t, "source", source.end().Result, count)
		})
	}
}

func TestFanOut(t *testing.T) {
	const count, sinks = 1000, 4
	var running []*half[Result]
	var addresses []string
	for range sinks {
		s := begin(t, listen(), counterOf(count))
		running, addresses = append(running, s), append(addresses, s.at())
	}
	r := begin(t, dial(addresses...), sourceOf(count, 1)).end()
	plausible(t, "source", r.Result, count)
	if r.Sinks != sinks {
		t.Errorf("%d sinks", r.Sinks)
	}
	for _, s := range running {
		plausible(t, "counter", s.end(), count)
	}
}

func TestRelay(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testRelay(t, false) })
	t.Run("mesh", func(t *testing.T) { testRelay(t, true) })
}

func testRelay(t *testing.T, mesh bool) {
	const count = 5000
	in := func(l Link) Link { l.Mesh = mesh; return l }
	sink := begin(t, in(listen()), sinkOf(count))
	l := in(listen())
	l.Peers = []string{sink.at()}
	relay := begin(t, l, func(ctx context.Context, l Link) (RelayResult, error) { return Relay(ctx, RelayOptions{Link: l}) })
	source := begin(t, in(dial(relay.at())), sourceOf(count, 1))
	r, s, m := source.end(), sink.end(), relay.end()
	if r.Checksum != s.Checksum {
		t.Errorf("source %+v, sink %+v", r, s)
	}
	plausible(t, "relay", m.Result, count)
	if m.Dropped != 0 {
		t.Errorf("the relay dropped %d", m.Dropped)
	}
}

func TestPingPong(t *testing.T) {
	const count = 200
	for name, answers := range map[string]int{"until the peer leaves": 0, "so many": count} {
		t.Run(name, func(t *testing.T) {
			pong := begin(t, listen(), func(ctx context.Context, l Link) (Result, error) { return Pong(ctx, PongOptions{l, answers}) })
			ping := begin(t, dial(pong.at()), func(ctx context.Context, l Link) (PingResult, error) { return Ping(ctx, PingOptions{l, count}) })
			r := ping.end()
			plausible(t, "ping", r.Result, count)
			plausible(t, "pong", pong.end(), count)
			if r.P50 <= 0 || r.P99 < r.P50 || r.Max < r.P99 {
				t.Errorf("times: %+v", r)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	times := make([]time.Duration, 200)
	for i := range times {
		times[i] = time.Duration(i+1) * time.Microsecond
	}
	for percent, want := range map[int]float64{0: 1, 50: 100, 99: 198, 100: 200} {
		if got := quantile(times, percent); got != want {
			t.Errorf("p%d is %v, want %v", percent, got, want)
		}
	}
	if quantile(times[:1], 99) != 1 || quantile(nil, 50) != 0 {
		t.Error("few times")
	}
}

func TestLeavingIsNoticed(t *testing.T) {
	for name, sink := range map[string]func(context.Context, Link) (Result, error){"sink": sinkOf(1000), "counter": counterOf(1000)} {
		s := begin(t, listen(), sink)
		begin(t, dial(s.at()), sourceOf(10, 1)).end()
		<-s.done
		if !errors.Is(s.err, ErrLeft) || !strings.Contains(s.err.Error(), " of 1000") {
			t.Errorf("%s: %v", name, s.err)
		}
	}
}

func TestFailures(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	away := dial("127.0.0.1:1")
	for name, run := range map[string]func(context.Context, Link) error{
		"sink":    func(ctx context.Context, l Link) error { _, err := sinkOf(1)(ctx, l); return err },
		"counter": func(ctx context.Context, l Link) error { _, err := counterOf(1)(ctx, l); return err },
		"source":  func(ctx context.Context, l Link) error { _, err := sourceOf(1, 1)(ctx, l); return err },
		"relay":   func(ctx context.Context, l Link) error { _, err := Relay(ctx, RelayOptions{Link: l}); return err },
		"ping":    func(ctx context.Context, l Link) error { _, err := Ping(ctx, PingOptions{l, 1}); return err },
		"pong":    func(ctx context.Context, l Link) error { _, err := Pong(ctx, PongOptions{l, 1}); return err },
		"master":  func(ctx context.Context, l Link) error { _, err := Master(ctx, MasterOptions{l, 1, 1}); return err },
		"clone":   func(ctx context.Context, l Link) error { _, err := Clone(ctx, CloneOptions{Link: l}); return err },
	} {
		if err := run(t.Context(), Link{}); err == nil {
			t.Errorf("%s has nobody to talk to and a result", name)
		}
		if err := run(t.Context(), Link{Listen: "nowhere"}); err == nil || !strings.Contains(err.Error(), "listen on nowhere") {
			t.Errorf("%s listens nowhere: %v", name, err)
		}
		for _, l := range []Link{listen(), away} {
			if err := run(ended, l); err == nil {
				t.Errorf("%s was stopped and has a result", name)
			}
		}
	}
	if _, err := sourceOf(1, 3)(t.Context(), away); err == nil || !strings.Contains(err.Error(), "event 3") {
		t.Errorf("event 3: %v", err)
	}
	client := listen()
	client.Mesh = true
	if _, err := counterOf(1)(t.Context(), client); err == nil {
		t.Error("a counter is a client")
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
