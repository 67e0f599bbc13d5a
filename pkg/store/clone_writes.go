// SPDX-License-Identifier: Apache-2.0

package store

import (
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
	queue      []command.Command
	queueBytes int
	unknown    uint64

	// producer is the channel to master under the identity id; nil while there is none.
	producer   *channel.Producer
	id, master data.EntityID
	ackedAt    time.Time
	// retiring tells that the clone has another identity by now: the channel ends when the master has acknowledged everything.
	retiring bool
}

// question is a PutUnique that waits for the master's answer.
type question struct {
	pending *Pending
	sent    bool
}

func newWrites(who data.EntityID) writes {
	return writes{who: who, asked: map[uint64]*question{}}
}

// write sends a write, or queues it while there is no master to send it to.
func (c *Clone) write(write Write, p *Pending) {
	w := &c.writes
	pending := 0
	if w.producer != nil {
		_, pending = w.producer.Unacknowledged()
	}
	if pending+w.queueBytes+write.size() > c.opt.QueueBytes && pending+w.queueBytes > 0 {
		p.resolve(false, ErrFull)
		return
	}
	body := write.command(w.who)
	unique, asks := body.(*command.PutUnique)
	if asks {
		w.request++
		unique.Request = w.request
		w.asked[w.request] = &question{pending: p}
	}
	w.queue = append(w.queue, body)
	w.queueBytes += write.size()
	c.flushQueue()
	if !asks {
		p.resolve(true, nil)
	}
}

// startWriting opens the channel of writes to the reader's master. An earlier channel to the same master ends first.
func (c *Clone) startWriting() {
	w, r := &c.writes, &c.reader
	if w.producer != nil && w.master != r.master {
		c.abandonWrites()
	}
	w.loseAnswers()
	if w.producer != nil {
		w.retiring = w.id != r.id
		c.retire()
		return
	}
	w.producer = channel.NewProducer(channel.ProducerOptions{RepeatHandshake: true})
	w.id, w.master, w.ackedAt, w.retiring = r.id, r.master, c.now, false
	var out []channel.Message
	w.producer.Attach(&out, w.master)
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
	if w.producer == nil || w.retiring || c.reader.master != w.master {
		return
	}
	var out []channel.Message
	for _, body := range w.queue {
		publish(body, w.id)
		if unique, ok := body.(*command.PutUnique); ok {
			unique.Who = w.who
			if q := w.asked[unique.Request]; q != nil {
				q.sent = true
			}
		}
		msg := command.Message{Seq: w.producer.Next(), Sender: w.id, Receiver: w.master, Body: body}
		w.producer.Produce(&out, msg.Marshal())
	}
	clear(w.queue)
	w.queue, w.queueBytes = w.queue[:0], 0
	c.sendWrites(out)
}

// toWriter takes what the master says about the channel of writes, and answers whether msg was about it.
func (c *Clone) toWriter(msg command.Message) bool {
	w := &c.writes
	if msg.Body.Kind().Class() != command.ConsumerControl {
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
		w.producer.Ack(w.master, body.Seq)
	case *command.Nack:
		w.producer.Nack(&out, w.master, body.Seqs)
	}
	c.sendWrites(out)
	c.afterWrites()
	return true
}

func (c *Clone) tickWrites() {
	if c.writes.producer == nil {
		return
	}
	var out []channel.Message
	c.writes.producer.Tick(&out)
	c.sendWrites(out)
	c.afterWrites()
}

// afterWrites looks at what became of the channel.
func (c *Clone) afterWrites() {
	w := &c.writes
	if drops := w.producer.Drops(); len(drops) > 0 {
		c.countUnknown(drops[0].Missing)
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
	w := &c.writes
	for _, msg := range messages {
		out := command.Message{Sender: w.id, Receiver: w.master}
		switch msg.Kind {
		case channel.Event:
			if err := c.bus.SendCommand(c.topic, data.EndpointID{}, msg.Payload); err != nil {
				c.log.Debug("a write was not sent", "number", msg.Seq, "error", err)
			}
			continue
		case channel.Handshake:
			out.Body = &command.AttachWriter{Offset: msg.Seq, Interval: channel.DefaultHeartbeat}
		case channel.Heartbeat:
			out.Receiver, out.Body = data.EntityID{}, &command.Keepalive{Seq: msg.Seq}
		default:
			out.Body = &command.RetransmitFailed{Seq: msg.Seq}
		}
		c.send(out, data.EndpointID{})
	}
}

// abandonWrites gives up the channel of writes. What was sent and not acknowledged is not sent again: it may have been executed.
func (c *Clone) abandonWrites() {
	w := &c.writes
	if w.producer != nil {
		events, _ := w.producer.Unacknowledged()
		c.countUnknown(uint64(events))
	}
	w.producer, w.retiring = nil, false
	w.loseAnswers()
}

func (c *Clone) countUnknown(writes uint64) {
	if writes > 0 {
		c.writes.unknown += writes
		c.log.Warn("the outcome of writes is unknown", "writes", writes, "master", c.writes.master.String())
	}
}

// loseAnswers answers the questions that were sent: the master's answers come with a channel that is gone.
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

func (w *writes) end() {
	for _, q := range w.asked {
		q.pending.resolve(false, code.ShuttingDown)
	}
}

// stuck tells whether the master should have acknowledged something by now: it does so twice a second.
func (w *writes) stuck(now time.Time) bool {
	return w.producer != nil && now.Sub(w.ackedAt) >= stuckTimeout
}

func (w *writes) idle() bool {
	return w.producer != nil && !w.retiring && len(w.queue) == 0 && w.producer.Idle()
}

func (w *writes) waitingCount() int {
	n := len(w.queue)
	if w.producer != nil {
		events, _ := w.producer.Unacknowledged()
		n += events
	}
	return n
}
