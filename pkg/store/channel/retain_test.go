// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"math/rand/v2"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
)

// TestProducerRetains: a consumer that was given up goes on where it was, as long as what it lacks is there.
func TestProducerRetains(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{Retain: 30})
	p.Produce(&out, nil)
	if p.Keeps() || !p.Reaches(2) || p.Reaches(1) || p.Reaches(3) {
		t.Fatalf("before the first consumer: keeps %v", p.Keeps())
	}
	p.Attach(&out, alice)
	p.Produce(&out, make([]byte, 10))
	p.Produce(&out, make([]byte, 10))
	p.Ack(alice, 4)
	if events, bytes := p.Unacknowledged(); events != 0 || bytes != 0 || p.Kept() != 20 || !p.Reaches(2) {
		t.Fatalf("%d events of %d bytes, %d kept", events, bytes, p.Kept())
	}
	p.Detach(alice)
	if len(p.Drops()) != 0 || p.Len() != 0 || !p.Keeps() {
		t.Fatal("detached")
	}
	p.Produce(&out, make([]byte, 10))
	p.Produce(&out, make([]byte, 10))
	if p.Kept() != 30 || p.Reaches(2) || !p.Reaches(3) {
		t.Fatalf("%d kept", p.Kept())
	}
	out = nil
	if p.AttachAt(alice, 2) || !p.AttachAt(alice, 4) || p.AttachAt(alice, 4) || p.AttachAt(bob, 7) {
		t.Fatal("attached at the wrong place")
	}
	if events, bytes := p.Unacknowledged(); events != 2 || bytes != 20 {
		t.Fatalf("%d events of %d bytes", events, bytes)
	}
	p.Nack(&out, alice, []uint64{5, 6})
	expect(t, "what came meanwhile", &out, "event 5>1, event 6>1")
	p.Ack(alice, 6)
	p.Detach(alice)
	for range retainTicks {
		p.Tick(&out)
	}
	if p.Kept() != 0 || p.Keeps() || p.Reaches(5) || !p.Reaches(6) {
		t.Fatalf("later: %d kept", p.Kept())
	}
}

func TestProducerSheds(t *testing.T) {
	var out []Message
	p := NewProducer(ProducerOptions{Retain: 100})
	p.Attach(&out, alice)
	p.Attach(&out, bob)
	for range 6 {
		p.Produce(&out, make([]byte, 10))
	}
	p.Ack(alice, 5)
	p.Ack(bob, 3)
	if !p.Shed(10) || p.Kept() != 50 || p.Len() != 2 {
		t.Fatalf("retained first: %d kept, %d consumers", p.Kept(), p.Len())
	}
	if !p.Shed(30) || p.Kept() != 20 || p.Len() != 1 {
		t.Fatalf("then who is furthest behind: %d kept, %d consumers", p.Kept(), p.Len())
	}
	if drops := p.Drops(); len(drops) != 1 || drops[0] != (Drop{bob, FellBehind, 4}) {
		t.Fatalf("drops %v", drops)
	}
	if !p.Shed(100) || p.Kept() != 0 || p.Shed(1) {
		t.Fatalf("%d kept", p.Kept())
	}
}

// TestProducerBooks draws what happens to a producer and looks at its books after each step.
func TestProducerBooks(t *testing.T) {
	for _, seed := range seed.Several(t, 100) {
		rng := rand.New(rand.NewPCG(seed, 9))
		p := NewProducer(ProducerOptions{Retain: rng.IntN(60), MaxBytes: 100 + rng.IntN(100), Start: uint64(rng.IntN(5))})
		var out []Message
		for step := range 400 {
			who := id(uint64(1 + rng.IntN(3)))
			switch rng.IntN(8) {
			case 0:
				p.Attach(&out, who)
			case 1:
				if n := p.Seq() - min(p.Seq(), uint64(rng.IntN(8))); p.AttachAt(who, n) && !p.Reaches(n) {
					t.Fatalf("seed %d, step %d: attached beyond what is there", seed, step)
				}
			case 2:
				p.Detach(who)
			case 3:
				p.Shed(rng.IntN(40))
			case 4:
				p.Ack(who, p.Seq()-min(p.Seq(), uint64(rng.IntN(6))))
			default:
				p.Produce(&out, make([]byte, rng.IntN(12)))
			}
			p.Tick(&out)
			out = nil
			bytes, done := 0, 0
			for i, e := range p.buf {
				bytes += len(e)
				if i < p.done {
					done += len(e)
				}
			}
			ends := len(p.buf) == 0 || p.first+uint64(len(p.buf))-1 == p.seq
			if bytes != p.bufBytes || done != p.doneBytes || !ends || len(p.buf) > 0 && !p.Keeps() {
				t.Fatalf("seed %d, step %d: %d bytes for %d, %d retained for %d, first %d, %d events, number %d",
					seed, step, p.bufBytes, bytes, p.doneBytes, done, p.first, len(p.buf), p.seq)
			}
			for i := range p.paths {
				if has := p.paths[i].has(); !p.Reaches(has) {
					t.Fatalf("seed %d, step %d: a consumer at %d, the first that is kept is %d", seed, step, has, p.first)
				}
			}
		}
	}
}
