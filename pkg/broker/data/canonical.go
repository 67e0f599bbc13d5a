// SPDX-License-Identifier: Apache-2.0

package data

import "slices"

// Canonical is the same value in the one form that writers agree on: sets and
// tables ascending at every depth, sizes in as few bytes as they need,
// booleans 0 or 1, one pattern for each infinity and for NaN. A value that is
// in that form already is answered as it is.
func Canonical(v Value) Value {
	if v.m.flags()&(flagUnordered|flagOdd) == 0 {
		return v
	}
	switch k := v.Kind(); k {
	case KindBoolean:
		return Boolean(v.n != 0)
	case KindReal:
		return scalar(k, realCanonical(v.n))
	case KindSet, KindTable, KindVector:
		w := canonicalizer{src: v.s, dst: make([]byte, 0, len(v.s))}
		w.container(k, 0, v.n)
		return Value{s: viewString(w.dst), n: v.n, m: makeMeta(k, 0, v.m.depth(), 0)}
	default:
		v.m = makeMeta(k, v.m.aux(), 0, 0)
		if k == KindString || k == KindEnum {
			v.m = meta(k)
		}
		return v
	}
}

// findDuplicate answers the offset of an element or key in the checked value s
// that equals an earlier one of its set or table, or -1.
func findDuplicate(s string) int {
	w := canonicalizer{src: s, dst: make([]byte, 0, len(s)), duplicate: -1}
	w.values(0, 1)
	return w.duplicate
}

// canonicalizer rewrites checked values from the inside out, so that sorting a
// set never compares anything that isn't sorted itself. The effort is bounded
// by size, depth and the logarithm of the number of elements.
type canonicalizer struct {
	src     string
	dst     []byte
	parts   []part // of the sets and tables under way
	scratch []byte
	// duplicate is the offset in src of an element that was found twice.
	duplicate int
}

// part is an element of a set or an entry of a table in dst.
type part struct {
	start, end int
	src        int // where it came from
}

// values rewrites count values of src from off on and answers where they end.
func (w *canonicalizer) values(off int, count uint64) int {
	for ; count > 0; count-- {
		k := Kind(w.src[off])
		switch k {
		case KindBoolean:
			w.dst = Boolean(w.src[off+1] != 0).AppendBinary(w.dst)
			off += 2
		case KindReal:
			w.dst = scalar(k, realCanonical(load64(w.src[off+1:]))).AppendBinary(w.dst)
			off += 9
		case KindString, KindEnum:
			x, n := varbyte(w.src[off+1:])
			text := off + 1 + n
			off = text + int(x)
			w.dst = append(w.dst, byte(k))
			w.dst = appendVarbyte(w.dst, uint64(x), 0)
			w.dst = append(w.dst, w.src[text:off]...)
		case KindSet, KindTable, KindVector:
			x, n := varbyte(w.src[off+1:])
			w.dst = append(w.dst, byte(k))
			w.dst = appendVarbyte(w.dst, uint64(x), 0)
			off = w.container(k, off+1+n, uint64(x))
		default:
			end := len(w.src) - len(skip(w.src[off:], 1))
			w.dst = append(w.dst, w.src[off:end]...)
			off = end
		}
	}
	return off
}

// container rewrites the elements of a container, sorted if need be.
func (w *canonicalizer) container(k Kind, off int, count uint64) int {
	if k == KindVector {
		return w.values(off, count)
	}
	base, begin := len(w.parts), len(w.dst)
	ascending := true
	for i := range count {
		p := part{start: len(w.dst), src: off}
		off = w.values(off, valuesIn(k, 1))
		p.end = len(w.dst)
		if i > 0 && ascending && w.order(w.parts[len(w.parts)-1], p) >= 0 {
			ascending = false
		}
		w.parts = append(w.parts, p)
	}
	if !ascending {
		w.sort(w.parts[base:], begin)
	}
	w.parts = w.parts[:base]
	return off
}

// order compares two parts by their first value: the element or the key.
func (w *canonicalizer) order(a, b part) int {
	s := viewString(w.dst)
	c, _, _ := compareFront(s[a.start:a.end], s[b.start:b.end])
	return c
}

// sort brings the parts, which fill dst from begin on, into ascending order.
func (w *canonicalizer) sort(parts []part, begin int) {
	slices.SortStableFunc(parts, w.order)
	for i := 1; i < len(parts); i++ {
		if w.duplicate < 0 && w.order(parts[i-1], parts[i]) == 0 {
			w.duplicate = parts[i].src
		}
	}
	w.scratch = append(w.scratch[:0], w.dst[begin:]...)
	w.dst = w.dst[:begin]
	for _, p := range parts {
		w.dst = append(w.dst, w.scratch[p.start-begin:p.end-begin]...)
	}
}
