// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// consumed shows deliveries (their payloads, "-" for a loss), a bar, and the messages, and empties the output.
func consumed(out *Output[string]) string {
	var got []string
	for _, d := range out.Deliveries {
		if d.Lost {
			got = append(got, "-")
		} else {
			got = append(got, d.Payload)
		}
	}
	s := strings.Join(got, " ") + " | " + show(out.Messages)
	out.Reset()
	return strings.TrimSpace(s)
}

func TestConsumer(t *testing.T) {
	event := func(n uint64) func(*Consumer[string], *Output[string]) {
		return func(c *Consumer[string], o *Output[string]) { c.Event(o, n, fmt.Sprint(n), 1) }
	}
	lost := func(n uint64) func(*Consumer[string], *Output[string]) {
		return func(c *Consumer[string], o *Output[string]) { c.RetransmitFailed(o, n) }
	}
	heartbeat := func(n uint64) func(*Consumer[string], *Output[string]) {
		return func(c *Consumer[string], _ *Output[string]) { c.Heartbeat(n) }
	}
	handshake := func(n uint64) func(*Consumer[string], *Output[string]) {
		return func(c *Consumer[string], o *Output[string]) { c.Handshake(o, n, 5) }
	}
	tick := func(c *Consumer[string], o *Output[string]) { c.Tick(o) }
	type step struct {
		do   func(*Consumer[string], *Output[string])
		want string
	}
	for _, tt := range []struct {
		name  string
		opt   ConsumerOptions
		steps []step
	}{
		{"looks for a producer", ConsumerOptions{}, []step{
			{tick, "|"}, {tick, "| nack [0]"}, {tick, "|"}, {tick, "| nack [0]"}, {heartbeat(7), "|"}, {lost(2), "|"},
			{handshake(1), "| ack 1"}, {handshake(5), "|"}, {tick, "| ack 1"},
		}},
		{"keeps what comes before the handshake", ConsumerOptions{}, []step{
			{event(5), "|"}, {event(3), "|"}, {event(4), "|"}, {event(7), "|"}, {handshake(3), "4 5 | ack 5"},
			{tick, "|"}, {tick, "|"}, {tick, "| nack [6]"}, {event(6), "6 7 |"},
		}},
		{"delivers once and in order", ConsumerOptions{}, []step{
			{handshake(1), "| ack 1"}, {event(3), "|"}, {event(3), "|"}, {event(2), "2 3 |"}, {event(2), "|"}, {event(3), "|"}, {event(4), "4 |"},
		}},
		{"asks for what is missing", ConsumerOptions{Heartbeat: 5, NackTimeout: 3}, []step{
			{handshake(1), "| ack 1"}, {tick, "|"}, {event(5), "|"}, {event(3), "|"}, {event(8), "|"},
			{tick, "|"}, {tick, "|"}, {tick, "| nack [2 4 6 7]"}, {tick, "| ack 1"}, {tick, "|"}, {tick, "| nack [2 4 6 7]"},
		}},
		{"acks every tick if told to", ConsumerOptions{Heartbeat: 1}, []step{
			{func(c *Consumer[string], o *Output[string]) { c.Handshake(o, 1, 1) }, "| ack 1"}, {tick, "| ack 1"}, {event(2), "2 |"}, {tick, "| ack 2"},
		}},
		{"heartbeats reveal a loss", ConsumerOptions{}, []step{
			{handshake(1), "| ack 1"}, {tick, "|"}, {heartbeat(3), "|"}, {tick, "|"}, {tick, "| nack [2 3]"},
			{event(2), "2 |"}, {tick, "|"}, {tick, "| ack 2"}, {tick, "| nack [3]"},
		}},
		{"a loss takes its turn", ConsumerOptions{}, []step{
			{handshake(1), "| ack 1"}, {lost(3), "|"}, {event(4), "|"}, {lost(4), "|"}, {event(2), "2 - 4 |"}, {lost(2), "|"},
		}},
		{"the event wins over its loss", ConsumerOptions{}, []step{
			{handshake(1), "| ack 1"}, {lost(3), "|"}, {event(3), "|"}, {lost(2), "- 3 |"},
		}},
		{"what is beyond the window is asked for later", ConsumerOptions{Window: 4, NackTimeout: 1}, []step{
			{handshake(1), "| ack 1"}, {event(7), "|"}, {event(5), "|"}, {tick, "|"}, {tick, "| nack [2 3 4 6 7]"},
			{event(2), "2 |"}, {event(3), "3 |"}, {event(4), "4 5 |"}, {event(7), "|"}, {event(6), "6 7 |"},
		}},
		{"what takes too many bytes is asked for later", ConsumerOptions{MaxBytes: 2, NackTimeout: 1}, []step{
			{handshake(1), "| ack 1"}, {event(3), "|"}, {event(4), "|"}, {event(5), "|"}, {tick, "|"}, {tick, "| nack [2 5]"},
			{event(2), "2 3 4 |"}, {event(5), "5 |"},
		}},
		{"what was too much before the handshake too", ConsumerOptions{MaxBytes: 1, NackTimeout: 1}, []step{
			{event(2), "|"}, {event(3), "|"}, {handshake(1), "2 | ack 2"}, {tick, "|"}, {tick, "| nack [3]"},
		}},
		{"numbers at the end", ConsumerOptions{}, []step{
			{handshake(math.MaxUint64), "|"}, {event(0), "|"}, {event(math.MaxUint64), "|"}, {handshake(1), "| ack 1"},
			{heartbeat(math.MaxUint64), "|"}, {lost(math.MaxUint64), "|"}, {tick, "|"}, {tick, "|"}, {tick, "|"}, {tick, "|"}, {tick, "| ack 1"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, out := NewConsumer[string](tt.opt), new(Output[string])
			for i, s := range tt.steps {
				s.do(c, out)
				if got := consumed(out); got != s.want {
					t.Fatalf("step %d: got %q, want %q", i+1, got, s.want)
				}
			}
		})
	}
}

func TestConsumerAsksForLongGapsInPieces(t *testing.T) {
	c, out := NewConsumer[string](ConsumerOptions{NackTimeout: 1}), new(Output[string])
	c.Handshake(out, 1, 5)
	c.Heartbeat(1 << 60)
	c.Tick(out)
	out.Reset()
	c.Tick(out)
	if n := len(out.Messages[0].Seqs); n != MaxNack {
		t.Fatalf("%d numbers in one nack", n)
	}
	out.Reset()
	for seq := uint64(2); seq < MaxNack+1; seq++ {
		c.Event(out, seq, "", 0)
	}
	if len(out.Messages) != 0 || c.Lag() != 1<<60-MaxNack {
		t.Fatalf("before the last one: %v, lag %d", out.Messages, c.Lag())
	}
	c.Event(out, MaxNack+1, "", 0)
	if len(out.Messages) != 1 || out.Messages[0].Kind != Nack || out.Messages[0].Seqs[0] != MaxNack+2 {
		t.Fatalf("after the last one: %v", show(out.Messages)[:80])
	}
}

func TestConsumerFigures(t *testing.T) {
	c, out := NewConsumer[string](ConsumerOptions{}), new(Output[string])
	check := func(what string, attached, idle bool, applied, lag uint64) {
		t.Helper()
		if c.Attached() != attached || c.Idle() != idle || c.Applied() != applied || c.Lag() != lag {
			t.Errorf("%s: attached %v, idle %v, applied %d, lag %d", what, c.Attached(), c.Idle(), c.Applied(), c.Lag())
		}
	}
	check("new", false, false, 0, 0)
	c.Handshake(out, 10, 5)
	check("attached", true, true, 10, 0)
	c.Event(out, 13, "", 1)
	check("gap", true, false, 10, 3)
	c.Heartbeat(15)
	check("longer gap", true, false, 10, 5)
	for _, seq := range []uint64{11, 12, 14, 15} {
		c.Event(out, seq, "", 1)
	}
	check("closed", true, true, 15, 0)
}
