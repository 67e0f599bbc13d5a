// SPDX-License-Identifier: Apache-2.0

package channel

import "math"

// ConsumerOptions configure a Consumer. Zero fields mean the defaults.
type ConsumerOptions struct {
	// Heartbeat is the number of ticks between acks, until the handshake says otherwise.
	Heartbeat uint16
	// NackTimeout is how many ticks without progress a consumer waits before it asks for what is missing.
	NackTimeout uint16
	// Window is how far ahead of the next number events are kept, 65,536 if not set.
	Window uint64
	// MaxBytes bounds the events that are kept, 16 MiB if not set.
	MaxBytes int
}

// Consumer puts the events of one producer in order. P is the form in which the owner wants to get them.
type Consumer[P any] struct {
	opt ConsumerOptions
	// next is the number expected next, 0 before the handshake; last is one past the highest number that is known to exist, or
	// that number itself if it came out of order. next <= last after the handshake.
	next, last uint64
	buf        map[uint64]held[P]
	bufBytes   int
	ticks      uint64
	tickNext   uint64
	idleTicks  uint16
	// asked is the highest number of a nack that was cut at MaxNack numbers.
	asked uint64
}

// held is an event ahead of its turn, or the news that it is lost.
type held[P any] struct {
	payload P
	size    int
	lost    bool
}

// NewConsumer is a consumer that waits for a handshake.
func NewConsumer[P any](opt ConsumerOptions) *Consumer[P] {
	if opt.Heartbeat == 0 {
		opt.Heartbeat = DefaultHeartbeat
	}
	if opt.NackTimeout == 0 {
		opt.NackTimeout = DefaultNackTimeout
	}
	if opt.Window == 0 {
		opt.Window = 1 << 16
	}
	if opt.MaxBytes == 0 {
		opt.MaxBytes = 16 << 20
	}
	return &Consumer[P]{opt: opt, buf: map[uint64]held[P]{}}
}

// Attached tells whether the handshake has come.
func (c *Consumer[P]) Attached() bool { return c.next > 0 }

// Applied is the number up to which everything was delivered; 0 before the handshake.
func (c *Consumer[P]) Applied() uint64 { return max(c.next, 1) - 1 }

// Lag is how many events are known to exist beyond those delivered.
func (c *Consumer[P]) Lag() uint64 {
	if c.next == 0 || c.last == c.next && len(c.buf) == 0 {
		return 0
	}
	if _, ok := c.buf[c.last]; ok {
		return c.last + 1 - c.next
	}
	return c.last - c.next
}

// Idle tells whether the handshake has come and nothing is known to be missing.
func (c *Consumer[P]) Idle() bool { return c.next > 0 && c.next == c.last && len(c.buf) == 0 }

// Handshake begins the channel after the number offset, with an ack every interval ticks, and delivers what has come already. A
// second handshake is ignored.
func (c *Consumer[P]) Handshake(out *Output[P], offset uint64, interval uint16) {
	if c.next > 0 || offset == math.MaxUint64 {
		return
	}
	c.next, c.last = offset+1, max(c.last, offset+1)
	if interval > 0 {
		c.opt.Heartbeat = interval
	}
	c.idleTicks = 0
	for seq, e := range c.buf {
		if seq <= offset {
			c.remove(seq, e)
		}
	}
	c.consume(out)
	c.ack(out)
}

// Event takes the event of that number. size is what it costs to keep it.
func (c *Consumer[P]) Event(out *Output[P], seq uint64, payload P, size int) {
	switch {
	case seq == 0 || seq < c.next || seq == math.MaxUint64:
	case c.next > 0 && seq == c.next:
		c.deliver(out, seq, held[P]{payload: payload})
		c.consume(out)
		c.askOn(out)
	default:
		c.hold(seq, held[P]{payload: payload, size: size})
	}
}

// RetransmitFailed takes the news that an event is gone for good.
func (c *Consumer[P]) RetransmitFailed(out *Output[P], seq uint64) {
	switch {
	case c.next == 0 || seq < c.next || seq == math.MaxUint64:
	case seq == c.next:
		e := held[P]{lost: true}
		if came, ok := c.buf[seq]; ok {
			e = came
		}
		c.deliver(out, seq, e)
		c.consume(out)
		c.askOn(out)
	default:
		c.hold(seq, held[P]{lost: true})
	}
}

// Heartbeat takes the number of the producer's newest event.
func (c *Consumer[P]) Heartbeat(seq uint64) {
	if c.next > 0 && seq > 0 && seq < math.MaxUint64 {
		c.last = max(c.last, seq+1)
	}
}

// Tick lets time pass: acks in regular intervals, nacks for what is missing.
func (c *Consumer[P]) Tick(out *Output[P]) {
	c.ticks++
	if c.next == 0 {
		if c.idleTicks++; c.idleTicks >= c.opt.NackTimeout {
			c.idleTicks = 0
			out.Messages = append(out.Messages, Message{Kind: Nack, Seqs: []uint64{0}})
		}
		return
	}
	progress := c.next > c.tickNext
	c.tickNext = c.next
	if progress {
		c.idleTicks = 0
	} else if c.idleTicks < math.MaxUint16 {
		c.idleTicks++
	}
	if !progress && c.next < c.last && c.idleTicks >= c.opt.NackTimeout {
		c.idleTicks = 0
		c.nack(out)
	} else if c.ticks%uint64(c.opt.Heartbeat) == 0 {
		c.ack(out)
	}
}

func (c *Consumer[P]) ack(out *Output[P]) {
	out.Messages = append(out.Messages, Message{Kind: Ack, Seq: c.next - 1})
}

// nack asks for the first numbers that are missing.
func (c *Consumer[P]) nack(out *Output[P]) {
	var missing []uint64
	for seq := c.next; seq < c.last && len(missing) < MaxNack; seq++ {
		if _, ok := c.buf[seq]; !ok {
			missing = append(missing, seq)
		}
	}
	c.asked = 0
	if len(missing) == MaxNack {
		c.asked = missing[MaxNack-1]
	}
	if len(missing) > 0 {
		out.Messages = append(out.Messages, Message{Kind: Nack, Seqs: missing})
	}
}

// askOn asks for more as soon as everything has come that a full nack asked for.
func (c *Consumer[P]) askOn(out *Output[P]) {
	if c.asked > 0 && c.next > c.asked {
		c.idleTicks = 0
		c.nack(out)
	}
}

// hold keeps an event until its turn comes, within the bounds. A payload replaces the news that it is lost.
func (c *Consumer[P]) hold(seq uint64, e held[P]) {
	if had, ok := c.buf[seq]; ok && (!had.lost || e.lost) {
		return
	}
	tooFar := c.next > 0 && seq-c.next >= c.opt.Window || uint64(len(c.buf)) >= c.opt.Window
	if tooFar || c.bufBytes+e.size > c.opt.MaxBytes {
		c.last = max(c.last, seq+1) // not kept, so it has to be asked for as well
		return
	}
	c.last = max(c.last, seq)
	c.buf[seq] = e
	c.bufBytes += e.size
}

func (c *Consumer[P]) deliver(out *Output[P], seq uint64, e held[P]) {
	c.remove(seq, c.buf[seq])
	out.Deliveries = append(out.Deliveries, Delivery[P]{Seq: seq, Payload: e.payload, Lost: e.lost})
	c.next = seq + 1
	c.last = max(c.last, c.next)
}

// consume delivers what is next in line.
func (c *Consumer[P]) consume(out *Output[P]) {
	for {
		e, ok := c.buf[c.next]
		if !ok {
			return
		}
		c.deliver(out, c.next, e)
	}
}

func (c *Consumer[P]) remove(seq uint64, e held[P]) {
	if _, ok := c.buf[seq]; ok {
		delete(c.buf, seq)
		c.bufBytes -= e.size
	}
}
