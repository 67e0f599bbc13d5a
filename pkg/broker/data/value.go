// SPDX-License-Identifier: Apache-2.0

package data

import "strings"

// MaxDepth is how deep containers may be nested in a value that is read or
// sent: a scalar has depth 0, an empty vector 1.
const MaxDepth = 128

// Value is one immutable value of the data model. The zero Value is none.
// Values are small (32 bytes) and meant to be passed and stored as they are.
// They can't be compared with ==; use [Equal] or [Compare].
//
// A Value may share memory with the message or the container that it was read
// from. Whoever keeps a small part of something large calls [Value.Clone].
type Value struct {
	_ [0]func() // no ==, no map keys: two encodings of one value differ

	// s holds the bytes of strings and enum names, the encodings of a
	// container's elements back to back, and the first eight bytes of an
	// address or network when they aren't zero.
	s string
	// n holds scalars as their wire bits, the last eight bytes of addresses
	// and networks, port<<8|protocol, and the number of a container's
	// elements (entries of a table).
	n uint64
	m meta
}

// meta packs what else a Value knows: from the low byte up its kind, aux,
// depth and flags. One word instead of four fields lets the compiler keep
// Values in registers.
type meta uint32

// The flags are inverted, so that the zero Value is in order.
const (
	// flagUnordered: a set or table inside may not be in ascending order.
	flagUnordered uint8 = 1 << iota
	// flagOdd: a writer may encode the value otherwise than its bytes are
	// now (redundant size bytes, booleans other than 0 and 1, NaN patterns).
	flagOdd
)

func makeMeta(k Kind, aux, depth, flags uint8) meta {
	return meta(k) | meta(aux)<<8 | meta(depth)<<16 | meta(flags)<<24
}

func (m meta) kind() Kind { return Kind(m) }

// aux is the raw length of a subnet. For strings and containers it is the
// width of their size field if that is wider than needed, else 0.
func (m meta) aux() uint8 { return uint8(m >> 8) }

// depth bounds the nesting of a container from above, up to 255.
func (m meta) depth() uint8 { return uint8(m >> 16) }

func (m meta) flags() uint8 { return uint8(m >> 24) }

// Kind is the value's kind.
func (v Value) Kind() Kind { return v.m.kind() }

// IsNone reports whether the value is none.
func (v Value) IsNone() bool { return v.m.kind() == KindNone }

// Len is the number of elements of a set or vector, of entries of a table,
// and of bytes of a string or enum value. Other kinds have length 0.
func (v Value) Len() int {
	switch v.m.kind() {
	case KindString, KindEnum:
		return len(v.s)
	case KindSet, KindTable, KindVector:
		return int(v.n)
	default:
		return 0
	}
}

// Clone is the same value with memory of its own.
func (v Value) Clone() Value {
	if v.s != "" {
		v.s = strings.Clone(v.s)
	}
	return v
}

// Depth is how deep containers are nested in the value: 0 for a scalar, 1 for
// a container of scalars or of nothing. No decoder accepts more than
// [MaxDepth], so who sends a value that was built checks it first.
func (v Value) Depth() int {
	if !v.Kind().IsContainer() {
		return 0
	}
	deepest := 0
	for r := v.Reader(); ; {
		e, ok := r.Next()
		if !ok {
			return deepest + 1
		}
		deepest = max(deepest, e.Depth())
	}
}

// TooDeep reports whether the value is nested deeper than [MaxDepth]. It is
// cheap for every value that isn't built from about that many layers.
func (v Value) TooDeep() bool {
	return int(v.m.depth()) > MaxDepth && v.Depth() > MaxDepth
}
