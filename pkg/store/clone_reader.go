// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// How long a clone bears with its master.
const (
	// masterTimeout is the silence after which a master is given up, as masters give up clones.
	masterTimeout = 50 * time.Second
	// successorTimeout is the silence after which another master of the name is followed, siblingTimeout the same if the other one
	// lives on the same endpoint, where there is only one at a time.
	successorTimeout = 3 * time.Second
	siblingTimeout   = time.Second
	// stuckTimeout is how long a master that is alive may leave a gap, or the channel of writes without an ack.
	stuckTimeout = 15 * time.Second
	// resetHeartbeats is how many heartbeats in a row with a number below the one applied tell that the master began anew.
	resetHeartbeats = 3
)

// reader is a clone's end of the channel from its master.
type reader struct {
	// id is the clone's identity as a consumer; former is the one before, until the next handshake.
	id, former data.EntityID
	// master is whom the clone follows, nobody while it looks for one. early is whose events it keeps while it looks: the first's.
	master, early data.EntityID
	consumer      *channel.Consumer[command.Command]
	// extended tells that the master is of our kind, incoming is its snapshot on its way.
	extended bool
	incoming *incoming
	// foreign is how many clones of another kind the master has said that it has.
	foreign uint64
	// heard is when the master last spoke, progressed when something of it was applied or nothing was missing, syncedAt when the
	// clone last knew that it has everything: when the master last said which number it is at, and the clone has applied that by now.
	// Masters say so in keepalives and, while they have events to send, by these: one with a number above all known ones is new. What
	// comes after a Resume is old, so events say nothing before the first keepalive.
	heard, progressed, syncedAt time.Time
	// asked is when the clone began to look for a master: a snapshot is as of then at the earliest.
	asked time.Time
	said  struct {
		at     time.Time
		number uint64
		sure   bool
	}
	applied   uint64
	backwards int
	broken    error
}

func newReader(id data.EntityID) reader {
	return reader{id: id, asked: time.Now(), consumer: channel.NewConsumer[command.Command](channel.ConsumerOptions{})}
}

// receive takes a command from the bus.
func (c *Clone) receive(payload []byte) {
	msg, err := command.Parse(payload)
	if err != nil {
		c.malformed(payload, err)
		return
	}
	if c.toWriter(msg) || c.fromOwn(msg, len(payload)) {
		return
	}
	r := &c.reader
	switch {
	case r.master.IsZero():
		c.beforeHandshake(msg, len(payload))
	case msg.Sender == r.master:
		c.hear()
		c.fromMaster(msg, len(payload))
	default:
		c.fromStranger(msg)
	}
}

// hear takes note that the master spoke. After a silence it gets its time anew to repair what is missing.
func (c *Clone) hear() {
	if c.now.Sub(c.reader.heard) >= successorTimeout {
		c.reader.progressed, c.writes.ackedAt = c.now, c.now
	}
	c.reader.heard = c.now
}

// malformed takes note of a command that can't be read; a snapshot that can't be read leaves the clone without content.
func (c *Clone) malformed(payload []byte, err error) {
	c.status.Malformed++
	c.log.Debug("a command can't be read", "error", err)
	kind, _, receiver, ok := command.Peek(payload)
	if ok && kind == command.KindAckClone && receiver == c.reader.id && c.reader.master.IsZero() {
		c.reader.broken = fmt.Errorf("the master's snapshot can't be read: %w", err)
	}
}

// beforeHandshake takes what comes while the clone looks for a master: the handshake, and events that may belong behind it.
func (c *Clone) beforeHandshake(msg command.Message, size int) {
	r := &c.reader
	mine := !msg.Receiver.IsZero() && (msg.Receiver == r.id || msg.Receiver == r.former)
	if body, ok := msg.Body.(*command.AckClone); ok && mine {
		c.attach(msg, body)
		return
	}
	if msg.Body.Kind().Class() != command.Action {
		return
	}
	if r.early.IsZero() {
		r.early = msg.Sender
	}
	if msg.Sender == r.early { // what others say is repaired later, should one of them become the master
		var out channel.Output[command.Command]
		r.consumer.Event(&out, msg.Seq, msg.Body, size)
	}
}

// attach takes a handshake with all of the content, as masters of C++ Broker send it.
func (c *Clone) attach(msg command.Message, body *command.AckClone) {
	c.log.Info("attached", "master", msg.Sender.String(), "entries", body.State.Len(), "offset", body.Offset)
	c.known, c.reader.extended = command.Position{}, false
	c.replace(body.State, msg.Sender, body.Offset)
	c.attached(msg.Sender, msg.Receiver, body.Offset, body.Interval, c.now, false)
}

// attached begins to follow a master whose content is there, as it was at a time: first the events that came early, then the writes.
func (c *Clone) attached(master, own data.EntityID, offset uint64, interval uint16, asOf time.Time, resumed bool) {
	r := &c.reader
	if r.early != master {
		r.consumer = channel.NewConsumer[command.Command](channel.ConsumerOptions{})
	}
	r.id, r.former, r.early, r.master, r.broken, r.incoming = own, data.EntityID{}, data.EntityID{}, master, nil, nil
	r.heard, r.progressed, r.syncedAt, r.backwards = c.now, c.now, asOf, 0
	r.said.at, r.said.number, r.said.sure = asOf, offset, !resumed
	c.readable = true
	var out channel.Output[command.Command]
	r.consumer.Handshake(&out, offset, interval)
	r.applied = r.consumer.Applied()
	c.apply(out)
	if !r.master.IsZero() {
		c.startWriting()
	}
}

// fromMaster takes a command of the clone's master.
func (c *Clone) fromMaster(msg command.Message, size int) {
	r := &c.reader
	var out channel.Output[command.Command]
	switch body := msg.Body.(type) {
	case *command.Keepalive:
		if msg.Receiver.IsZero() || msg.Receiver == r.id {
			if c.heardFrom(msg.Trailer); r.master.IsZero() {
				return
			}
			r.consumer.Heartbeat(body.Seq)
			if r.extended && msg.Trailer != nil && r.consumer.Idle() { // somebody at the master may be waiting for it
				out.Messages = append(out.Messages, channel.Message{Kind: channel.Ack, Seq: r.consumer.Applied()})
			}
			r.said.at, r.said.number, r.said.sure = c.now, body.Seq, true
			c.watchNumber(body.Seq)
		}
	case *command.RetransmitFailed:
		if msg.Receiver == r.id {
			r.consumer.RetransmitFailed(&out, body.Seq)
		}
	default:
		if body.Kind().Class() == command.Action {
			c.newest(msg.Seq)
			r.consumer.Event(&out, msg.Seq, body, size)
		}
	}
	c.applied(out)
}

// newest takes an event of the master as its word that it is at that number, unless it is one of those that were sent again.
func (c *Clone) newest(seq uint64) {
	if r := &c.reader; r.said.sure && seq > r.said.number {
		r.said.at, r.said.number = c.now, seq
	}
}

// watchNumber notices a master that keeps its identity but began to count anew: its numbers are below what the clone has.
func (c *Clone) watchNumber(seq uint64) {
	r := &c.reader
	if seq >= r.consumer.Applied() {
		r.backwards = 0
		return
	}
	if r.backwards++; r.backwards >= resetHeartbeats {
		c.resync("the master began anew", false)
	}
}

// fromStranger looks at what other masters of the name say: the clone follows one of them when its own has fallen silent.
func (c *Clone) fromStranger(msg command.Message) {
	if msg.Body.Kind() != command.KindKeepalive || !msg.Receiver.IsZero() {
		return
	}
	limit := successorTimeout
	if msg.Sender.Endpoint == c.reader.master.Endpoint {
		limit = siblingTimeout
	}
	if c.now.Sub(c.reader.heard) >= limit {
		c.resync("another master took over", false)
	}
}

// watchMaster gives up a master that says nothing, or nothing useful.
func (c *Clone) watchMaster() {
	r := &c.reader
	if r.master.IsZero() {
		return
	}
	if applied := r.consumer.Applied(); applied > r.applied || r.consumer.Idle() {
		r.applied, r.progressed = applied, c.now
	}
	silence := c.now.Sub(r.heard)
	switch {
	case silence >= masterTimeout:
		c.resync("the master is silent", false)
	case silence < successorTimeout && c.now.Sub(r.progressed) >= stuckTimeout:
		c.resync("the master does not send what is missing", true)
	case silence < successorTimeout && c.writes.stuck(c.now):
		c.resync("the master does not acknowledge writes", false)
	}
}

// resync gives up the channel from the master; the next ticks ask for a new snapshot under a new identity. The content stays. The
// channel of writes is kept if the master still takes part in it.
func (c *Clone) resync(why string, keepWrites bool) {
	r := &c.reader
	c.log.Warn("asking for a new snapshot", "reason", why, "master", r.master.String(), "number", r.consumer.Applied())
	if !keepWrites && !c.writes.own {
		c.abandonWrites()
	}
	next := newReader(c.newID())
	next.former, next.syncedAt, next.foreign = r.id, r.syncedAt, r.foreign
	if r.master.IsZero() { // what comes may be the answer to the question before
		next.asked = r.asked
	}
	*r = next
}

// read sends what the consumer has to say. While a snapshot is on its way it asks for no other.
func (c *Clone) read(messages []channel.Message) {
	r := &c.reader
	for _, msg := range messages {
		switch {
		case msg.Kind != channel.Nack:
			ack := command.Message{Sender: r.id, Receiver: r.master, Body: &command.CumulativeAck{Seq: msg.Seq}}
			if r.extended {
				ack.Trailer = &command.Trailer{Features: features, Run: c.known.Run}
			}
			c.send(ack, r.master.Endpoint)
		case !r.master.IsZero():
			c.sendNack(msg.Seqs)
		case r.incoming == nil || c.now.Sub(r.incoming.heard) >= transferSilence:
			c.seek()
		}
	}
}

// sendNack asks the master for what is missing.
func (c *Clone) sendNack(seqs []uint64) {
	r := &c.reader
	c.send(command.Message{Sender: r.id, Receiver: r.master, Body: &command.Nack{Seqs: seqs}}, r.master.Endpoint)
}

func (c *Clone) send(msg command.Message, to data.EndpointID) {
	if err := c.bus.SendCommand(c.topic, to, msg.Marshal()); err != nil {
		c.log.Debug("a command was not sent", "command", msg.Body.Kind().String(), "to", to.String(), "error", err)
	}
}
