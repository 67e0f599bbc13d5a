// SPDX-License-Identifier: Apache-2.0

package data

import "math"

// Reals on the wire are IEEE 754 binary64 except for these patterns.
const (
	wireNaN    = math.MaxUint64
	wirePosInf = 0xfff0_0000_0000_0000
	wireNegInf = 0x7ff0_0000_0000_0000

	signBit      = 1 << 63
	exponentMask = 0x7ff << 52
	fractionMask = 1<<52 - 1
)

// realToWire is what a writer puts on the wire for f: the infinities swapped,
// all ones for any NaN, and zero for subnormals, which the reference can't
// write either.
func realToWire(f float64) uint64 {
	u := math.Float64bits(f)
	switch u & exponentMask {
	case 0:
		return u & signBit
	case exponentMask:
		switch {
		case math.IsNaN(f):
			return wireNaN
		case f > 0:
			return wirePosInf
		default:
			return wireNegInf
		}
	default:
		return u
	}
}

// realFromWire is what the reference reads from u.
func realFromWire(u uint64) float64 {
	switch u & exponentMask {
	case 0:
		if u&fractionMask == 0 {
			return math.Float64frombits(u)
		}
		f := math.Ldexp(1+float64(u&fractionMask)/(1<<52), -1023)
		return math.Copysign(f, math.Float64frombits(u))
	case exponentMask:
		switch {
		case u == wireNaN:
			return math.NaN()
		case u == wirePosInf || u != wireNegInf && u&signBit == 0:
			return math.Inf(1)
		default:
			return math.Inf(-1)
		}
	default:
		return math.Float64frombits(u)
	}
}

// realCanonical is the pattern that a writer chooses for what u reads as.
// Patterns with exponent 0 stay: there is no other form of their value.
func realCanonical(u uint64) uint64 {
	if u&exponentMask == exponentMask {
		return realToWire(realFromWire(u))
	}
	return u
}
