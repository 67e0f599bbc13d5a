// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"net"
	"slices"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

const (
	// chunkSize is the unit of a queue's memory. A lane that is empty holds none.
	chunkSize = 32 << 10
	// ShareAbove is the payload size from which queues share the bytes instead of copying them.
	ShareAbove = 4 << 10
)

// chunk holds whole frames back to back. A shared payload isn't in buf, nor is a value that stays one: a splice says where it belongs.
type chunk struct {
	buf     []byte
	off     int // of the first frame that is still queued
	msgs    int
	splices []splice
	account *Account
	held    int // buf and what the splices add
	counted int // of held, by the account
}

type splice struct {
	at      int // offset in buf before which the payload stands
	size    int // what it adds to the frame
	payload []byte
	value   data.Value // if payload is nil
}

var chunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, chunkSize)} }}

// splice adds what stands behind the chunk's bytes of now.
func (c *chunk) splice(s splice) {
	s.at = len(c.buf)
	c.splices = append(c.splices, s)
	c.hold(s.size)
}

// hold notes that the chunk keeps so many bytes more, or less.
func (c *chunk) hold(n int) {
	c.held += n
	c.counted = c.account.Set(c.counted, c.held)
}

func (c *chunk) free() {
	c.hold(-c.held)
	c.account = nil
	if cap(c.buf) != chunkSize {
		return
	}
	clear(c.splices)
	c.buf, c.off, c.msgs, c.splices = c.buf[:0], 0, 0, c.splices[:0]
	chunks.Put(c)
}

// moveTo adds the queued bytes of the chunk to a vectored write.
func (c *chunk) moveTo(b *batch) {
	from := c.off
	for i := range c.splices {
		s := &c.splices[i]
		b.add(c.buf[from:s.at])
		if s.payload != nil {
			b.add(s.payload)
		} else {
			b.values = append(b.values, splice{at: len(b.bufs), value: s.value})
			b.size += s.size
		}
		from = s.at
	}
	if from < len(c.buf) {
		b.add(c.buf[from:])
	}
}

// dropFirst removes the oldest frame and answers its size.
func (c *chunk) dropFirst() int {
	size := 4 + int(binary.BigEndian.Uint32(c.buf[c.off:]))
	inline := size
	// A splice before the end that the frame would have without one is the frame's own: the next frame's comes after its header.
	if len(c.splices) > 0 && c.splices[0].at < c.off+size {
		inline -= c.splices[0].size
		c.hold(-c.splices[0].size)
		c.splices[0] = splice{}
		c.splices = c.splices[1:]
	}
	c.off += inline
	c.msgs--
	return size
}

// frames yields what the queued frames have in the chunk's own bytes, which is everything up to a shared payload, and their sizes.
func (c *chunk) frames(yield func(inline []byte, size int) bool) {
	at, splices := c.off, c.splices
	for range c.msgs {
		size := 4 + int(binary.BigEndian.Uint32(c.buf[at:]))
		inline := size
		if len(splices) > 0 && splices[0].at < at+size {
			inline -= splices[0].size
			splices = splices[1:]
		}
		if !yield(c.buf[at:at+inline], size) {
			return
		}
		at += inline
	}
}

// lane is one first-in-first-out part of a queue. It belongs to the queue's lock.
type lane struct {
	chunks      []*chunk
	msgs, bytes int
	book        ledger
	account     *Account
	// in counts the frames that were ever appended, out those that were taken by the writer or dropped.
	in, out uint64
}

// space is the chunk to append n bytes to.
func (l *lane) space(n int) *chunk {
	if k := len(l.chunks); k > 0 {
		if c := l.chunks[k-1]; cap(c.buf)-len(c.buf) >= n {
			return c
		}
	}
	c := &chunk{}
	if n <= chunkSize {
		c = chunks.Get().(*chunk)
	} else {
		c.buf = make([]byte, 0, n)
	}
	c.account = l.account
	c.hold(cap(c.buf))
	l.chunks = append(l.chunks, c)
	return c
}

// cut makes what is appended from now on begin a new chunk.
func (l *lane) cut() {
	if k := len(l.chunks); k > 0 {
		l.chunks[k-1].buf = slices.Clip(l.chunks[k-1].buf)
	}
}

func (l *lane) added(c *chunk, size int) {
	c.msgs++
	l.msgs++
	l.bytes += size
	l.in++
}

// dropFirst discards the oldest frame and counts it.
func (l *lane) dropFirst(d *TopicDrops) {
	c := l.chunks[0]
	d.drop(c.buf[c.off+4:])
	size := c.dropFirst()
	l.book.dropped.add(1, size)
	l.bytes -= size
	l.msgs--
	l.out++
	if c.msgs == 0 {
		c.free()
		l.chunks[0] = nil
		l.chunks = l.chunks[1:]
	}
}

// take moves whole chunks of about so many bytes to the batch, and none that begins behind the first until frames.
func (l *lane) take(b *batch, from Lane, limit int, until uint64) {
	n, had := 0, l.bytes
	for begin := b.size; n < len(l.chunks) && b.size-begin < limit && l.out < until; n++ {
		c := l.chunks[n]
		b.taken = append(b.taken, taken{c, from, b.size})
		c.moveTo(b)
		l.msgs -= c.msgs
		l.out += uint64(c.msgs)
		l.book.writing.Messages += uint64(c.msgs)
	}
	if n == len(l.chunks) {
		clear(l.chunks)
		l.chunks, l.bytes = l.chunks[:0], 0
	} else {
		l.chunks = l.chunks[n:]
		l.bytes = l.count()
	}
	l.book.writing.Bytes += uint64(had - l.bytes)
}

func (l *lane) count() (bytes int) {
	for _, c := range l.chunks {
		bytes += len(c.buf) - c.off
		for _, s := range c.splices {
			bytes += s.size
		}
	}
	return bytes
}

// discard takes everything out and counts it as dropped.
func (l *lane) discard() []*chunk {
	out := l.chunks
	l.book.dropped.add(l.msgs, l.bytes)
	l.out += uint64(l.msgs)
	*l = lane{in: l.in, out: l.out, book: l.book, account: l.account}
	return out
}

// batch is what the writer has in its hands.
type batch struct {
	bufs  net.Buffers
	size  int // of bufs, and of values if they were encoded
	taken []taken
	// values stand behind the buffers before at. Only queues of the own process have them.
	values []splice
}

// taken is a chunk of a batch, with the lane that it comes from and how many bytes of the batch come before it.
type taken struct {
	c    *chunk
	from Lane
	at   int
}

func (b *batch) add(buf []byte) {
	b.bufs = append(b.bufs, buf)
	b.size += len(buf)
}

func (b *batch) reset() {
	for _, t := range b.taken {
		t.c.free()
	}
	clear(b.taken)
	clear(b.bufs)
	clear(b.values)
	b.bufs, b.size, b.taken, b.values = b.bufs[:0], 0, b.taken[:0], b.values[:0]
}
