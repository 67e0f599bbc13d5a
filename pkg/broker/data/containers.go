// SPDX-License-Identifier: Apache-2.0

package data

import "slices"

// Entry is a key of a table with its value.
type Entry struct {
	Key, Value Value
}

// Vector holds the values in the order given. It copies their encodings: one
// allocation, none if there are no values.
func Vector(elems ...Value) Value {
	size := 0
	for i := range elems {
		size += elems[i].BinarySize()
	}
	buf := make([]byte, 0, size)
	var depth, flags uint8
	for i := range elems {
		buf = elems[i].AppendBinary(buf)
		depth = max(depth, elems[i].m.depth())
		flags |= elems[i].m.flags()
	}
	return container(KindVector, len(elems), buf, depth, flags)
}

// Set holds the values in ascending order; of equal ones the first is kept.
// It sorts only if they aren't ascending yet, and never the caller's slice.
func Set(elems ...Value) Value {
	if !ascending(len(elems), func(i int) Value { return elems[i] }) {
		elems = sortElements(elems)
	}
	v := Vector(elems...)
	v.m = v.m&^0xff | meta(KindSet)
	return v
}

// ascending reports whether n values ascend, without two equal ones.
func ascending(n int, at func(int) Value) bool {
	for i := 1; i < n; i++ {
		if Compare(at(i-1), at(i)) >= 0 {
			return false
		}
	}
	return true
}

func sortElements(elems []Value) []Value {
	elems = slices.Clone(elems)
	for i := range elems {
		elems[i] = inOrder(elems[i]) // once, rather than in every comparison
	}
	slices.SortStableFunc(elems, Compare)
	return slices.CompactFunc(elems, Equal)
}

// Table holds the entries in ascending order of their keys. Of entries with
// equal keys the first key is kept, with the value of the last.
func Table(entries ...Entry) Value {
	if !ascending(len(entries), func(i int) Value { return entries[i].Key }) {
		entries = sortEntries(entries)
	}
	size := 0
	for i := range entries {
		size += entries[i].Key.BinarySize() + entries[i].Value.BinarySize()
	}
	buf := make([]byte, 0, size)
	var depth, flags uint8
	for i := range entries {
		e := &entries[i]
		buf = e.Value.AppendBinary(e.Key.AppendBinary(buf))
		depth = max(depth, e.Key.m.depth(), e.Value.m.depth())
		flags |= e.Key.m.flags() | e.Value.m.flags()
	}
	return container(KindTable, len(entries), buf, depth, flags)
}

func sortEntries(entries []Entry) []Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Key = inOrder(entries[i].Key)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return Compare(a.Key, b.Key) })
	kept := entries[:0]
	for _, e := range entries {
		if n := len(kept); n > 0 && Equal(kept[n-1].Key, e.Key) {
			kept[n-1].Value = e.Value
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// container makes the value of elements that were just encoded into buf; depth
// and flags are gathered from them.
func container(k Kind, count int, buf []byte, depth, flags uint8) Value {
	return Value{s: viewString(buf), n: uint64(count), m: makeMeta(k, 0, deeper(depth), flags)}
}
