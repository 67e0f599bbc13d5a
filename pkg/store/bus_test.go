// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// fabric joins the endpoints of a test: everybody is peered with everybody.
type fabric struct {
	mu    sync.Mutex
	buses []*fakeBus
	// lose decides which deliveries don't happen; nil: all happen.
	lose func(from, to *fakeBus, payload []byte) bool
	// twist decides when and how often a delivery happens; nil: once, at once.
	twist func(deliver func())
}

// fakeBus is an endpoint of a fabric.
type fakeBus struct {
	fabric *fabric
	id     data.EndpointID

	mu       sync.Mutex
	handlers map[string]func([]byte)
	events   []string
}

func (f *fabric) join() *fakeBus {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := &fakeBus{fabric: f, id: data.NewEndpointID(), handlers: map[string]func([]byte){}}
	f.buses = append(f.buses, b)
	return b
}

func (f *fabric) setLoss(lose func(from, to *fakeBus, payload []byte) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = lose
}

func (b *fakeBus) ID() data.EndpointID { return b.id }

func (b *fakeBus) AttachStore(topic string, handle func([]byte)) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.handlers[topic] != nil {
		return nil, fmt.Errorf("%s is attached already", topic)
	}
	b.handlers[topic] = handle
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.handlers, topic)
	}, nil
}

func (b *fakeBus) SendCommand(topic string, receiver data.EndpointID, payload []byte) error {
	b.fabric.mu.Lock()
	buses, lose, twist := slices.Clone(b.fabric.buses), b.fabric.lose, b.fabric.twist
	b.fabric.mu.Unlock()
	for _, to := range buses {
		if !receiver.IsZero() && receiver != to.id || lose != nil && to != b && lose(b, to, payload) {
			continue
		}
		kept := bytes.Clone(payload)
		deliver := func() {
			to.mu.Lock()
			handle := to.handlers[topic]
			to.mu.Unlock()
			if handle != nil {
				transient := bytes.Clone(kept)
				handle(transient)
				clear(transient) // the payload is valid during the call only
			}
		}
		if twist != nil && to != b {
			twist(deliver)
		} else {
			deliver()
		}
	}
	return nil
}

func (b *fakeBus) PublishLocal(_ string, v data.Value) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, v.String())
}

// takeEvents answers the store events since the last call, without the names of store and publisher.
func (b *fakeBus) takeEvents() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.events
	b.events = nil
	return events
}

// frame is a command that a scripted peer received.
type frame struct {
	command.Message
}

// scripted is an endpoint that a test plays by hand.
type scripted struct {
	t     *testing.T
	bus   *fakeBus
	topic string // where its commands go
	id    data.EntityID

	mu     sync.Mutex
	frames []frame
}

// play joins a scripted endpoint that listens on one topic and talks on another.
func play(t *testing.T, f *fabric, listen, talk string) *scripted {
	s := &scripted{t: t, bus: f.join(), topic: talk}
	s.id = data.EntityID{Endpoint: s.bus.id, Object: 6}
	if _, err := s.bus.AttachStore(listen, s.receive); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scripted) receive(payload []byte) {
	msg, err := command.Parse(bytes.Clone(payload))
	if err != nil {
		s.t.Errorf("received %x: %v", payload, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, frame{Message: msg})
}

func (s *scripted) send(seq uint64, receiver data.EntityID, body command.Command) {
	s.sendAs(s.id, seq, receiver, body)
}

func (s *scripted) sendAs(sender data.EntityID, seq uint64, receiver data.EntityID, body command.Command) {
	msg := command.Message{Seq: seq, Sender: sender, Receiver: receiver, Body: body}
	s.sendRaw(msg.Marshal())
}

func (s *scripted) sendRaw(payload []byte) {
	if err := s.bus.SendCommand(s.topic, data.EndpointID{}, payload); err != nil {
		s.t.Error(err)
	}
}

// take answers what has come since the last call, but no command of the kinds to be left out.
func (s *scripted) take(without ...command.Kind) []frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	frames := slices.DeleteFunc(s.frames, func(f frame) bool { return slices.Contains(without, f.Body.Kind()) })
	s.frames = nil
	return frames
}

// expect checks what has come since the last call, in the form that describe writes.
func (s *scripted) expect(step string, want ...string) {
	s.t.Helper()
	s.expectWithout(step, []command.Kind{command.KindKeepalive}, want...)
}

func (s *scripted) expectWithout(step string, without []command.Kind, want ...string) {
	s.t.Helper()
	var got []string
	for _, f := range s.take(without...) {
		got = append(got, describe(f.Message))
	}
	if !slices.Equal(got, want) {
		s.t.Fatalf("%s:\n got %s\nwant %s", step, strings.Join(got, "; "), strings.Join(want, "; "))
	}
}

// describe writes a command as NAME FIELDS #SEQ >RECEIVER, with the object number of the receiver and without what is 0 or nobody.
func describe(m command.Message) string {
	s := m.Body.Kind().String()
	switch c := m.Body.(type) {
	case *command.Put:
		s += fmt.Sprintf(" %v=%v", c.Key, c.Value) + describeExpiry(c.Expiry)
	case *command.PutUnique:
		s += fmt.Sprintf(" %v=%v?%d", c.Key, c.Value, c.Request) + describeExpiry(c.Expiry)
	case *command.PutUniqueResult:
		s += fmt.Sprintf(" %v %d?%d", c.Inserted, c.Who.Object, c.Request)
	case *command.Erase:
		s += fmt.Sprintf(" %v", c.Key)
	case *command.Expire:
		s += fmt.Sprintf(" %v", c.Key)
	case *command.Add:
		s += fmt.Sprintf(" %v+%v init %v", c.Key, c.Operand, c.Init) + describeExpiry(c.Expiry)
	case *command.Subtract:
		s += fmt.Sprintf(" %v-%v", c.Key, c.Operand) + describeExpiry(c.Expiry)
	case *command.AttachWriter:
		s += fmt.Sprintf(" %d,%d", c.Offset, c.Interval)
	case *command.Keepalive:
		s += fmt.Sprintf(" %d", c.Seq)
	case *command.CumulativeAck:
		s += fmt.Sprintf(" %d", c.Seq)
	case *command.RetransmitFailed:
		s += fmt.Sprintf(" %d", c.Seq)
	case *command.Nack:
		s += fmt.Sprintf(" %v", c.Seqs)
	case *command.AckClone:
		var entries []string
		for k, v := range c.State.Entries() {
			entries = append(entries, fmt.Sprintf("%v=%v", k, v))
		}
		slices.Sort(entries)
		s += fmt.Sprintf(" %d,%d {%s}", c.Offset, c.Interval, strings.Join(entries, " "))
	}
	if m.Seq > 0 {
		s += fmt.Sprintf(" #%d", m.Seq)
	}
	if !m.Receiver.IsZero() {
		s += fmt.Sprintf(" >%d", m.Receiver.Object)
	}
	return s
}

func describeExpiry(e command.Expiry) string {
	if !e.Set {
		return ""
	}
	return fmt.Sprintf(" for %v", e.After)
}

// brief is a store event without store and publisher.
func brief(event string) string {
	fields := strings.Split(strings.TrimSuffix(strings.TrimPrefix(event, "("), ")"), ", ")
	return strings.Join(slices.Delete(fields[:len(fields)-2], 1, 2), " ")
}

func joined(events []string) string {
	slices.Sort(events)
	return strings.Join(events, " ")
}
