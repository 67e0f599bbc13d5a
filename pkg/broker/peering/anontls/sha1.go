// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"encoding/binary"
	"math/bits"
)

// sha1State is the state of SHA-1 between two blocks. crypto/sha1 offers no access to it, and cbcMAC can't do without.
type sha1State [5]uint32

var sha1Start = sha1State{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}

// compress takes in one block (FIPS 180-4, section 6.1.2). Its time does not depend on what is in it.
func (s *sha1State) compress(block *[64]byte) {
	var w [80]uint32
	for i := range 16 {
		w[i] = binary.BigEndian.Uint32(block[4*i:])
	}
	for i := 16; i < 80; i++ {
		w[i] = bits.RotateLeft32(w[i-3]^w[i-8]^w[i-14]^w[i-16], 1)
	}
	a, b, c, d, e := s[0], s[1], s[2], s[3], s[4]
	for i := range 20 {
		f := b&c | ^b&d
		a, b, c, d, e = bits.RotateLeft32(a, 5)+f+e+w[i]+0x5a827999, a, bits.RotateLeft32(b, 30), c, d
	}
	for i := 20; i < 40; i++ {
		f := b ^ c ^ d
		a, b, c, d, e = bits.RotateLeft32(a, 5)+f+e+w[i]+0x6ed9eba1, a, bits.RotateLeft32(b, 30), c, d
	}
	for i := 40; i < 60; i++ {
		f := b&c | b&d | c&d
		a, b, c, d, e = bits.RotateLeft32(a, 5)+f+e+w[i]+0x8f1bbcdc, a, bits.RotateLeft32(b, 30), c, d
	}
	for i := 60; i < 80; i++ {
		f := b ^ c ^ d
		a, b, c, d, e = bits.RotateLeft32(a, 5)+f+e+w[i]+0xca62c1d6, a, bits.RotateLeft32(b, 30), c, d
	}
	s[0], s[1], s[2], s[3], s[4] = s[0]+a, s[1]+b, s[2]+c, s[3]+d, s[4]+e
}

// bytes is the hash value, if the last block has been taken in.
func (s *sha1State) bytes() (out [macLen]byte) {
	for i, v := range s {
		binary.BigEndian.PutUint32(out[4*i:], v)
	}
	return out
}
