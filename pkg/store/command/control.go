// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// AttachWriter opens the channel of a clone's writes.
type AttachWriter struct {
	// Offset is the number before the first event, Interval the ticks between heartbeats.
	Offset   uint64
	Interval uint16
}

// Kind is KindAttachWriter.
func (*AttachWriter) Kind() Kind { return KindAttachWriter }

func (c *AttachWriter) size() int { return 8 + 2 }

func (c *AttachWriter) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(dst, c.Offset), c.Interval)
}

func (c *AttachWriter) parse(r *reader) {
	*c = AttachWriter{Offset: r.u64("offset"), Interval: r.u16("heartbeat interval")}
}

// Keepalive says that its sender lives and which number its channel has reached.
type Keepalive struct {
	Seq uint64
}

// Kind is KindKeepalive.
func (*Keepalive) Kind() Kind { return KindKeepalive }

func (c *Keepalive) size() int { return 8 }

func (c *Keepalive) append(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, c.Seq) }

func (c *Keepalive) parse(r *reader) { c.Seq = r.u64("number") }

// CumulativeAck says that everything up to a number has arrived.
type CumulativeAck struct {
	Seq uint64
}

// Kind is KindCumulativeAck.
func (*CumulativeAck) Kind() Kind { return KindCumulativeAck }

func (c *CumulativeAck) size() int { return 8 }

func (c *CumulativeAck) append(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, c.Seq) }

func (c *CumulativeAck) parse(r *reader) { c.Seq = r.u64("number") }

// RetransmitFailed says that an event that was asked for is gone.
type RetransmitFailed struct {
	Seq uint64
}

// Kind is KindRetransmitFailed.
func (*RetransmitFailed) Kind() Kind { return KindRetransmitFailed }

func (c *RetransmitFailed) size() int { return 8 }

func (c *RetransmitFailed) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(dst, c.Seq)
}

func (c *RetransmitFailed) parse(r *reader) { c.Seq = r.u64("number") }

// Nack asks for events again. The list {0} asks for a handshake.
type Nack struct {
	Seqs []uint64
}

// Kind is KindNack.
func (*Nack) Kind() Kind { return KindNack }

func (c *Nack) size() int { return varbyteSize(uint32(len(c.Seqs))) + 8*len(c.Seqs) }

func (c *Nack) append(dst []byte) []byte {
	dst = data.AppendVarbyte(dst, uint32(len(c.Seqs)))
	for _, seq := range c.Seqs {
		dst = binary.BigEndian.AppendUint64(dst, seq)
	}
	return dst
}

func (c *Nack) parse(r *reader) {
	n := r.count(8, "list of numbers")
	if r.err != nil || n == 0 {
		return
	}
	c.Seqs = make([]uint64, n)
	for i := range c.Seqs {
		c.Seqs[i] = r.u64("number")
	}
}

func varbyteSize(x uint32) int {
	n := 1
	for ; x >= 0x80; x >>= 7 {
		n++
	}
	return n
}
