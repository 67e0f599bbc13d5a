// SPDX-License-Identifier: Apache-2.0

package data

import (
	"cmp"
	"strings"
)

// Lookup is the value that a table holds under a key. It reads the entries
// before it; in a table in ascending order a key that is missing is noticed
// where it would be.
func (v Value) Lookup(key Value) (Value, bool) {
	if v.Kind() != KindTable {
		return Value{}, false
	}
	rest, last, ok := v.find(key)
	if !ok {
		return Value{}, false
	}
	x, _ := take(rest, last, v.m.flags(), childDepth(v.m))
	return x, true
}

// Contains reports whether a set or vector holds an element that equals e, or
// a table the key e. It reads what is before it, as [Value.Lookup] does.
func (v Value) Contains(e Value) bool {
	if !v.Kind().IsContainer() {
		return false
	}
	_, _, ok := v.find(e)
	return ok
}

// find answers what follows the element or key that equals x in a container,
// and whether that is the container's last.
func (v Value) find(x Value) (rest string, last, ok bool) {
	x = inOrder(x)
	table := v.Kind() == KindTable
	ordered := v.Kind() != KindVector && v.m.flags()&flagUnordered == 0
	s := v.s
	for left := v.n; left > 0; left-- {
		var order int
		if order, s = v.compareElement(s, x); order == 0 {
			return s, left == 1, true
		}
		if order > 0 && ordered {
			break
		}
		if table {
			s = skip(s, 1)
		}
	}
	return "", false, false
}

// compareElement compares the element at the front of s, which lies in v, with
// x, and answers what follows it.
func (v Value) compareElement(s string, x Value) (order int, rest string) {
	k := Kind(s[0])
	if k != x.m.kind() {
		return cmp.Compare(k, x.m.kind()), skip(s, 1)
	}
	switch k {
	case KindCount:
		return cmp.Compare(load64(s[1:]), x.n), s[9:]
	case KindInteger, KindTimestamp, KindTimespan:
		return cmp.Compare(int64(load64(s[1:])), int64(x.n)), s[9:]
	case KindString, KindEnum:
		size, n := varbyte(s[1:])
		end := 1 + n + int(size)
		return strings.Compare(s[1+n:end], x.s), s[end:]
	default:
		e, rest := take(s, false, v.m.flags(), childDepth(v.m))
		return Compare(e, x), rest
	}
}
