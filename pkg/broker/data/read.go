// SPDX-License-Identifier: Apache-2.0

package data

import "iter"

// load64 reads eight big-endian bytes from the front of s.
func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 |
		uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
}

// take reads the value at the front of checked bytes. last says that nothing
// follows it in s, which saves looking for the end of a container. The flags
// are those of the container that holds the value, depth bounds the value's.
func take(s string, last bool, flags, depth uint8) (v Value, rest string) {
	r := Reader{s: s, left: 2, m: makeMeta(KindVector, 0, deeper(depth), flags)}
	if last {
		r.left = 1
	}
	v = r.read()
	return v, r.s
}

// read is Next if there is something left.
func (r *Reader) read() (v Value) {
	r.left--
	s := r.s
	k := Kind(s[0])
	v.m = meta(k) | r.m&(meta(flagOdd)<<24)
	switch k {
	case KindNone:
		r.s = s[1:]
	case KindBoolean:
		v.n = uint64(s[1])
		r.s = s[2:]
	case KindPort:
		v.n = uint64(s[1])<<16 | uint64(s[2])<<8 | uint64(s[3])
		r.s = s[4:]
	case KindAddress, KindSubnet:
		if load64(s[1:]) != 0 {
			v.s = s[1:9]
		}
		v.n = load64(s[9:])
		r.s = s[17:]
		if k == KindSubnet {
			v.m |= meta(s[17]) << 8
			r.s = s[18:]
		}
	case KindString, KindEnum:
		x, n := varbyte(s[1:])
		if n > 1 {
			v.m |= meta(oddWidth(x, n)) << 8
		}
		end := 1 + n + int(x)
		v.s = s[1+n : end]
		r.s = s[end:]
	case KindSet, KindTable, KindVector:
		return r.container(v, s)
	default:
		v.n = load64(s[1:])
		r.s = s[9:]
	}
	return v
}

func (r *Reader) container(v Value, s string) Value {
	x, n := varbyte(s[1:])
	v.n, v.s = uint64(x), s[1+n:]
	v.m |= meta(childDepth(r.m))<<16 | meta(r.m.flags())<<24
	if n > 1 {
		v.m |= meta(oddWidth(x, n)) << 8
	}
	if r.left == 0 {
		r.s = ""
		return v
	}
	r.s = skip(v.s, valuesIn(v.Kind(), v.n))
	v.s = v.s[:len(v.s)-len(r.s)]
	return v
}

// valuesIn is how many values lie in a container of count elements.
func valuesIn(k Kind, count uint64) uint64 {
	if k == KindTable {
		return 2 * count
	}
	return count
}

// skip answers what follows count checked values.
func skip(s string, count uint64) string {
	for ; count > 0; count-- {
		switch k := Kind(s[0]); k {
		case KindNone:
			s = s[1:]
		case KindBoolean:
			s = s[2:]
		case KindPort:
			s = s[4:]
		case KindAddress:
			s = s[17:]
		case KindSubnet:
			s = s[18:]
		case KindString, KindEnum:
			x, n := varbyte(s[1:])
			s = s[1+n+int(x):]
		case KindSet, KindTable, KindVector:
			x, n := varbyte(s[1:])
			s = s[1+n:]
			count += valuesIn(k, uint64(x))
		default:
			s = s[9:]
		}
	}
	return s
}

// Reader reads the elements of a container one after the other, without
// allocation. Of a table it reads each key and then its value. The zero Reader
// is at its end.
type Reader struct {
	s    string
	left uint64
	m    meta // the container's
}

// Reader starts reading the elements of a container in the order in which they
// are stored; the Reader of another kind of value is at its end.
func (v Value) Reader() Reader {
	k := v.m.kind()
	if !k.IsContainer() {
		return Reader{}
	}
	return Reader{s: v.s, left: valuesIn(k, v.n), m: v.m}
}

// Len is how many values are left to read: for a table two for each entry.
func (r *Reader) Len() int { return int(r.left) }

// Next reads the next element; ok is false at the end.
func (r *Reader) Next() (v Value, ok bool) {
	if r.left == 0 {
		return Value{}, false
	}
	return r.read(), true
}

// childDepth bounds the depth of a container's elements.
func childDepth(m meta) uint8 {
	if m.depth() == 255 {
		return 255 // saturated: the real depth may be more
	}
	return m.depth() - 1
}

// Elements are the elements of a vector or set, in the order in which they are
// stored: ascending in sets that were built, any in sets that were received
// ([Canonical] sorts them). Other kinds have none.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) { v.each(yield) }
}

func (v Value) each(yield func(Value) bool) {
	if v.Kind() == KindTable {
		return
	}
	r := v.Reader()
	for e, ok := r.Next(); ok && yield(e); e, ok = r.Next() {
	}
}

// Entries are the keys and values of a table, in the order in which they are
// stored, as with [Value.Elements]. Other kinds have none.
func (v Value) Entries() iter.Seq2[Value, Value] {
	return func(yield func(key, value Value) bool) { v.eachEntry(yield) }
}

func (v Value) eachEntry(yield func(key, value Value) bool) {
	if v.Kind() != KindTable {
		return
	}
	for r := v.Reader(); r.left > 0; {
		key, _ := r.Next()
		value, _ := r.Next()
		if !yield(key, value) {
			return
		}
	}
}

// Leaves are all values inside v that aren't containers, keys of tables
// included, from left to right; v itself if it is none. It is the quickest way
// through a value: every byte is looked at once.
func (v Value) Leaves() iter.Seq[Value] {
	return func(yield func(Value) bool) { v.eachLeaf(yield) }
}

func (v Value) eachLeaf(yield func(Value) bool) {
	if !v.Kind().IsContainer() {
		yield(v)
		return
	}
	for r := v.Reader(); r.left > 0; {
		if k := Kind(r.s[0]); k.IsContainer() {
			x, n := varbyte(r.s[1:])
			r.s = r.s[1+n:]
			r.left += valuesIn(k, uint64(x)) - 1
			continue
		}
		if !yield(r.read()) {
			return
		}
	}
}

// Index is the i-th element of a vector, or of a set in the order in which it
// is stored, counted from 0. It reads all elements before it.
func (v Value) Index(i int) (Value, bool) {
	if v.Kind() == KindTable || i < 0 || i >= v.Len() || !v.Kind().IsContainer() {
		return Value{}, false
	}
	r := v.Reader()
	if i > 0 {
		r.s = skip(r.s, uint64(i))
		r.left -= uint64(i)
	}
	return r.Next()
}
