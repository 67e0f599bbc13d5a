// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding/binary"
	"net/netip"
)

// mappedBits is how many bits of an IPv4-mapped address precede the IPv4 ones.
const mappedBits = 96

// mappedPrefix is the upper half of the low word of an IPv4-mapped address.
const mappedPrefix = 0xffff

// high is the first eight bytes of an address or network.
func (v Value) high() uint64 {
	if v.s == "" {
		return 0
	}
	return load64(v.s)
}

// addressWords is a as two words of its 16-byte form.
func addressWords(a netip.Addr) (hi, lo uint64) {
	if a.Is4() {
		b := a.As4()
		return 0, mappedPrefix<<32 | uint64(binary.BigEndian.Uint32(b[:]))
	}
	if !a.IsValid() {
		return 0, 0
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// maskWords clears all but the top n of the 128 bits.
func maskWords(hi, lo uint64, n int) (uint64, uint64) {
	if n < 64 {
		return hi &^ (^uint64(0) >> n), 0
	}
	return hi, lo &^ (^uint64(0) >> (n - 64))
}

// subnetWords is a network with its host bits cleared, and its length counted
// over 128 bits.
func subnetWords(p netip.Prefix) (hi, lo uint64, raw uint8) {
	if !p.IsValid() {
		return 0, 0, 0
	}
	hi, lo = addressWords(p.Addr())
	n := p.Bits()
	if p.Addr().Is4() {
		n += mappedBits
	}
	hi, lo = maskWords(hi, lo, n)
	return hi, lo, uint8(n)
}

func isMapped(hi, lo uint64) bool { return hi == 0 && lo>>32 == mappedPrefix }

// addr16 is the IPv6 form of two words; an IPv4 address stays mapped.
func addr16(hi, lo uint64) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return netip.AddrFrom16(b)
}

// prefixOf is the network that two words and a raw length describe; the zero
// Prefix if there is no network of that length.
func prefixOf(hi, lo uint64, raw uint8) netip.Prefix {
	switch {
	case raw > 128:
		return netip.Prefix{}
	case isMapped(hi, lo) && raw >= mappedBits:
		return netip.PrefixFrom(addr16(hi, lo).Unmap(), int(raw)-mappedBits)
	default:
		return netip.PrefixFrom(addr16(hi, lo), int(raw))
	}
}
