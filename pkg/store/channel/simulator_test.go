// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// simulator is one producer and some consumers with a network between them that loses, repeats and reorders messages.
type simulator struct {
	seed      uint64
	t         *testing.T
	rng       *rand.Rand
	loss, dup float64
	producer  *Producer
	members   []*member
	wire      []transit
	objects   uint64
	produced  uint64
}

// member is a consumer with the state that it has built: the sum over a prefix of what was produced.
type member struct {
	id       data.EntityID
	consumer *Consumer[uint64]
	has      uint64
	restarts int
	// stuck counts ticks without progress although something is missing, since position was reached.
	stuck    int
	position uint64
}

// transit is a message under way: to a member, or to the producer if from is set.
type transit struct {
	Message
	from     data.EntityID
	snapshot uint64
}

func (s *simulator) send(messages []Message, from data.EntityID) {
	for _, m := range messages {
		if m.Kind == Nack && len(m.Seqs) > MaxNack {
			s.t.Fatalf("nack of %d numbers", len(m.Seqs))
		}
		copies := 0
		if s.rng.Float64() >= s.loss {
			copies++
		}
		if s.rng.Float64() < s.dup {
			copies++
		}
		// The content that goes with a handshake is that at its offset.
		for range copies {
			s.wire = append(s.wire, transit{Message: m, from: from, snapshot: s.produced})
		}
	}
}

func (s *simulator) join() *member {
	s.objects++
	return &member{id: id(s.objects), consumer: NewConsumer[uint64](ConsumerOptions{Window: 64})}
}

// step delivers some of what is under way, in any order.
func (s *simulator) step() {
	for range s.rng.IntN(2 * (len(s.wire) + 1)) {
		if len(s.wire) == 0 {
			return
		}
		i := s.rng.IntN(min(len(s.wire), 8))
		m := s.wire[i]
		s.wire = append(s.wire[:i], s.wire[i+1:]...)
		if m.from.IsZero() {
			s.toMembers(m)
		} else {
			s.toProducer(m)
		}
	}
}

func (s *simulator) toProducer(m transit) {
	var out []Message
	switch m.Kind {
	case Ack:
		s.producer.Ack(m.from, m.Seq)
	case Nack:
		s.producer.Nack(&out, m.from, m.Seqs)
	}
	s.send(out, data.EntityID{})
}

func (s *simulator) toMembers(m transit) {
	for i, member := range s.members {
		if !m.To.IsZero() && m.To != member.id {
			continue
		}
		out := new(Output[uint64])
		switch m.Kind {
		case Event:
			member.consumer.Event(out, m.Seq, binary.BigEndian.Uint64(m.Payload), 8)
		case Handshake:
			if !member.consumer.Attached() {
				member.has = m.snapshot
			}
			member.consumer.Handshake(out, m.Seq, 5)
		case Heartbeat:
			member.consumer.Heartbeat(m.Seq)
		case RetransmitFailed:
			member.consumer.RetransmitFailed(out, m.Seq)
		}
		s.deliver(i, member, out)
	}
}

// deliver checks that deliveries continue what the member has. A member that lost an event begins anew.
func (s *simulator) deliver(i int, member *member, out *Output[uint64]) {
	for _, d := range out.Deliveries {
		if d.Lost {
			s.members[i] = s.join()
			s.members[i].restarts = member.restarts + 1
			return
		}
		if d.Payload > member.has+1 {
			s.t.Fatalf("SEED=%d: consumer %d has %d and got %d", s.seed, member.id.Object, member.has, d.Payload)
		}
		member.has = max(member.has, d.Payload)
	}
	s.send(out.Messages, member.id)
}

func (s *simulator) tick() {
	var out []Message
	s.producer.Tick(&out)
	s.send(out, data.EntityID{})
	for i, member := range s.members {
		o := new(Output[uint64])
		member.consumer.Tick(o)
		s.deliver(i, member, o)
		s.watch(i, member)
	}
}

// watch makes a member begin anew that gets nothing for long although something is missing: the producer has given it up.
func (s *simulator) watch(i int, member *member) {
	if applied := member.consumer.Applied(); applied > member.position || member.consumer.Idle() || !member.consumer.Attached() {
		member.position, member.stuck = applied, 0
	} else if member.stuck++; member.stuck > 100 {
		s.members[i] = s.join()
	}
}

func (s *simulator) settled() bool {
	for _, member := range s.members {
		if member.has != s.produced || !member.consumer.Idle() {
			return false
		}
	}
	return s.producer.Idle()
}

func (s *simulator) run(events int, restartChance float64) {
	for s.produced < uint64(events) {
		for range s.rng.IntN(6) {
			s.produced++
			var out []Message
			s.producer.Produce(&out, binary.BigEndian.AppendUint64(nil, s.produced))
			s.send(out, data.EntityID{})
		}
		if s.rng.Float64() < restartChance {
			s.members[s.rng.IntN(len(s.members))] = s.join()
		}
		s.step()
		s.tick()
	}
	for round := 0; !s.settled(); round++ {
		if round > 5000 {
			s.t.Fatalf("SEED=%d not settled: produced %d, members %+v", s.seed, s.produced, s.members)
		}
		s.step()
		s.tick()
	}
}

func TestSimulator(t *testing.T) {
	for _, tt := range []struct {
		name               string
		loss, dup, restart float64
		maxBytes           int
	}{
		{"reordering", 0, 0, 0, 0},
		{"repetitions", 0, 0.3, 0, 0},
		{"a third lost", 0.33, 0.1, 0, 0},
		{"two thirds lost", 0.66, 0.1, 0, 0},
		{"restarts", 0.2, 0.2, 0.05, 0},
		{"short memory", 0.3, 0.1, 0.02, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, seed := range seed.Several(t, 200) {
				s := &simulator{seed: seed, t: t, rng: rand.New(rand.NewPCG(seed, 1)), loss: tt.loss, dup: tt.dup}
				s.producer = NewProducer(ProducerOptions{MaxBytes: tt.maxBytes, AddressEach: true})
				for range 4 {
					s.members = append(s.members, s.join())
				}
				s.run(200, tt.restart)
				if events, _ := s.producer.Unacknowledged(); events > 0 && tt.restart == 0 && tt.maxBytes == 0 {
					t.Fatalf("SEED=%d: %d events are kept for nobody", seed, events)
				}
			}
		})
	}
}
