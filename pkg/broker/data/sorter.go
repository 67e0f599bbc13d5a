// SPDX-License-Identifier: Apache-2.0

package data

import "slices"

// sorter brings encoded elements into order. Its memory is used again.
type sorter struct {
	parts   []part
	scratch []byte
}

// order brings count elements of a set or entries of a table, which fill buf
// from start on, into ascending order. Of equal elements the first is kept, of
// entries with equal keys the first key with the last value. It answers how
// many are left.
func (s *sorter) order(buf []byte, start int, k Kind, count int) ([]byte, int) {
	if ascendingRun(viewString(buf[start:]), k, count) {
		return buf, count
	}
	s.scratch = append(s.scratch[:0], buf[start:]...)
	run := viewString(s.scratch)
	s.split(run, k, count)
	compare := func(a, b part) int {
		c, _, _ := compareFront(run[a.start:a.end], run[b.start:b.end])
		return c
	}
	slices.SortStableFunc(s.parts, compare)
	buf = buf[:start]
	left := 0
	for i := 0; i < len(s.parts); left++ {
		first, last := s.parts[i], s.parts[i]
		for i++; i < len(s.parts) && compare(first, s.parts[i]) == 0; i++ {
			last = s.parts[i]
		}
		if first == last || k == KindSet {
			buf = append(buf, run[first.start:first.end]...)
			continue
		}
		value := skip(run[first.start:first.end], 1)
		buf = append(buf, run[first.start:first.end-len(value)]...)
		buf = append(buf, skip(run[last.start:last.end], 1)...)
	}
	return buf, left
}

// split notes where each element or entry of a run lies.
func (s *sorter) split(run string, k Kind, count int) {
	s.parts = s.parts[:0]
	rest := run
	for range count {
		start := len(run) - len(rest)
		rest = skip(rest, valuesIn(k, 1))
		s.parts = append(s.parts, part{start: start, end: len(run) - len(rest)})
	}
}

// ascendingRun reports whether the elements or keys of a run ascend, without
// two equal ones.
func ascendingRun(run string, k Kind, count int) bool {
	for ; count > 1; count-- {
		next := skip(run, valuesIn(k, 1))
		if c, _, _ := compareFront(run, next); c >= 0 {
			return false
		}
		run = next
	}
	return true
}
