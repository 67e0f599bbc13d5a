// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// arithmetic adds or subtracts numbers and times; ok is false if the two don't go together. Whole numbers wrap, as in the reference:
// masters and clones of both must come to the same result.
func arithmetic(a, b data.Value, subtract bool) (result data.Value, ok bool) {
	if x, ok := a.AsReal(); ok {
		y, ok := b.AsReal()
		if subtract {
			y = -y
		}
		return data.Real(x + y), ok
	}
	x, y, ok := integers(a, b)
	if !ok {
		return data.Value{}, false
	}
	if subtract {
		y = -y
	}
	switch sum := x + y; a.Kind() {
	case data.KindCount:
		return data.Count(sum), true
	case data.KindInteger:
		return data.Integer(int64(sum)), true
	case data.KindTimestamp:
		return data.TimestampNanos(int64(sum)), true
	default:
		return data.Timespan(time.Duration(sum)), true
	}
}

// Wraps tells whether adding or subtracting the operand goes beyond what 64 bits hold, so that the result is another number than
// people would expect.
func Wraps(current, operand data.Value, subtract bool) bool {
	x, y, ok := integers(current, operand)
	switch {
	case !ok:
		return false
	case current.Kind() == data.KindCount && subtract:
		return y > x
	case current.Kind() == data.KindCount:
		return x+y < x
	}
	a, b := int64(x), int64(y)
	if subtract {
		return (a-b < a) != (b > 0)
	}
	return (a+b > a) != (b > 0)
}

// integers are the 64 bits of two values that can be added: two of one kind, or a timestamp and a timespan.
func integers(a, b data.Value) (x, y uint64, ok bool) {
	switch a.Kind() {
	case data.KindCount:
		x, _ = a.AsCount()
		y, ok = b.AsCount()
	case data.KindInteger:
		n, _ := a.AsInteger()
		m, isInteger := b.AsInteger()
		x, y, ok = uint64(n), uint64(m), isInteger
	case data.KindTimestamp:
		n, _ := a.AsTimestampNanos()
		m, isSpan := b.AsTimespan()
		x, y, ok = uint64(n), uint64(m), isSpan
	case data.KindTimespan:
		n, _ := a.AsTimespan()
		m, isSpan := b.AsTimespan()
		x, y, ok = uint64(n), uint64(m), isSpan
	}
	return x, y, ok
}
