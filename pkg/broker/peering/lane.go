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
}

type splice struct {
	at      int // offset in buf before which the payload stands
	size    int // what it adds to the frame
	payload []byte
	value   data.Value // if payload is nil
}

var chunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, chunkSize)} }}

func (c *chunk) free() {
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
		b.bufs = append(b.bufs, c.buf[from:s.at])
		if s.payload != nil {
			b.bufs = append(b.bufs, s.payload)
		} else {
			b.values = append(b.values, splice{at: len(b.bufs), value: s.value})
		}
		from = s.at
	}
	if from < len(c.buf) {
		b.bufs = append(b.bufs, c.buf[from:])
	}
}

// dropFirst removes the oldest frame and answers its size.
func (c *chunk) dropFirst() int {
	size := 4 + int(binary.BigEndian.Uint32(c.buf[c.off:]))
	inline := size
	// A splice before the end that the frame would have without one is the frame's own: the next frame's comes after its header.
	if len(c.splices) > 0 && c.splices[0].at < c.off+size {
		inline -= c.splices[0].size
		c.splices = c.splices[1:]
	}
	c.off += inline
	c.msgs--
	return size
}

// lane is one first-in-first-out part of a queue. It belongs to the queue's lock.
type lane struct {
	chunks      []*chunk
	msgs, bytes int
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

func (l *lane) dropFirst() {
	c := l.chunks[0]
	l.bytes -= c.dropFirst()
	l.msgs--
	l.out++
	if c.msgs == 0 {
		c.free()
		l.chunks[0] = nil
		l.chunks = l.chunks[1:]
	}
}

// take moves whole chunks of about so many bytes to the batch, and none that begins behind the first until frames.
func (l *lane) take(b *batch, limit int, until uint64) {
	n := 0
	for taken := 0; n < len(l.chunks) && taken < limit && l.out < until; n++ {
		c := l.chunks[n]
		taken += len(c.buf) - c.off
		for _, s := range c.splices {
			taken += s.size
		}
		c.moveTo(b)
		l.msgs -= c.msgs
		l.out += uint64(c.msgs)
		b.msgs += c.msgs
	}
	b.chunks = append(b.chunks, l.chunks[:n]...)
	if n == len(l.chunks) {
		clear(l.chunks)
		l.chunks, l.bytes = l.chunks[:0], 0
		return
	}
	l.chunks = l.chunks[n:]
	l.bytes = l.count()
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

func (l *lane) clear() {
	for _, c := range l.chunks {
		c.free()
	}
	l.out += uint64(l.msgs)
	*l = lane{in: l.in, out: l.out}
}

// batch is what the writer has in its hands.
type batch struct {
	bufs   net.Buffers
	chunks []*chunk
	msgs   int
	// values stand behind the buffers before at. Only queues of the own process have them.
	values []splice
}

func (b *batch) reset() {
	for i, c := range b.chunks {
		c.free()
		b.chunks[i] = nil
	}
	clear(b.bufs)
	clear(b.values)
	b.bufs, b.chunks, b.values, b.msgs = b.bufs[:0], b.chunks[:0], b.values[:0], 0
}
