// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"iter"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ProducerOptions configure a Producer. Zero fields mean the defaults.
type ProducerOptions struct {
	// Heartbeat is the number of ticks between heartbeats.
	Heartbeat uint16
	// Timeout is after how many ticks without a word a consumer is dropped.
	Timeout uint64
	// AddressEach makes heartbeats go to each consumer as well as to all.
	AddressEach bool
	// RepeatHandshake makes each heartbeat repeat the handshake to consumers that have not answered it.
	RepeatHandshake bool
	// MaxBytes bounds the events that are kept for consumers; 0: not at all, the owner looks after it.
	MaxBytes int
	// MaxPaths bounds the consumers; 0: not at all.
	MaxPaths int
	// Start is the number used last; 0 means 1, which is where a new channel begins.
	Start uint64
	// Retain is how many bytes of events are kept although all consumers have them, so that one that comes back can go on where it was.
	// They go a while after the last consumer did.
	Retain int
}

// retainTicks is how long events are retained without any consumer.
const retainTicks = 3000

// DropReason says why a producer gave a consumer up.
type DropReason uint8

// The reasons.
const (
	// TimedOut: not a word for too long.
	TimedOut DropReason = iota
	// Misbehaved: it sent what makes no sense.
	Misbehaved
	// FellBehind: keeping what it lacks would take more than MaxBytes.
	FellBehind
)

// String is the reason in a word or two.
func (r DropReason) String() string {
	return [...]string{"timed out", "misbehaved", "fell behind"}[r]
}

// Drop is a consumer that the producer gave up.
type Drop struct {
	Consumer data.EntityID
	Reason   DropReason
	// Missing is how many events it has not acknowledged.
	Missing uint64
}

// Producer numbers events, sends them to all its consumers, and keeps them until all have acknowledged them.
type Producer struct {
	opt           ProducerOptions
	seq, tick     uint64
	lastBroadcast uint64
	// buf[i] is event number first+i; what precedes first is gone. It ends with number seq, or is empty. The first done events, of
	// doneBytes, are acknowledged by all and merely retained.
	buf             [][]byte
	first           uint64
	bufBytes        int
	done, doneBytes int
	deserted        uint64
	paths           []path
	drops           []Drop
}

// path is a consumer. acked is 0 until its first ack.
type path struct {
	id            data.EntityID
	offset, acked uint64
	lastSeen      uint64
}

// NewProducer is a producer without consumers. Its next event is number 2, or the one after Start.
func NewProducer(opt ProducerOptions) *Producer {
	if opt.Heartbeat == 0 {
		opt.Heartbeat = DefaultHeartbeat
	}
	if opt.Timeout == 0 {
		opt.Timeout = DefaultTimeout
	}
	start := max(opt.Start, 1)
	return &Producer{opt: opt, seq: start, tick: 1, lastBroadcast: 1, first: start + 1}
}

// Seq is the number of the newest event, Next that of the one that Produce sends next.
func (p *Producer) Seq() uint64 { return p.seq }

// Next is the number of the event that Produce sends next.
func (p *Producer) Next() uint64 { return p.seq + 1 }

// Len is the number of consumers.
func (p *Producer) Len() int { return len(p.paths) }

// Established is the number of consumers that have answered their handshake.
func (p *Producer) Established() int {
	n := 0
	for i := range p.paths {
		if p.paths[i].acked > 0 {
			n++
		}
	}
	return n
}

// Consumers are all consumers, whether they have answered their handshake or not.
func (p *Producer) Consumers() iter.Seq[data.EntityID] {
	return func(yield func(data.EntityID) bool) {
		for i := range p.paths {
			if !yield(p.paths[i].id) {
				return
			}
		}
	}
}

// Unacknowledged is how many events are kept, and their bytes.
func (p *Producer) Unacknowledged() (events, bytes int) {
	return len(p.buf) - p.done, p.bufBytes - p.doneBytes
}

// Kept is how many bytes of events are kept, acknowledged or not.
func (p *Producer) Kept() int { return p.bufBytes }

// Keeps tells whether Produce has a use for payloads: there are consumers, or were a short time ago.
func (p *Producer) Keeps() bool { return len(p.paths) > 0 || p.deserted > 0 }

// Idle tells whether every consumer has acknowledged the newest event.
func (p *Producer) Idle() bool {
	for i := range p.paths {
		if p.paths[i].acked != p.seq {
			return false
		}
	}
	return true
}

// Drops are the consumers given up since the last call.
func (p *Producer) Drops() []Drop {
	drops := p.drops
	p.drops = nil
	return drops
}

// Has tells whether the consumer is known, and whether it has answered its handshake.
func (p *Producer) Has(consumer data.EntityID) (known, established bool) {
	i := p.index(consumer)
	return i >= 0, i >= 0 && p.paths[i].acked > 0
}

// Produce gives the payload the next number and sends it to all consumers. Without consumers the number is used up all the same, so that
// a consumer that was given up and is still there learns from the next heartbeat that it missed something. The producer keeps the
// payload; it must not be changed. It may be nil if Keeps says that nobody needs it.
func (p *Producer) Produce(out *[]Message, payload []byte) {
	p.seq++
	if !p.Keeps() {
		p.first = p.seq + 1
		return
	}
	p.buf = append(p.buf, payload)
	p.bufBytes += len(payload)
	if len(p.paths) == 0 {
		p.prune()
		return
	}
	p.lastBroadcast = p.tick
	*out = append(*out, Message{Kind: Event, Seq: p.seq, Payload: payload})
	p.limit()
}

// Attach adds a consumer that will see what comes after the newest event, and sends it the handshake. It answers false if the
// consumer is known already or there are too many.
func (p *Producer) Attach(out *[]Message, consumer data.EntityID) bool {
	if !p.AttachAt(consumer, p.seq) {
		return false
	}
	*out = append(*out, Message{Kind: Handshake, To: consumer, Seq: p.seq})
	return true
}

// AttachAt adds a consumer that has everything up to n, and leaves the handshake to the owner. It answers false if what comes after n
// is not there, the consumer is known already, or there are too many.
func (p *Producer) AttachAt(consumer data.EntityID, n uint64) bool {
	if !p.Reaches(n) || p.index(consumer) >= 0 || p.opt.MaxPaths > 0 && len(p.paths) >= p.opt.MaxPaths {
		return false
	}
	if !p.Keeps() {
		p.first = p.seq + 1
	}
	p.deserted = 0
	p.paths = append(p.paths, path{id: consumer, offset: n, lastSeen: p.tick})
	p.prune()
	return true
}

// Reaches tells whether all events after n can still be sent.
func (p *Producer) Reaches(n uint64) bool {
	return n == p.seq || n < p.seq && n >= p.first-1 && len(p.buf) > 0
}

// Detach forgets a consumer, of which Drops says nothing.
func (p *Producer) Detach(consumer data.EntityID) {
	if i := p.index(consumer); i >= 0 {
		p.drop(i, Misbehaved)
		p.drops = p.drops[:len(p.drops)-1]
		p.prune()
	}
}

// Restore gives a producer without consumers the newest events of an earlier life, for consumers that come back.
func (p *Producer) Restore(payloads [][]byte) {
	if len(p.paths) > 0 || len(p.buf) > 0 || p.opt.Retain == 0 || uint64(len(payloads)) >= p.seq {
		return
	}
	p.buf, p.first, p.deserted = payloads, p.seq-uint64(len(payloads))+1, p.tick
	for _, payload := range payloads {
		p.bufBytes += len(payload)
	}
	p.prune()
}

// Seen takes note that a consumer lives.
func (p *Producer) Seen(consumer data.EntityID) {
	if i := p.index(consumer); i >= 0 {
		p.paths[i].lastSeen = p.tick
	}
}

// Shed gives up events that are merely retained, and then the consumers that are furthest behind, until so many bytes are gone. It
// answers whether anything was given up.
func (p *Producer) Shed(bytes int) bool {
	before := p.bufBytes
	p.release(max(0, p.doneBytes-bytes))
	for p.bufBytes > 0 && before-p.bufBytes < bytes && len(p.paths) > 0 {
		p.dropSlowest()
		p.release(0)
	}
	return p.bufBytes < before
}

// Ack takes note that a consumer has everything up to n. It answers true for the consumer's first ack.
func (p *Producer) Ack(consumer data.EntityID, n uint64) (established bool) {
	i := p.index(consumer)
	n = min(n, p.seq)
	if i < 0 || p.paths[i].acked > n {
		return false
	}
	to := &p.paths[i]
	to.lastSeen = p.tick
	if to.acked == n {
		return false
	}
	established = to.acked == 0
	to.acked = n
	p.prune()
	return established
}

// Nack sends again what a consumer asks for. An unknown consumer that asks for 0 is attached.
func (p *Producer) Nack(out *[]Message, consumer data.EntityID, seqs []uint64) {
	i := p.index(consumer)
	switch {
	case len(seqs) == 0:
		return
	case i < 0:
		if len(seqs) == 1 && seqs[0] == 0 {
			p.Attach(out, consumer)
		}
		return
	case !slices.IsSorted(seqs):
		p.drop(i, Misbehaved)
		p.prune()
		return
	}
	to := &p.paths[i]
	to.lastSeen = p.tick
	if seqs[0] == 0 {
		p.handshakeAgain(out, to)
		return
	}
	p.Ack(consumer, seqs[0]-1)
	for _, seq := range seqs[:min(len(seqs), MaxNack)] {
		if payload, ok := p.event(seq); ok {
			*out = append(*out, Message{Kind: Event, To: consumer, Seq: seq, Payload: payload})
		} else {
			*out = append(*out, Message{Kind: RetransmitFailed, To: consumer, Seq: seq})
		}
	}
}

// handshakeAgain answers a consumer that asks for the handshake a second time. As long as it has acknowledged nothing beyond its
// offset the offset stays: all later events are still kept. Otherwise it begins anew at the newest event.
func (p *Producer) handshakeAgain(out *[]Message, to *path) {
	if to.acked > to.offset {
		to.offset, to.acked = p.seq, p.seq
		p.prune()
	}
	*out = append(*out, Message{Kind: Handshake, To: to.id, Seq: to.offset})
}

// Tick lets time pass: heartbeats, and an end to consumers that have been silent for too long.
func (p *Producer) Tick(out *[]Message) {
	p.tick++
	if p.lastBroadcast+uint64(p.opt.Heartbeat) == p.tick {
		p.lastBroadcast = p.tick
		p.heartbeat(out)
	}
	before := len(p.paths)
	for i := len(p.paths) - 1; i >= 0; i-- {
		if p.tick-p.paths[i].lastSeen >= p.opt.Timeout {
			p.drop(i, TimedOut)
		}
	}
	if len(p.paths) < before || p.deserted > 0 && p.tick-p.deserted >= retainTicks {
		p.prune()
	}
}

func (p *Producer) heartbeat(out *[]Message) {
	if p.opt.RepeatHandshake {
		for i := range p.paths {
			if p.paths[i].acked == 0 {
				*out = append(*out, Message{Kind: Handshake, To: p.paths[i].id, Seq: p.paths[i].offset})
			}
		}
	}
	*out = append(*out, Message{Kind: Heartbeat, Seq: p.seq})
	if p.opt.AddressEach {
		for i := range p.paths {
			*out = append(*out, Message{Kind: Heartbeat, To: p.paths[i].id, Seq: p.seq})
		}
	}
}

func (p *Producer) index(consumer data.EntityID) int {
	return slices.IndexFunc(p.paths, func(to path) bool { return to.id == consumer })
}

// event is an event that somebody lacks.
func (p *Producer) event(seq uint64) ([]byte, bool) {
	if seq < p.first+uint64(p.done) || seq-p.first >= uint64(len(p.buf)) {
		return nil, false
	}
	return p.buf[seq-p.first], true
}

func (p *Producer) drop(i int, reason DropReason) {
	to := &p.paths[i]
	p.drops = append(p.drops, Drop{Consumer: to.id, Reason: reason, Missing: p.seq - max(to.acked, to.offset)})
	p.paths = slices.Delete(p.paths, i, i+1)
	if len(p.paths) == 0 && p.opt.Retain > 0 {
		p.deserted = p.tick
	}
}

// limit drops the consumers that are furthest behind until what is kept for the others fits.
func (p *Producer) limit() {
	if p.opt.MaxBytes <= 0 || p.bufBytes <= p.opt.MaxBytes {
		return
	}
	p.release(max(0, p.doneBytes-(p.bufBytes-p.opt.MaxBytes)))
	for p.bufBytes > p.opt.MaxBytes && len(p.paths) > 0 {
		p.dropSlowest()
		p.release(0)
	}
}

func (p *Producer) dropSlowest() {
	slowest := 0
	for i := range p.paths {
		if p.paths[i].has() < p.paths[slowest].has() {
			slowest = i
		}
	}
	p.drop(slowest, FellBehind)
	p.prune()
}

// prune takes note of what every consumer has, and forgets what is not to be retained of it.
func (p *Producer) prune() {
	have := p.seq
	for i := range p.paths {
		have = min(have, p.paths[i].has())
	}
	p.done, p.doneBytes = min(p.done, len(p.buf)), min(p.doneBytes, p.bufBytes)
	for p.done > 0 && p.first+uint64(p.done)-1 > have { // a consumer began further back
		p.done--
		p.doneBytes -= len(p.buf[p.done])
	}
	for p.done < len(p.buf) && p.first+uint64(p.done) <= have {
		p.doneBytes += len(p.buf[p.done])
		p.done++
	}
	retain := p.opt.Retain
	if len(p.paths) == 0 && (p.deserted == 0 || p.tick-p.deserted >= retainTicks) {
		retain, p.deserted = 0, 0
	}
	p.release(retain)
}

// release forgets the oldest of the events that everybody has until at most so many bytes of them are left.
func (p *Producer) release(retain int) {
	n := 0
	for ; n < p.done && (p.doneBytes > retain || retain == 0); n++ {
		p.doneBytes -= len(p.buf[n])
		p.bufBytes -= len(p.buf[n])
		p.buf[n] = nil
	}
	p.first += uint64(n)
	p.done -= n
	p.buf = p.buf[n:]
	if len(p.buf) == 0 {
		p.buf = nil
	}
}

// has is the number up to which the consumer has everything, as far as is known.
func (to *path) has() uint64 { return max(to.acked, to.offset) }
