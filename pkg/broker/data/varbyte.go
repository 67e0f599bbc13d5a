// SPDX-License-Identifier: Apache-2.0

package data

import "math"

// maxVarbyte is the most bytes that a reader takes for a size.
const maxVarbyte = 5

// AppendVarbyte appends x as Broker writes sizes: seven bits a byte, low
// groups first, the high bit set on every byte but the last.
func AppendVarbyte(dst []byte, x uint32) []byte {
	return appendVarbyte(dst, uint64(x), 0)
}

// Varbyte reads a size from the front of b and answers how many bytes it took.
// Redundant groups are accepted; more than five bytes and values of 2^32 and
// above are not. The error is a [*SyntaxError].
func Varbyte(b []byte) (x uint32, n int, err error) {
	s := b
	if len(s) > maxVarbyte {
		s = s[:maxVarbyte]
	}
	u, n := varbyte(viewString(s))
	switch {
	case n > 0:
		return u, n, nil
	case n == 0:
		return 0, 0, &SyntaxError{Offset: len(b), Msg: msgTruncated}
	default:
		return 0, 0, &SyntaxError{Offset: 0, Msg: msgVarbyte}
	}
}

// varbyte reads a size from the front of s: n is the number of bytes, 0 when s
// ends too early and -1 when the size doesn't fit.
func varbyte(s string) (x uint32, n int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint32(s[0]), 1
	}
	var u uint64
	for i := range min(len(s), maxVarbyte) {
		u |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			if u > math.MaxUint32 {
				return 0, -1
			}
			return uint32(u), i + 1
		}
	}
	if len(s) >= maxVarbyte {
		return 0, -1
	}
	return 0, 0
}

// varbyteSize is the fewest bytes that hold x.
func varbyteSize(x uint64) int {
	n := 1
	for ; x >= 0x80; x >>= 7 {
		n++
	}
	return n
}

// oddWidth is n if a size x was read from n bytes and fewer would do, else 0.
func oddWidth(x uint32, n int) uint8 {
	if n == 1 || n == varbyteSize(uint64(x)) {
		return 0
	}
	return uint8(n)
}

// appendVarbyte appends x in at least width bytes.
func appendVarbyte(dst []byte, x uint64, width uint8) []byte {
	n := uint8(1)
	for ; x >= 0x80 || n < width; n++ {
		dst = append(dst, byte(x)|0x80)
		x >>= 7
	}
	return append(dst, byte(x))
}
