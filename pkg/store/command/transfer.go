// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"
	"hash/crc32"
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// A snapshot in parts: SnapshotBegin is part 0, parts with entries follow, SnapshotEnd is the last one. The clone answers each with a
// SnapshotAck, and the master has a few parts under way at a time.

// SnapshotBegin opens the transfer. Fields: transfer u64, offset u64, interval u16, position, entries u64, bytes u64.
type SnapshotBegin struct {
	// Transfer tells transfers apart.
	Transfer uint64
	// Offset is the number before the first event behind the snapshot, Interval the ticks between heartbeats.
	Offset   uint64
	Interval uint16
	Position
	// Entries and Bytes are how much will come, about.
	Entries, Bytes uint64
}

// Kind is KindSnapshotBegin.
func (*SnapshotBegin) Kind() Kind { return KindSnapshotBegin }

func (c *SnapshotBegin) size() int { return 8 + 8 + 2 + positionSize + 8 + 8 }

func (c *SnapshotBegin) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Transfer), c.Offset)
	dst = c.Position.append(binary.BigEndian.AppendUint16(dst, c.Interval))
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Entries), c.Bytes)
}

func (c *SnapshotBegin) parse(r *reader) {
	*c = SnapshotBegin{
		Transfer: r.u64("transfer"), Offset: r.u64("offset"), Interval: r.u16("heartbeat interval"), Position: r.position(),
		Entries: r.u64("entries"), Bytes: r.u64("bytes"),
	}
}

// SnapshotPart has some of the entries. Fields: transfer u64, part u64, list of (key data, value data, time left opt timespan).
type SnapshotPart struct {
	Transfer, Part uint64
	Entries        Entries
}

// Kind is KindSnapshotPart.
func (*SnapshotPart) Kind() Kind { return KindSnapshotPart }

func (c *SnapshotPart) size() int { return 8 + 8 + varbyteSize(c.Entries.count) + len(c.Entries.bytes) }

func (c *SnapshotPart) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Transfer), c.Part)
	return append(data.AppendVarbyte(dst, c.Entries.count), c.Entries.bytes...)
}

func (c *SnapshotPart) parse(r *reader) {
	c.Transfer, c.Part = r.u64("transfer"), r.u64("part")
	n := r.count(3, "entries")
	start := r.at
	for range n {
		r.value("key")
		r.value("value")
		r.expiry()
		if r.err != nil {
			return
		}
	}
	c.Entries = Entries{count: uint32(n), bytes: r.b[start:r.at]}
}

// SnapshotEnd closes the transfer. Fields: transfer u64, part u64, entries u64, checksum u32.
type SnapshotEnd struct {
	Transfer, Part uint64
	// Entries is how many there were, Checksum what Entries.Sum makes of all parts in order.
	Entries  uint64
	Checksum uint32
}

// Kind is KindSnapshotEnd.
func (*SnapshotEnd) Kind() Kind { return KindSnapshotEnd }

func (c *SnapshotEnd) size() int { return 8 + 8 + 8 + 4 }

func (c *SnapshotEnd) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Transfer), c.Part)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, c.Entries), c.Checksum)
}

func (c *SnapshotEnd) parse(r *reader) {
	*c = SnapshotEnd{Transfer: r.u64("transfer"), Part: r.u64("part"), Entries: r.u64("entries"), Checksum: r.u32("checksum")}
}

// SnapshotAck says that the clone has all parts before Next. Fields: transfer u64, next u64.
type SnapshotAck struct{ Transfer, Next uint64 }

// Kind is KindSnapshotAck.
func (*SnapshotAck) Kind() Kind { return KindSnapshotAck }

func (c *SnapshotAck) size() int { return 8 + 8 }

func (c *SnapshotAck) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, c.Transfer), c.Next)
}

func (c *SnapshotAck) parse(r *reader) { *c = SnapshotAck{r.u64("transfer"), r.u64("next part")} }

// Entries are entries of a store in the form of the wire, with the time that each has left. The zero Entries is empty.
type Entries struct {
	count uint32
	bytes []byte
}

// Add appends an entry.
func (e *Entries) Add(key, value data.Value, left Expiry) {
	e.bytes = left.append(value.AppendBinary(key.AppendBinary(e.bytes)))
	e.count++
}

// Reset empties e and keeps its memory.
func (e *Entries) Reset() { *e = Entries{bytes: e.bytes[:0]} }

// Len is the number of entries, Size that of their bytes.
func (e *Entries) Len() int { return int(e.count) }

// Size is the number of bytes of the entries.
func (e *Entries) Size() int { return len(e.bytes) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum continues a checksum that begins with 0.
func (e *Entries) Sum(before uint32) uint32 { return crc32.Update(before, castagnoli, e.bytes) }

// Entry is one of Entries. Key and value share memory with them.
type Entry struct {
	Key, Value data.Value
	// Left is the time that the entry had left when it was written down.
	Left Expiry
}

// All are the entries in the order in which they were added.
func (e *Entries) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		r := reader{b: e.bytes}
		for range e.count {
			entry := Entry{Key: r.value("key"), Value: r.value("value"), Left: r.expiry()}
			if r.err != nil || !yield(entry) {
				return
			}
		}
	}
}
