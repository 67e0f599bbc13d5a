// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// writes are a clone's writes on their way to the master.
type writes struct {
	// who is this clone in questions of PutUnique; it stays for life.
	who     data.EntityID
	request uint64
	asked   map[uint64]*question
	// queue are the writes that were not sent yet.
	queue      []queuedWrite
	queueBytes int
	unknown    uint64

	// producer is the channel to master under the identity id; nil while there is none.
	producer   *channel.Producer
	id, master data.EntityID
	ackedAt    time.Time
	// retiring tells that the clone has another identity by now: the channel ends when the master has acknowledged everything.
	retiring bool
	// own tells that the master is of our kind: the channel outlives an attachment, and each write has an outcome. position is what the
	// master had when the channel began.
	own      bool
	position command.Position
	// sent[i] is the write of number settled+1+i. late are those whose outcome is known, but not yet to be seen in the content.
	sent    []sentWrite
	settled uint64
	late    []lateAnswer
}

// writerPath is the only consumer of a channel of writes.
var writerPath = data.EntityID{Object: 1}

// queuedWrite is a write with the one that waits for it.
type queuedWrite struct {
	body    command.Command
	pending *Pending
	bytes   int
}

// sentWrite is a write that the master has not acknowledged. pending is nil if somebody else answers.
type sentWrite struct {
	pending *Pending
	kind    command.Kind
}

// lateAnswer is an outcome that counts when the clone has applied a number.
type lateAnswer struct {
	pending *Pending
	ok      bool
	err     error
	number  uint64
}

// question is a PutUnique that waits for the answer of a foreign master.
type question struct {
	pending *Pending
	sent    bool
}

func newWrites(who data.EntityID) writes {
	return writes{who: who, asked: map[uint64]*question{}}
}

// write sends a write, or queues it while there is no master to send it to.
func (c *Clone) write(body command.Command, size int, p *Pending) {
	w := &c.writes
	if c.left {
		p.resolve(false, code.ShuttingDown)
		return
	}
	pending := 0
	if w.producer != nil {
		_, pending = w.producer.Unacknowledged()
	}
	if pending+w.queueBytes+size > c.opt.QueueBytes && pending+w.queueBytes > 0 {
		p.resolve(false, ErrFull)
		return
	}
	if unique, ok := body.(*command.PutUnique); ok {
		w.request++
		unique.Request = w.request
	}
	w.queue = append(w.queue, queuedWrite{body, p, size})
	w.queueBytes += size
}

// startWriting opens the channel of writes to the reader's master, or goes on with the one there is if the master knows it. An earlier
// channel to the same foreign master ends first.
func (c *Clone) startWriting() {
	w, r := &c.writes, &c.reader
	switch {
	case w.producer == nil:
	case w.own && r.extended && w.position.History == c.known.History:
		w.master, w.ackedAt = r.master, c.now
		c.tellWriter(true)
		c.flushQueue()
		return
	case w.own || r.extended || w.master != r.master:
		c.abandonWrites()
	}
	w.loseAnswers()
	if w.producer != nil {
		w.retiring = w.id != r.id
		c.retire()
		return
	}
	o := channel.ProducerOptions{RepeatHandshake: true}
	w.own, w.id, w.position = r.extended, r.id, c.known
	if w.own {
		w.id, o.Timeout = c.newID(), math.MaxUint64
	}
	w.producer = channel.NewProducer(o)
	w.master, w.ackedAt, w.retiring, w.settled = r.master, c.now, false, w.producer.Seq()
	var out []channel.Message
	w.producer.Attach(&out, writerPath)
	c.sendWrites(out)
	c.flushQueue()
}

// retire replaces a channel that is done by one under the clone's present identity.
func (c *Clone) retire() {
	w := &c.writes
	if w.retiring && w.producer.Idle() && !c.reader.master.IsZero() {
		w.producer, w.retiring = nil, false
		c.startWriting()
	}
}

// flushQueue sends what waits.
func (c *Clone) flushQueue() {
	w := &c.writes
	if len(w.queue) == 0 || w.producer == nil || w.retiring || c.reader.master != w.master {
		return
	}
	var out []channel.Message
	for _, q := range w.queue {
		s := sentWrite{q.pending, q.body.Kind()}
		if s.kind == command.KindBatch && !w.own {
			q.pending.resolve(false, ErrNotSupported)
			continue
		}
		publish(q.body, w.id)
		if unique, ok := q.body.(*command.PutUnique); ok {
			unique.Who = w.who
			if !w.own {
				w.asked[unique.Request] = &question{q.pending, true}
				s.pending = nil
			}
		}
		msg := command.Message{Seq: w.producer.Next(), Sender: w.id, Receiver: w.master, Body: q.body}
		w.producer.Produce(&out, msg.Marshal())
		w.sent = append(w.sent, s)
	}
	clear(w.queue)
	w.queue, w.queueBytes = w.queue[:0], 0
	c.sendWrites(out)
}

// toWriter takes what the master says about the channel of writes, and answers whether msg was about it.
func (c *Clone) toWriter(msg command.Message) bool {
	w := &c.writes
	result, isResult := msg.Body.(*command.WriteResult)
	if msg.Body.Kind().Class() != command.ConsumerControl && !isResult {
		return false
	}
	if w.producer == nil || msg.Sender != w.master || msg.Receiver != w.id {
		return true
	}
	if msg.Sender == c.reader.master {
		c.hear()
	}
	w.ackedAt = c.now
	var out []channel.Message
	switch body := msg.Body.(type) {
	case *command.CumulativeAck:
		if !w.own {
			w.producer.Ack(writerPath, body.Seq)
			w.acknowledged(min(body.Seq, w.producer.Seq()))
		}
	case *command.Nack:
		w.producer.Nack(&out, writerPath, body.Seqs)
	case *command.WriteResult:
		c.outcomes(result)
	}
	c.sendWrites(out)
	c.afterWrites()
	return true
}

// acknowledged takes a foreign master's word that it has everything up to a number. What became of it nobody says.
func (w *writes) acknowledged(n uint64) {
	for ; w.settled < n && len(w.sent) > 0; w.settled++ {
		if p := w.sent[0].pending; p != nil {
			p.resolve(true, nil)
		}
		w.sent[0] = sentWrite{}
		w.sent = w.sent[1:]
	}
}

func (c *Clone) tickWrites() {
	w := &c.writes
	if w.producer == nil {
		return
	}
	if w.own && c.reader.master.IsZero() && c.now.Sub(w.ackedAt) >= writerMemory/2 {
		c.abandonWrites() // by now the master may have forgotten what it executed
		return
	}
	var out []channel.Message
	w.producer.Tick(&out)
	c.sendWrites(out)
	c.afterWrites()
}

// afterWrites looks at what became of the channel.
func (c *Clone) afterWrites() {
	w := &c.writes
	if drops := w.producer.Drops(); len(drops) > 0 {
		if c.reader.master == w.master {
			c.resync("the master does not acknowledge writes", false)
		} else {
			c.abandonWrites()
		}
		return
	}
	c.retire()
}

// sendWrites sends messages of the channel. All of them go to everybody who wants the master's topic, as in the reference.
func (c *Clone) sendWrites(messages []channel.Message) {
	w, to := &c.writes, data.EndpointID{}
	if w.own {
		to = w.master.Endpoint // another master of the name that heard it might execute what this one refuses
	}
	for _, msg := range messages {
		out := command.Message{Sender: w.id, Receiver: w.master}
		switch msg.Kind {
		case channel.Event:
			if err := c.bus.SendCommand(c.topic, to, msg.Payload); err != nil {
				c.log.Debug("a write was not sent", "number", msg.Seq, "error", err)
			}
			continue
		case channel.Handshake:
			out.Body, out.Trailer = &command.AttachWriter{Offset: msg.Seq, Interval: channel.DefaultHeartbeat}, w.trailer()
		case channel.Heartbeat:
			out.Receiver, out.Body, out.Trailer = data.EntityID{}, &command.Keepalive{Seq: msg.Seq}, w.trailer()
		default:
			out.Body = &command.RetransmitFailed{Seq: msg.Seq}
		}
		c.send(out, to)
	}
}

// abandonWrites gives up the channel of writes. What was sent and not acknowledged is not sent again: it may have been executed.
func (c *Clone) abandonWrites() {
	w := &c.writes
	w.answerLate(math.MaxUint64)
	c.countUnknown(uint64(len(w.sent)))
	for _, s := range w.sent {
		if s.pending != nil {
			s.pending.resolve(false, ErrUnknown)
		}
	}
	w.producer, w.retiring, w.own, w.sent = nil, false, false, nil
	w.loseAnswers()
}

func (c *Clone) countUnknown(writes uint64) {
	if writes > 0 {
		c.writes.unknown += writes
		c.log.Warn("the outcome of writes is unknown", "writes", writes, "master", c.writes.master.String())
	}
}

// loseAnswers answers the questions that were sent: a foreign master's answers come with a channel that is gone.
func (w *writes) loseAnswers() {
	for number, q := range w.asked {
		if q.sent {
			q.pending.resolve(false, ErrUnknown)
			delete(w.asked, number)
		}
	}
}

// result takes the master's answer to a question, which may be somebody else's.
func (w *writes) result(body *command.PutUniqueResult) {
	if body.Who != w.who {
		return
	}
	if q := w.asked[body.Request]; q != nil {
		q.pending.resolve(body.Inserted, nil)
		delete(w.asked, body.Request)
	}
}

// end answers everybody who still waits.
func (w *writes) end() {
	w.answerLate(math.MaxUint64)
	w.loseAnswers()
	for _, s := range w.sent {
		if s.pending != nil {
			s.pending.resolve(false, ErrUnknown)
		}
	}
	for _, q := range w.queue {
		q.pending.resolve(false, code.ShuttingDown)
	}
}

// stuck tells whether the master should have acknowledged something by now: it does so twice a second.
func (w *writes) stuck(now time.Time) bool {
	return w.producer != nil && now.Sub(w.ackedAt) >= stuckTimeout
}

func (w *writes) idle() bool {
	return w.producer != nil && !w.retiring && len(w.queue) == 0 && w.producer.Idle() && len(w.late) == 0
}

func (w *writes) waitingCount() int { return len(w.queue) + len(w.sent) }
