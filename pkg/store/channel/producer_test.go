// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func id(n uint64) data.EntityID { return data.EntityID{Endpoint: data.EndpointID{byte(n)}, Object: n} }

var alice, bob = id(1), id(2)

// show writes messages briefly: kind, number or list, and the consumer's object behind an arrow.
func show(messages []Message) string {
	names := [...]string{"event", "handshake", "heartbeat", "failed", "ack", "nack"}
	var parts []string
	for _, m := range messages {
		s := fmt.Sprintf("%s %d", names[m.Kind], m.Seq)
		if m.Kind == Nack {
			s = fmt.Sprintf("nack %v", m.Seqs)
		}
		if !m.To.IsZero() {
			s += fmt.Sprintf(">%d", m.To.Object)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

func expect(t *testing.T, what string, out *[]Message, want string) {
	t.Helper()
	if got := show(*out); got != want {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
	*out = nil
}

func TestProducerNumbersEventsForItsConsumers(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{})
	p.Produce(&out, []byte("nobody listens"))
	expect(t, "no consumers", &out, "")
	if events, bytes := p.Unacknowledged(); p.Seq() != 2 || events != 0 || bytes != 0 {
		t.Errorf("number %d; %d events are kept for nobody", p.Seq(), events)
	}
	p = NewProducer(ProducerOptions{})
	p.Nack(&out, alice, []uint64{3})
	expect(t, "nack of a stranger", &out, "")
	p.Nack(&out, alice, []uint64{0})
	p.Produce(&out, []byte("a"))
	p.Produce(&out, []byte("b"))
	p.Nack(&out, bob, []uint64{0})
	p.Produce(&out, []byte("c"))
	expect(t, "two consumers", &out, "handshake 1>1, event 2, event 3, handshake 3>2, event 4")
	if p.Attach(&out, bob) {
		t.Error("attached twice")
	}
}

func TestProducerKeepsWhatSomeoneLacks(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{})
	p.Attach(&out, alice)
	p.Attach(&out, bob)
	if !p.Ack(alice, 1) || !p.Ack(bob, 1) || p.Ack(bob, 1) {
		t.Error("first acks")
	}
	for range 5 {
		p.Produce(&out, []byte("12345678"))
	}
	for _, tt := range []struct {
		who     data.EntityID
		ack     uint64
		events  int
		settled bool
	}{{alice, 6, 5, false}, {bob, 3, 3, false}, {bob, 2, 3, false}, {id(9), 6, 3, false}, {bob, 99, 0, true}} {
		p.Ack(tt.who, tt.ack)
		if events, bytes := p.Unacknowledged(); events != tt.events || bytes != 8*tt.events || p.Idle() != tt.settled {
			t.Errorf("ack %d of %d: %d events, %d bytes, idle %v", tt.ack, tt.who.Object, events, bytes, p.Idle())
		}
	}
	out = nil
	p.Produce(&out, []byte("x"))
	p.Nack(&out, bob, []uint64{2, 7, 9})
	expect(t, "gone, kept, never", &out, "event 7, failed 2>2, event 7>2, failed 9>2")
}

func TestProducerAnswersNack(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{})
	p.Attach(&out, alice)
	p.Produce(&out, []byte("a"))
	p.Produce(&out, []byte("b"))
	p.Produce(&out, []byte("c"))
	out = nil
	p.Nack(&out, alice, []uint64{0})
	expect(t, "before the first ack", &out, "handshake 1>1")
	p.Ack(alice, 1)
	p.Nack(&out, alice, []uint64{0})
	expect(t, "after it", &out, "handshake 1>1")
	p.Nack(&out, alice, []uint64{2, 4})
	expect(t, "two of three", &out, "event 2>1, event 4>1")
	p.Nack(&out, alice, nil)
	expect(t, "empty", &out, "")
	p.Ack(alice, 3)
	p.Nack(&out, alice, []uint64{0})
	expect(t, "after later acks", &out, "handshake 4>1")
	p.Nack(&out, alice, []uint64{5, 4})
	p.Nack(&out, alice, []uint64{3})
	p.Produce(&out, []byte("d"))
	expect(t, "not ascending", &out, "")
	if drops := p.Drops(); len(drops) != 1 || drops[0] != (Drop{alice, Misbehaved, 0}) || p.Len() != 0 {
		t.Errorf("drops %v, %d consumers", drops, p.Len())
	}
	p.Attach(&out, alice)
	long := make([]uint64, 2*MaxNack)
	for i := range long {
		long[i] = uint64(i) + 100
	}
	out = nil
	p.Nack(&out, alice, long)
	if len(out) != MaxNack {
		t.Errorf("%d answers to a nack of %d", len(out), len(long))
	}
}

func TestProducerHeartbeatsAndTimeout(t *testing.T) {
	ticks := func(p *Producer, n int) (out []Message) {
		for range n {
			p.Tick(&out)
		}
		return out
	}
	p := NewProducer(ProducerOptions{Heartbeat: 5, Timeout: 20, AddressEach: true})
	out := ticks(p, 10)
	expect(t, "without consumers", &out, "heartbeat 1, heartbeat 1")
	p.Attach(&out, alice)
	p.Attach(&out, bob)
	ticks(p, 2)
	out = nil
	p.Produce(&out, []byte("a"))
	out = ticks(p, 4)
	expect(t, "4 ticks after a broadcast", &out, "")
	out = ticks(p, 1)
	expect(t, "5 ticks", &out, "heartbeat 2, heartbeat 2>1, heartbeat 2>2")
	p.Ack(bob, 2)
	ticks(p, 13)
	if drops := p.Drops(); len(drops) != 1 || drops[0] != (Drop{alice, TimedOut, 1}) {
		t.Errorf("after 20 ticks: %v", drops)
	}
	if events, _ := p.Unacknowledged(); events != 0 {
		t.Errorf("%d events kept for a dropped consumer", events)
	}
	p = NewProducer(ProducerOptions{RepeatHandshake: true})
	p.Attach(&out, alice)
	out = ticks(p, 5)
	expect(t, "handshake not answered", &out, "handshake 1>1, heartbeat 1")
	p.Ack(alice, 1)
	out = ticks(p, 5)
	expect(t, "answered", &out, "heartbeat 1")
}

// TestProducerDeserted has a consumer that has everything but is given up: it must be able to see that it missed what came then.
func TestProducerDeserted(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{Timeout: 20})
	p.Produce(&out, []byte("for nobody"))
	p.Attach(&out, alice)
	expect(t, "attach", &out, "handshake 2>1")
	p.Ack(alice, 2)
	for range 20 {
		p.Tick(&out)
	}
	if drops := p.Drops(); len(drops) != 1 || drops[0] != (Drop{alice, TimedOut, 0}) {
		t.Fatalf("drops %v", drops)
	}
	for range 3 {
		p.Produce(&out, []byte("missed"))
	}
	out = nil
	for range 5 {
		p.Tick(&out)
	}
	expect(t, "after events for nobody", &out, "heartbeat 5")
	p.Attach(&out, bob)
	p.Produce(&out, []byte("a"))
	expect(t, "a new consumer", &out, "handshake 5>2, event 6")
	p.Nack(&out, bob, []uint64{5})
	expect(t, "what was for nobody is gone", &out, "failed 5>2")
}

// TestProducerStart goes on with numbers of an earlier life.
func TestProducerStart(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{Start: 41})
	p.Produce(&out, nil)
	p.Attach(&out, alice)
	p.Produce(&out, []byte("a"))
	expect(t, "numbers", &out, "handshake 42>1, event 43")
	p.Ack(alice, 43)
	if events, _ := p.Unacknowledged(); events != 0 || !p.Idle() {
		t.Errorf("%d events kept", events)
	}
}

func TestProducerIsBounded(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{MaxBytes: 100, MaxPaths: 2})
	p.Attach(&out, alice)
	p.Attach(&out, bob)
	if p.Attach(&out, id(3)) {
		t.Error("a third consumer")
	}
	p.Ack(alice, 1)
	for range 10 {
		p.Produce(&out, make([]byte, 10))
		p.Ack(alice, p.Seq()-1)
	}
	p.Produce(&out, make([]byte, 10))
	drops := p.Drops()
	if len(drops) != 1 || drops[0] != (Drop{bob, FellBehind, 11}) {
		t.Fatalf("drops %v", drops)
	}
	if events, bytes := p.Unacknowledged(); events != 2 || bytes != 20 {
		t.Errorf("%d events of %d bytes are kept", events, bytes)
	}
}
