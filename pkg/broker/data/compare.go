// SPDX-License-Identifier: Apache-2.0

package data

import (
	"cmp"
	"strings"
)

// Compare orders any two values: negative if a is smaller than b, positive if
// it is larger, zero if they are equal. Kinds come first, by number; then
// numbers by size, bytes lexicographically, containers by their elements in
// turn with a proper prefix smaller. NaN is smaller than every other real and
// equal to itself; both zeros are equal.
func Compare(a, b Value) int {
	if c := cmp.Compare(a.m.kind(), b.m.kind()); c != 0 {
		return c
	}
	switch a.m.kind() {
	case KindNone:
		return 0
	case KindInteger, KindTimestamp, KindTimespan:
		return cmp.Compare(int64(a.n), int64(b.n))
	case KindBoolean, KindReal:
		return compareBits(a.m.kind(), a.n, b.n)
	case KindString, KindEnum:
		return strings.Compare(a.s, b.s)
	case KindAddress, KindSubnet:
		if c := cmp.Compare(a.high(), b.high()); c != 0 {
			return c
		}
		if c := cmp.Compare(a.n, b.n); c != 0 {
			return c
		}
		return cmp.Compare(a.m.aux(), b.m.aux())
	case KindSet, KindTable, KindVector:
		a, b = inOrder(a), inOrder(b)
		c, _, _ := compareRun(a.s, b.s, valuesIn(a.Kind(), a.n), valuesIn(b.Kind(), b.n))
		return c
	default:
		return cmp.Compare(a.n, b.n)
	}
}

// Equal reports whether [Compare] finds no difference. It is quick for values
// of the same bytes.
func Equal(a, b Value) bool {
	if a.m.kind() == b.m.kind() && a.n == b.n && a.s == b.s && a.m.kind() != KindSubnet {
		return true
	}
	return Compare(a, b) == 0
}

// inOrder is v with all its sets and tables in ascending order.
func inOrder(v Value) Value {
	if v.Kind().IsContainer() && v.m.flags()&flagUnordered != 0 {
		return Canonical(v)
	}
	return v
}

// compareBits orders the wire bits of two booleans or reals, of which several
// patterns mean the same.
func compareBits(k Kind, a, b uint64) int {
	switch {
	case a == b:
		return 0
	case k == KindReal:
		return cmp.Compare(realFromWire(a), realFromWire(b))
	case a != 0 && b != 0:
		return 0
	default:
		return cmp.Compare(a, b)
	}
}

// compareRun compares two runs of checked values whose sets and tables ascend,
// element by element, then by their counts. If they are equal it also answers
// what follows each of them.
func compareRun(a, b string, countA, countB uint64) (c int, restA, restB string) {
	for range min(countA, countB) {
		if c, a, b = compareFront(a, b); c != 0 {
			return c, "", ""
		}
	}
	return cmp.Compare(countA, countB), a, b
}

// compareFront compares the checked values at the front of a and b, as
// compareRun does.
func compareFront(a, b string) (c int, restA, restB string) {
	k := Kind(a[0])
	if c = cmp.Compare(k, Kind(b[0])); c != 0 {
		return c, "", ""
	}
	size := 9
	switch k {
	case KindNone:
		return 0, a[1:], b[1:]
	case KindBoolean:
		return compareBits(k, uint64(a[1]), uint64(b[1])), a[2:], b[2:]
	case KindReal:
		return compareBits(k, load64(a[1:]), load64(b[1:])), a[9:], b[9:]
	case KindInteger, KindTimestamp, KindTimespan:
		return cmp.Compare(int64(load64(a[1:])), int64(load64(b[1:]))), a[9:], b[9:]
	case KindString, KindEnum:
		xa, na := varbyte(a[1:])
		xb, nb := varbyte(b[1:])
		a, b = a[1+na:], b[1+nb:]
		return strings.Compare(a[:xa], b[:xb]), a[xa:], b[xb:]
	case KindSet, KindTable, KindVector:
		xa, na := varbyte(a[1:])
		xb, nb := varbyte(b[1:])
		return compareRun(a[1+na:], b[1+nb:], valuesIn(k, uint64(xa)), valuesIn(k, uint64(xb)))
	case KindAddress:
		size = 17
	case KindSubnet:
		size = 18
	case KindPort:
		size = 4
	}
	return strings.Compare(a[:size], b[:size]), a[size:], b[size:]
}
