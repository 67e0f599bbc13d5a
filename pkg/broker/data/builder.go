// SPDX-License-Identifier: Apache-2.0

package data

import (
	"net/netip"
	"slices"
	"time"
)

// Builder makes a vector by appending its elements, whole trees included, to
// one buffer. What [Vector] and [Set] copy once for every level, it writes
// once; the only allocation is that of the finished value. A Builder that is
// used again keeps its buffer. The zero Builder is ready; it belongs to one
// goroutine and must not be copied.
//
//	var b data.Builder
//	b.String("conn")
//	b.BeginVector()
//	b.Count(1)
//	b.End()
//	v := b.Vector() // ("conn", (1))
//
// Nothing that is appended is an error: [Builder.End] without a beginning does
// nothing, [Builder.Vector] ends what is open, a key that is the last of its
// table gets none as its value, and sets and tables are put in order and rid of
// duplicates as [Set] and [Table] do.
type Builder struct {
	buf     []byte
	cur     frame    // the innermost container under way; at first the vector itself
	outer   [6]frame // those around it, from the outside in
	more    []frame  // where that isn't enough
	depth   int      // how many are around it
	sorting sorter
	steps   int // how deep Marshal is in pointers and containers
}

// frame is a container under way.
type frame struct {
	start int    // where its elements begin in the buffer
	count uint64 // the values in it so far
	kind  Kind
	deep  uint8 // how deep its elements are nested
	flags uint8 // of its elements
	width uint8 // bytes left for their number
}

// None appends none, as the other methods append what the function of their
// name makes.
func (b *Builder) None() {
	b.cur.count++
	b.buf = append(b.buf, byte(KindNone))
}

// Boolean appends a truth value.
func (b *Builder) Boolean(x bool) {
	b.cur.count++
	b.buf = append(b.buf, byte(KindBoolean), byte(Boolean(x).n))
}

func (b *Builder) word(k Kind, x uint64) {
	b.cur.count++
	b.buf = appendTagged(b.buf, k, x)
}

// Count appends an unsigned number.
func (b *Builder) Count(x uint64) { b.word(KindCount, x) }

// Integer appends a signed number.
func (b *Builder) Integer(x int64) { b.word(KindInteger, uint64(x)) }

// Real appends a floating point number.
func (b *Builder) Real(x float64) { b.word(KindReal, realToWire(x)) }

// Timestamp appends a point in time.
func (b *Builder) Timestamp(t time.Time) { b.word(KindTimestamp, Timestamp(t).n) }

// TimestampNanos appends a point in time given as nanoseconds since 1970.
func (b *Builder) TimestampNanos(ns int64) { b.word(KindTimestamp, uint64(ns)) }

// Timespan appends a length of time.
func (b *Builder) Timespan(d time.Duration) { b.word(KindTimespan, uint64(d)) }

// String appends a string.
func (b *Builder) String(s string) { b.text(KindString, s) }

// Enum appends the name of an enumeration's value.
func (b *Builder) Enum(name string) { b.text(KindEnum, name) }

func (b *Builder) text(k Kind, s string) {
	b.cur.count++
	if len(s) < 0x80 {
		b.buf = append(append(b.buf, byte(k), byte(len(s))), s...)
		return
	}
	b.buf = append(appendVarbyte(append(b.buf, byte(k)), uint64(len(s)), 0), s...)
}

// Address appends an IP address.
func (b *Builder) Address(a netip.Addr) {
	hi, lo := addressWords(a)
	b.word(KindAddress, hi)
	b.buf = appendWord(b.buf, lo)
}

// Subnet appends a network.
func (b *Builder) Subnet(p netip.Prefix) {
	hi, lo, raw := subnetWords(p)
	b.word(KindSubnet, hi)
	b.buf = append(appendWord(b.buf, lo), raw)
}

// Port appends a port number with its protocol.
func (b *Builder) Port(number uint16, p Protocol) {
	if p > ProtocolICMP {
		p = ProtocolUnknown
	}
	b.cur.count++
	b.buf = append(b.buf, byte(KindPort), byte(number>>8), byte(number), byte(p))
}

// Append appends any value.
func (b *Builder) Append(v Value) {
	v = inOrder(v)
	b.cur.count++
	b.cur.deep = max(b.cur.deep, v.m.depth())
	b.cur.flags |= v.m.flags()
	b.buf = v.AppendBinary(b.buf)
}

// BeginVector begins a vector within the vector: what is appended up to
// [Builder.End] are its elements.
func (b *Builder) BeginVector() { b.begin(KindVector, 0) }

// BeginSet begins a set. It is quicker if its elements come in order.
func (b *Builder) BeginSet() { b.begin(KindSet, 0) }

// BeginTable begins a table, to which keys and values are appended in turn. It
// is quicker if the keys come in order.
func (b *Builder) BeginTable() { b.begin(KindTable, 0) }

// begin leaves as much room for the number of elements as size needs.
func (b *Builder) begin(k Kind, size int) {
	b.cur.count++
	if b.depth < len(b.outer) {
		b.outer[b.depth] = b.cur
	} else {
		b.more = append(b.more, b.cur)
	}
	b.depth++
	b.buf = append(b.buf, byte(k))
	tag := len(b.buf)
	b.buf = appendVarbyte(b.buf, uint64(size), 0)
	b.cur = frame{kind: k, start: len(b.buf), width: uint8(len(b.buf) - tag)}
}

// End ends the innermost vector, set or table that was begun.
func (b *Builder) End() { b.end() }

// end is End, and answers how many duplicates it removed.
func (b *Builder) end() (removed int) {
	if b.depth == 0 {
		return 0
	}
	done := b.cur
	if done.kind == KindTable && done.count%2 == 1 {
		b.None()
		done = b.cur
	}
	if done.kind != KindVector {
		count := int(done.count / valuesIn(done.kind, 1))
		left := 0
		b.buf, left = b.sorting.order(b.buf, done.start, done.kind, count)
		done.count, removed = uint64(left), count-left
	}
	b.writeCount(done)
	b.depth--
	if b.depth < len(b.outer) {
		b.cur = b.outer[b.depth]
	} else {
		b.cur, b.more = b.more[len(b.more)-1], b.more[:len(b.more)-1]
	}
	b.cur.deep = max(b.cur.deep, deeper(done.deep))
	b.cur.flags |= done.flags
	return removed
}

// deeper is the depth of a container of values of that depth.
func deeper(depth uint8) uint8 {
	if depth < 255 {
		depth++
	}
	return depth
}

// writeCount puts the number of elements before them, and moves them if it
// takes another size than what was left for it.
func (b *Builder) writeCount(f frame) {
	if f.count < 0x80 && f.width == 1 {
		b.buf[f.start-1] = byte(f.count)
		return
	}
	var size [maxVarbyte]byte
	b.buf = slices.Replace(b.buf, f.start-int(f.width), f.start, appendVarbyte(size[:0], f.count, 0)...)
}

// Len is the number of elements that the vector has so far.
func (b *Builder) Len() int {
	if b.depth == 0 {
		return int(b.cur.count)
	}
	return int(b.outer[0].count)
}

// Reset forgets everything that was appended, but keeps the buffer.
func (b *Builder) Reset() {
	b.buf, b.more, b.depth = b.buf[:0], b.more[:0], 0
	b.cur = frame{}
}

// Vector ends what is open, answers the vector, and resets the Builder. The
// value's memory is its own and exactly as large as needed.
func (b *Builder) Vector() Value {
	for b.depth > 0 {
		b.End()
	}
	v := Value{s: string(b.buf), n: b.cur.count, m: makeMeta(KindVector, 0, deeper(b.cur.deep), b.cur.flags)}
	b.Reset()
	return v
}

// AppendBinary ends what is open, appends the vector's encoding to dst, and
// resets the Builder.
func (b *Builder) AppendBinary(dst []byte) []byte {
	for b.depth > 0 {
		b.End()
	}
	dst = appendVarbyte(append(dst, byte(KindVector)), b.cur.count, 0)
	dst = append(dst, b.buf...)
	b.Reset()
	return dst
}
