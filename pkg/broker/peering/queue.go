// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Policy says what happens when a queue is full and one more message arrives.
type Policy uint8

// The policies.
const (
	// Disconnect ends the connection; what was queued is lost.
	Disconnect Policy = iota
	// DropNewest discards the new message.
	DropNewest
	// DropOldest discards the oldest queued messages and takes the new one.
	DropOldest
)

// Limit bounds the data lane of a queue. The store commands' lane is bounded by the same number of bytes.
type Limit struct {
	Messages, Bytes int
	Overflow        Policy
}

// maxControl is how many control frames may wait before the peer counts as dead.
const maxControl = 1024

// takeBytes is about how much of each lane goes into one write.
const takeBytes = 256 << 10

// Lane selects where a frame waits.
type Lane uint8

// The lanes. Control frames (pings, pongs) go first and are never dropped.
const (
	LaneData Lane = iota
	LaneCommand
	laneControl

	lanes = 2 // that are counted
)

// Result is what became of a frame.
type Result uint8

// The results.
const (
	// Queued: the frame will be written unless the connection ends.
	Queued Result = iota
	// Dropped: a frame, this one or an older one, was discarded.
	Dropped
	// Overflowed: the limit is reached and the connection must be ended.
	Overflowed
	// Full: the limit is reached and the caller asked to wait; see Room.
	Full
	// Closed: the queue takes no more.
	Closed
)

// Queue holds the frames that wait for one peer's writer. Producers only append bytes under a short lock; they never wait for the
// network. The writer takes whole chunks, so that one write carries many frames.
type Queue struct {
	limit   Limit         // guarded by mu
	local   bool          // towards an endpoint of this process: values stay values
	wakeup  chan struct{} // one slot: the writer has something to do
	memory  *Memory       // may be nil
	account *Account      // of the queue in it

	mu struct {
		sync.Mutex
		control, command, data lane
		update                 []byte // newest routing_update, as a frame
		links                  links
		last                   []deferred
		sleeping               bool // the writer waits for wakeup
		writing                bool
		sealed, closed         bool
		dead                   []*chunk // discarded by an overflow, with topics that are still to be counted
		topics                 TopicDrops
		room                   chan struct{}
		flushes                []flush
	}
}

// deferred is a frame that goes out when everything queued before it has been taken.
type deferred struct {
	data, command uint64
	frame         []byte
}

// flush is somebody who waits until everything queued before has been written.
type flush struct {
	control, data, command uint64
	done                   chan struct{}
}

// NewQueue makes an empty queue.
func NewQueue(limit Limit) *Queue { return &Queue{limit: limit, wakeup: make(chan struct{}, 1)} }

// Limit is what bounds the queue now.
func (q *Queue) Limit() Limit {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.limit
}

// SetLimit bounds the queue anew. What waits beyond the new limit stays until another frame comes, and then the new limit says what happens.
func (q *Queue) SetLimit(limit Limit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = limit
	q.roomLocked()
}

// Append queues a complete frame, length included. The bytes are copied. A full queue does what its limit says.
func (q *Queue) Append(to Lane, frame []byte) Result {
	q.memory.Check()
	q.mu.Lock()
	l, r := q.admitLocked(to, frame[4:], len(frame), ByPolicy)
	if l != nil {
		c := l.space(len(frame))
		c.buf = append(c.buf, frame...)
		l.added(c, len(frame))
	}
	q.unlockAndWake(l != nil)
	return r
}

// AppendShared queues a frame of which the payload is kept as it is: nobody may change it any more. head is the frame up to the
// payload, the length included. A full queue does what its limit says.
func (q *Queue) AppendShared(to Lane, head, payload []byte) Result {
	q.memory.Check()
	q.mu.Lock()
	size := len(head) + len(payload)
	l, r := q.admitLocked(to, head[4:], size, ByPolicy)
	if l != nil {
		c := l.space(len(head))
		c.buf = append(c.buf, head...)
		c.splice(splice{size: len(payload), payload: payload})
		l.added(c, size)
	}
	q.unlockAndWake(l != nil)
	return r
}

// Frame is a frame in parts, as Put takes it.
type Frame struct {
	// Head is everything before the payload, without the length. Stamp stands between it and the payload, if there is one.
	Head, Stamp []byte
	// Counter, if not nil, is what the frame takes its Number from when it is queued, so that the numbers of one counter rise in every
	// queue. It is written over the eight bytes of the head at NumberAt.
	Counter  *atomic.Uint64
	NumberAt int
	Number   uint64
	// Payload are the bytes of the payload. They are copied, or kept if Shared: then nobody may change them any more.
	Payload []byte
	Shared  bool
	// Value is the payload if Payload is nil, and towards an endpoint of this process in any case. Encoded is its encoded size, zero
	// if there is none.
	Value   data.Value
	Encoded int
}

// Size is the number of bytes of the frame, length included.
func (f *Frame) Size() int { return 4 + len(f.Head) + len(f.Stamp) + max(len(f.Payload), f.Encoded) }

// Admission tells what Put does with a frame that doesn't fit.
type Admission uint8

// The admissions.
const (
	// ByPolicy does what the queue's limit says.
	ByPolicy Admission = iota
	// OrFull answers Full, and nothing happens.
	OrFull
	// OrDrop drops the frame and no other, whatever the policy.
	OrDrop
	// Always takes the frame all the same: its sender has waited for room and can't wait now.
	Always
)

// Put queues a frame.
func (q *Queue) Put(to Lane, f *Frame, how Admission) Result {
	if how != OrFull {
		q.memory.Check()
	}
	q.mu.Lock()
	if f.Counter != nil {
		f.Number = f.Counter.Add(1)
	}
	news, r := q.putLocked(to, f, how)
	q.unlockAndWake(news)
	return r
}

// PutAll queues a frame in n queues, under one number if it has a Counter. Two calls must name the queues that both use in the same
// order. What became of the frame in the i-th queue is told to result.
func PutAll(n int, queue func(i int) *Queue, to Lane, f *Frame, how Admission, result func(i int, r Result)) {
	if n > 0 && how != OrFull {
		queue(0).memory.Check()
	}
	for i := range n {
		queue(i).mu.Lock()
	}
	if f.Counter != nil {
		f.Number = f.Counter.Add(1)
	}
	for i := range n {
		q := queue(i)
		news, r := q.putLocked(to, f, how)
		q.unlockAndWake(news)
		result(i, r)
	}
}

func (q *Queue) putLocked(to Lane, f *Frame, how Admission) (news bool, r Result) {
	size := f.Size()
	l := &q.mu.data
	if how != Always || to == LaneCommand || q.mu.sealed {
		if l, r = q.admitLocked(to, f.Head, size, how); l == nil {
			return false, r
		}
	}
	inline := size
	asValue := q.local && f.Encoded > 0
	if asValue || f.Shared {
		inline -= max(len(f.Payload), f.Encoded)
	}
	c := l.space(inline)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(size-4))
	at := len(c.buf)
	c.buf = append(append(c.buf, f.Head...), f.Stamp...)
	if f.Counter != nil {
		binary.BigEndian.PutUint64(c.buf[at+f.NumberAt:], f.Number)
	}
	switch {
	case asValue:
		c.splice(splice{size: f.Encoded, value: f.Value})
	case f.Shared:
		c.splice(splice{size: len(f.Payload), payload: f.Payload})
	case f.Payload != nil:
		c.buf = append(c.buf, f.Payload...)
	default:
		c.buf = f.Value.AppendBinary(c.buf)
	}
	l.added(c, size)
	return true, r
}

// admitLocked applies the limits to a frame, of which head is the beginning without the length; the lane is nil if it is not to be queued.
func (q *Queue) admitLocked(to Lane, head []byte, size int, how Admission) (*lane, Result) {
	if q.mu.sealed {
		return nil, Closed
	}
	if to == LaneCommand {
		if l := &q.mu.command; l.msgs == 0 || l.bytes+size <= q.limit.Bytes {
			return l, Queued
		}
		return nil, q.refuseLocked(&q.mu.command, head, size)
	}
	l := &q.mu.data
	if !q.fullLocked(size) && (how != OrFull || !q.tightLocked()) {
		return l, Queued
	}
	switch {
	case how == OrFull:
		return nil, Full
	case how == OrDrop || q.limit.Overflow == DropNewest:
		return nil, q.refuseLocked(l, head, size)
	case q.limit.Overflow == DropOldest:
		for q.fullLocked(size) {
			l.dropFirst(&q.mu.topics)
		}
		return l, Dropped
	}
	q.refuseLocked(l, head, size)
	q.overflowLocked()
	return nil, Overflowed
}

// refuseLocked drops a frame that comes.
func (q *Queue) refuseLocked(l *lane, head []byte, size int) Result {
	l.refuse(size)
	q.mu.topics.drop(head)
	return Dropped
}

// overflowLocked discards the data, and lets nothing else in, because the connection must be ended.
func (q *Queue) overflowLocked() {
	q.mu.sealed = true
	q.mu.dead = append(q.mu.dead, q.mu.data.discard()...)
	q.roomLocked()
}

// fullLocked tells whether a frame of so many bytes is too much. An empty lane takes any frame.
func (q *Queue) fullLocked(size int) bool {
	l := &q.mu.data
	return l.msgs > 0 && (l.msgs >= q.limit.Messages || l.bytes+size > q.limit.Bytes)
}

// tightLocked tells whether a producer who can wait should wait for the sake of the endpoint's memory.
func (q *Queue) tightLocked() bool { return q.mu.data.msgs > 0 && q.memory.Tight() }

// Control queues a ping or pong. Overflowed means that the peer has not taken 1024 of them.
func (q *Queue) Control(frame []byte) Result {
	q.mu.Lock()
	defer q.unlockAndWake(true)
	l := &q.mu.control
	if q.mu.closed {
		return Closed
	}
	if l.msgs >= maxControl {
		return Overflowed
	}
	c := l.space(len(frame))
	c.buf = append(c.buf, frame...)
	l.added(c, len(frame))
	return Queued
}

// Update queues a routing_update. One that still waits is replaced: it would be outdated.
func (q *Queue) Update(frame []byte) {
	q.mu.Lock()
	defer q.unlockAndWake(true)
	if !q.mu.closed {
		q.mu.update = frame
	}
}

// Last queues a control frame behind everything that is queued now.
func (q *Queue) Last(frame []byte) Result {
	q.mu.Lock()
	defer q.unlockAndWake(true)
	if q.mu.closed {
		return Closed
	}
	if len(q.mu.last) >= maxControl {
		return Overflowed
	}
	q.mu.last = append(q.mu.last, deferred{q.mu.data.in, q.mu.command.in, frame})
	return Queued
}

// Seal refuses data and commands from now on; what is queued is still written.
func (q *Queue) Seal() {
	q.mu.Lock()
	defer q.unlockAndWake(false)
	q.mu.sealed = true
	q.roomLocked()
}

// Close throws away what is queued and ends the writer.
func (q *Queue) Close() {
	q.mourn(q.close())
}

func (q *Queue) close() (dead []*chunk) {
	q.mu.Lock()
	defer q.unlockAndWake(true)
	if q.mu.closed {
		return nil
	}
	q.mu.sealed, q.mu.closed = true, true
	dead = append(append(q.mu.dead, q.mu.data.discard()...), q.mu.command.discard()...)
	for _, c := range q.mu.control.discard() {
		c.free()
	}
	q.mu.dead, q.mu.update, q.mu.last, q.mu.links = nil, nil, nil, links{counted: q.account.Set(q.mu.links.counted, 0)}
	q.roomLocked()
	q.flushedLocked()
	return dead
}

// unlockAndWake ends a producer's critical section; with news a sleeping writer is woken.
func (q *Queue) unlockAndWake(news bool) {
	wake := news && q.mu.sleeping
	if wake {
		q.mu.sleeping = false
	}
	q.mu.Unlock()
	if wake {
		select {
		case q.wakeup <- struct{}{}:
		default:
		}
	}
}

// Room answers a channel that is closed when the data lane is half empty; nil if it has room for a frame of so many bytes now.
func (q *Queue) Room(size int) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.sealed || !q.fullLocked(size) && !q.tightLocked() {
		return nil
	}
	if q.mu.room == nil {
		q.mu.room = make(chan struct{})
	}
	return q.mu.room
}

func (q *Queue) roomLocked() {
	l := &q.mu.data
	if q.mu.room != nil && (q.mu.sealed || l.msgs <= q.limit.Messages/2 && l.bytes <= q.limit.Bytes/2) {
		close(q.mu.room)
		q.mu.room = nil
	}
}

// Flushed answers a channel that is closed when everything queued so far has been given to the socket or thrown away.
func (q *Queue) Flushed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	done := make(chan struct{})
	q.mu.flushes = append(q.mu.flushes, flush{q.mu.control.in, q.mu.data.in, q.mu.command.in, done})
	if !q.mu.writing || q.mu.closed {
		q.flushedLocked()
	}
	return done
}

func (q *Queue) flushedLocked() {
	kept := q.mu.flushes[:0]
	for _, f := range q.mu.flushes {
		if q.mu.control.out < f.control || q.mu.data.out < f.data || q.mu.command.out < f.command || q.mu.update != nil || len(q.mu.links.waiting) > 0 {
			kept = append(kept, f)
			continue
		}
		close(f.done)
	}
	q.mu.flushes = kept
}

// take waits for frames and moves them to the batch; false when the queue is closed. The batch before must have been written.
func (q *Queue) take(b *batch) bool {
	q.mu.Lock()
	q.mu.data.book.settle(Tally{})
	q.mu.command.book.settle(Tally{})
	if q.mu.writing {
		q.mu.writing = false
		q.roomLocked()
		q.flushedLocked()
	}
	b.reset()
	for !q.mu.closed && !q.fillLocked(b) {
		q.mu.sleeping = true
		q.mu.Unlock()
		<-q.wakeup
		q.mu.Lock()
		q.mu.sleeping = false
	}
	q.mu.writing = !q.mu.closed
	q.roomLocked()
	open := !q.mu.closed
	q.mu.Unlock()
	return open
}

func (q *Queue) fillLocked(b *batch) bool {
	if q.mu.update != nil {
		b.add(q.mu.update)
		q.mu.update = nil
	}
	q.readyLinksLocked(b)
	q.mu.control.take(b, laneControl, takeBytes, math.MaxUint64)
	data, command := q.mu.links.barrier()
	q.mu.command.take(b, LaneCommand, takeBytes, command)
	q.mu.data.take(b, LaneData, takeBytes, data)
	if q.local { // nothing is lost between the two ends
		q.mu.command.book.settle(Tally{})
		q.mu.data.book.settle(Tally{})
	}
	q.readyLinksLocked(b)
	for len(q.mu.last) > 0 && q.mu.data.out >= q.mu.last[0].data && q.mu.command.out >= q.mu.last[0].command {
		b.add(q.mu.last[0].frame)
		q.mu.last = q.mu.last[1:]
	}
	return len(b.bufs) > 0
}
