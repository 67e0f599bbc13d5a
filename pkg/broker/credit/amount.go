// SPDX-License-Identifier: Apache-2.0

package credit

import "math"

// Amount is a number of messages and of the bytes that they have in the subscriber's queue. It never wraps: sums end at the largest
// number, differences at zero.
type Amount struct{ Messages, Bytes uint64 }

// One is one message of so many bytes.
func One(size int) Amount { return Amount{1, uint64(max(size, 0))} }

// Plus is the sum of two amounts.
func (a Amount) Plus(b Amount) Amount {
	return Amount{plus(a.Messages, b.Messages), plus(a.Bytes, b.Bytes)}
}

// Minus is what is left of an amount when another one has been taken away.
func (a Amount) Minus(b Amount) Amount {
	return Amount{a.Messages - min(a.Messages, b.Messages), a.Bytes - min(a.Bytes, b.Bytes)}
}

// Min has the smaller of both numbers, Max the larger.
func (a Amount) Min(b Amount) Amount {
	return Amount{min(a.Messages, b.Messages), min(a.Bytes, b.Bytes)}
}

// Max has the larger of both numbers.
func (a Amount) Max(b Amount) Amount {
	return Amount{max(a.Messages, b.Messages), max(a.Bytes, b.Bytes)}
}

// part is one n-th of an amount, times m.
func (a Amount) part(m, n uint64) Amount {
	n = max(n, 1)
	return Amount{a.Messages / n * m, a.Bytes / n * m}
}

// above tells whether one of the numbers is larger.
func (a Amount) above(b Amount) bool { return a.Messages > b.Messages || a.Bytes > b.Bytes }

func plus(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
