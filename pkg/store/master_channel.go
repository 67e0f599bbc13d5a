// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// errClosing is the answer to those who still wait when a frontend ends.
var errClosing error = code.ShuttingDown

// receive takes a command from the bus. Class and sender decide what it is; the receiver is not looked at, as in the reference.
func (m *Master) receive(payload []byte) {
	msg, err := command.Parse(payload)
	if err != nil {
		m.status.Malformed++
		m.log.Debug("a command can't be read", "error", err)
		return
	}
	if m.failed != nil || msg.Sender == m.id {
		return
	}
	switch body := msg.Body.(type) {
	case *command.SnapshotAck:
		m.snapshotAck(msg.Sender, body)
	case *command.Handover:
		m.onHandover(msg, body)
	case *command.CumulativeAck:
		if known, _ := m.clones.Has(msg.Sender); !known && msg.Trailer != nil {
			m.tellStranger(msg)
			return
		} else if !known && !m.adoptClone(msg, body.Seq) {
			return
		}
		if m.clones.Ack(msg.Sender, body.Seq) {
			m.handshake.done(msg.Sender)
			if m.handshake.failed == msg.Sender {
				m.handshake.failed, m.status.CantAttach = data.EntityID{}, ""
			}
			m.log.Info("clone attached", "clone", msg.Sender.String())
		}
	case *command.Nack:
		if isOwn(msg, body.Seqs) {
			m.attachOwn(msg)
			return
		}
		before := len(m.out.toClones)
		m.clones.Nack(&m.out.toClones, msg.Sender, body.Seqs)
		m.fillHandshakes(before)
		m.forgetDropped()
		if _, established := m.clones.Has(msg.Sender); established {
			m.handshake.done(msg.Sender) // a nack says what has come, too
		}
	default:
		m.fromWriter(msg, len(payload))
	}
}

// fromWriter takes what belongs to the channel of a clone's writes.
func (m *Master) fromWriter(msg command.Message, size int) {
	if m.meetMaster(msg) {
		return
	}
	if m.handing.frozen() || m.gaveUp() {
		if w := m.writers[msg.Sender]; w != nil {
			w.lastSeen = m.tick
		}
		return // it keeps what is not answered, and sends it to the master that there will be
	}
	w := m.writers[msg.Sender]
	if w == nil {
		if w = m.admitWriter(msg); w == nil {
			return
		}
	}
	w.lastSeen = m.tick
	if w.own && msg.Trailer != nil {
		m.heedWriter(msg.Sender, w, msg.Trailer)
	}
	switch body := msg.Body.(type) {
	case *command.Keepalive:
		w.consumer.Heartbeat(body.Seq)
	case *command.RetransmitFailed:
		w.consumer.RetransmitFailed(&m.out.input, body.Seq)
	default:
		// A foreign writer can't be told of a refusal. It keeps what is not acknowledged, and sends it again.
		if body.Kind().Class() == command.Action && (w.own || m.rivals.refusing == nil) {
			w.consumer.Event(&m.out.input, msg.Seq, body, size)
		}
	}
	m.consumed(msg.Sender)
}

// admitWriter opens the channel of a clone's writes if that is what it wants.
func (m *Master) admitWriter(msg command.Message) *writer {
	if len(m.writers) >= maxPeers {
		return nil
	}
	switch body := msg.Body.(type) {
	case *command.AttachWriter:
		return m.openWriter(msg.Sender, body.Offset, msg.Trailer)
	case *command.Keepalive:
		if t := msg.Trailer; t != nil && t.Settled > 0 { // it was known before
			return m.openWriter(msg.Sender, t.Settled, t)
		}
		if raw, err := m.be.Meta(writerName(msg.Sender)); err == nil && raw != nil && msg.Trailer == nil {
			return m.openWriter(msg.Sender, body.Seq, nil)
		}
	}
	return nil
}

// consumed executes what a writer's consumer has delivered and keeps what it wants to say.
func (m *Master) consumed(from data.EntityID) {
	w := m.writers[from]
	if len(m.out.input.Deliveries) > 0 {
		m.own.executed[from] = w
		m.touch(from)
	}
	for _, d := range m.out.input.Deliveries {
		err := ErrLost
		if d.Lost {
			m.log.Warn("a write of a clone is lost", "clone", from.String(), "number", d.Seq)
		} else if err = m.executeFor(d.Payload); err != nil && !errors.Is(err, code.BackendFailure) {
			m.log.Debug("a write of a clone failed", "clone", from.String(), "command", d.Payload.Kind().String(), "error", err)
		}
		if w.own {
			w.outcome(d.Seq, err)
		}
	}
	for _, msg := range m.out.input.Messages {
		if w.own && msg.Kind == channel.Ack {
			m.touch(from)
			continue
		}
		m.out.toWriters = append(m.out.toWriters, writerMessage{from, msg})
	}
	m.out.input.Reset()
}

// executeFor executes a write of a clone.
func (m *Master) executeFor(c command.Command) error {
	if b, ok := c.(*command.Batch); ok {
		return m.apply(batchOf(b), b.Publisher)
	}
	canonical(c)
	ok, err := m.execute(c)
	if c.Kind() == command.KindPutUnique && err == nil && !ok {
		return ErrConditionFailed
	}
	return err
}

// canonical brings the values of a received write into the form in which they are stored.
func canonical(c command.Command) {
	switch c := c.(type) {
	case *command.Put:
		c.Key, c.Value = data.Canonical(c.Key), data.Canonical(c.Value)
	case *command.PutUnique:
		c.Key, c.Value = data.Canonical(c.Key), data.Canonical(c.Value)
	case *command.Add:
		c.Key, c.Operand = data.Canonical(c.Key), data.Canonical(c.Operand)
	case *command.Subtract:
		c.Key, c.Operand = data.Canonical(c.Key), data.Canonical(c.Operand)
	case *command.Erase:
		c.Key = data.Canonical(c.Key)
	case *command.Expire:
		c.Key = data.Canonical(c.Key)
	}
}

// heard tells whether anybody wants the commands that replay is given.
func (m *Master) heard() bool { return m.clones.Keeps() }

// replay gives a change its number and tells all clones about it.
func (m *Master) replay(c command.Command) {
	if !m.heard() {
		m.clones.Produce(&m.out.toClones, nil)
		return
	}
	msg := command.Message{Seq: m.clones.Next(), Sender: m.id, Body: c}
	payload := msg.Marshal()
	m.clones.Produce(&m.out.toClones, payload)
	if m.logs() {
		m.foreign.entries = append(m.foreign.entries, logEntry{msg.Seq, payload})
	}
	m.forgetDropped()
}

// forgetDropped removes what is kept for clones that the channel has given up.
func (m *Master) forgetDropped() {
	for _, d := range m.clones.Drops() {
		m.handshake.done(d.Consumer)
		if _, own := m.own.clones[d.Consumer]; !own && d.Reason == channel.FellBehind && len(m.foreign.stranded) < maxPeers {
			m.log.Error("a clone of another kind fell too far behind and was cut; it has to be attached anew", "clone", d.Consumer.String())
			m.foreign.stranded[d.Consumer] = m.tick
		}
		m.forgetOwn(d.Consumer)
		m.dropWriter(d.Consumer, d.Reason != channel.FellBehind)
		m.log.Info("clone dropped", "clone", d.Consumer.String(), "reason", d.Reason.String())
	}
}

// publish lets clones see a committed group: changes, then acks.
func (m *Master) publish() {
	for i := 0; i < len(m.out.toClones); {
		n := i
		for n < len(m.out.toClones) && m.out.toClones[n].Kind == channel.Event && m.out.toClones[n].To.IsZero() {
			n++
		}
		if n > i {
			m.sendEvents(m.out.toClones[i:n])
			i = n
			continue
		}
		m.sendToClones(m.out.toClones[i])
		i++
	}
	for _, msg := range m.out.toWriters {
		var c command.Command = &command.CumulativeAck{Seq: msg.Seq}
		if msg.Kind == channel.Nack {
			c = &command.Nack{Seqs: msg.Seqs}
		}
		m.sendTo(msg.to, c)
	}
	m.tellWriters()
	if m.own.ask {
		m.own.ask = false
		m.askOwn()
	}
}

// sendToClones sends a message of the channel. Events and handshakes have their payload with them.
func (m *Master) sendToClones(msg channel.Message) {
	switch msg.Kind {
	case channel.Event:
		m.send(msg.To.Endpoint, msg.Payload)
	case channel.Handshake:
		m.sendSnapshot(msg)
	case channel.Heartbeat:
		alive := command.Message{Sender: m.id, Receiver: msg.To, Body: &command.Keepalive{Seq: msg.Seq}, Trailer: m.trailerFor(msg.To)}
		m.send(msg.To.Endpoint, alive.Marshal())
	case channel.RetransmitFailed:
		m.sendTo(msg.To, &command.RetransmitFailed{Seq: msg.Seq})
	}
}

// sendSnapshot sends a handshake, unless the clone has to be patient. That it can't be sent keeps the clone from attaching at all, so it
// is told, but not more than once a minute.
func (m *Master) sendSnapshot(msg channel.Message) {
	if len(msg.Payload) == 0 {
		return
	}
	err := m.bus.SendCommand(m.topic, msg.To.Endpoint, msg.Payload)
	if err != nil {
		m.handshake.failed = msg.To
		m.status.CantAttach = fmt.Sprintf("%s: a snapshot of %d bytes in one message: %v", msg.To, len(msg.Payload), err)
	}
	if err != nil && (m.warnedAt == 0 || m.tick-m.warnedAt >= ticksPerMinute) {
		m.warnedAt = max(m.tick, 1)
		m.log.Warn("a clone can't attach: its snapshot was not sent", "clone", msg.To.String(), "bytes", len(msg.Payload), "error", err)
	}
}

func (m *Master) sendTo(to data.EntityID, c command.Command) {
	msg := command.Message{Sender: m.id, Receiver: to, Body: c}
	m.send(to.Endpoint, msg.Marshal())
}

func (m *Master) send(to data.EndpointID, payload []byte) {
	if err := m.bus.SendCommand(m.topic, to, payload); err != nil {
		m.log.Debug("a command was not sent", "to", to.String(), "bytes", len(payload), "error", err)
	}
}
