// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"crypto/subtle"
	"encoding/binary"
)

// cbcMAC removes padding and MAC of records whose MAC is over the plaintext, in a time that depends on the record's length only.
//
// Whoever can change records in flight and measure how long they take to be refused must not learn how much of the plaintext was
// taken for padding: that difference is what the padding oracle and Lucky Thirteen attacks decrypt with. So no branch, no memory
// address and no number of steps may depend on the padding length:
//
//   - The last 256 bytes are all compared with the padding length, and a mask decides which comparisons count.
//   - Wrong padding counts as no padding, and the MAC is computed all the same.
//   - HMAC-SHA1 runs over as many blocks as the longest content that this record can have needs. All blocks that could be the last
//     one are put together byte by byte with masks (content, then 0x80, then zeros, then the length), and after each of them
//     the state is kept if that block really was the last, again by mask. The blocks before them are the same for any padding.
//   - The MAC that came with the record is collected by going over all places where it could stand.
//
// The verdict is one bit, and one error whatever was wrong.
type cbcMAC struct {
	inner, outer sha1State // after the block that has the key
	head         [macHeadLen]byte
}

// macHeadLen is the length of what is put in front of a record's content for the MAC: number, type, version, length.
const macHeadLen = 13

// maxPadding is the longest padding that a record can have, with the byte that tells its length.
const maxPadding = 256

func newCBCMAC(key *[macLen]byte) *cbcMAC {
	m := &cbcMAC{inner: sha1Start, outer: sha1Start}
	var inner, outer [64]byte
	for i := range inner {
		var k byte
		if i < macLen {
			k = key[i]
		}
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	m.inner.compress(&inner)
	m.outer.compress(&outer)
	return m
}

// remove answers how many bytes of a decrypted record are content, and 1 if the padding and the MAC behind it are right, else 0.
// The record is at least a MAC and one byte long. head is as it is for a record without content: the length in it is still zero.
func (m *cbcMAC) remove(head *[macHeadLen]byte, b []byte) (n, good int) {
	padding, good := paddingLen(b)
	high := len(b) - macLen - 1
	low := max(0, high-(maxPadding-1))
	n = high - subtle.ConstantTimeSelect(good, padding, 0)

	m.head = *head
	m.head[11], m.head[12] = byte(n>>8), byte(n)
	want := m.sum(b, n, low, high)
	got := extract(b, n, low, high)
	return n, good & subtle.ConstantTimeCompare(want[:], got[:])
}

// paddingLen reads the last byte, and answers 1 if that many bytes before it are the same and leave room for a MAC.
func paddingLen(b []byte) (padding, good int) {
	last := len(b) - 1
	padding = int(b[last])
	good = subtle.ConstantTimeLessOrEq(padding+1+macLen, len(b))
	var differ byte
	for i := range min(maxPadding, len(b)) {
		differ |= maskIf(subtle.ConstantTimeLessOrEq(i, padding)) & (b[last-i] ^ byte(padding))
	}
	return padding, good & subtle.ConstantTimeByteEq(differ, 0)
}

// sum is the HMAC of the header and n bytes of b. That n is from low to high is known to everybody, which of them it is must not show.
func (m *cbcMAC) sum(b []byte, n, low, high int) [macLen]byte {
	end := macHeadLen + n            // here is the 0x80
	last := lastBlock(n)             // and this block has the length
	length := uint64(64+end) * 8     // in bits, with the key's block
	first := (macHeadLen + low) >> 6 // blocks before this one are full of content in any case

	state, block := m.inner, [64]byte{}
	for i := range first {
		m.fill(&block, b, i)
		state.compress(&block)
	}
	var result sha1State
	for i := first; i <= lastBlock(high); i++ {
		m.fill(&block, b, i)
		isLast := subtle.ConstantTimeEq(int32(i), int32(last))
		for j := range block {
			pos := i<<6 + j
			block[j] &= maskIf(subtle.ConstantTimeLessOrEq(pos+1, end))
			block[j] |= 0x80 & maskIf(subtle.ConstantTimeEq(int32(pos), int32(end)))
		}
		for j := range 8 {
			block[56+j] |= byte(length>>(56-8*j)) & maskIf(isLast)
		}
		state.compress(&block)
		for k := range result {
			result[k] |= state[k] & -uint32(isLast)
		}
	}
	return m.finish(result)
}

// fill makes the block with an index of the header and all of b. Beyond that the block keeps what it has.
func (m *cbcMAC) fill(block *[64]byte, b []byte, index int) {
	if index == 0 {
		copy(block[copy(block[:], m.head[:]):], b)
	} else if from := index<<6 - macHeadLen; from < len(b) {
		copy(block[:], b[from:])
	}
}

// lastBlock is the index of the block that ends the hashed message if n bytes follow the header: 0x80 and eight bytes come behind them.
func lastBlock(n int) int { return (macHeadLen + n + 8) >> 6 }

// finish is the outer half of HMAC.
func (m *cbcMAC) finish(inner sha1State) [macLen]byte {
	var block [64]byte
	digest := inner.bytes()
	copy(block[:], digest[:])
	block[macLen] = 0x80
	binary.BigEndian.PutUint64(block[56:], (64+macLen)*8)
	state := m.outer
	state.compress(&block)
	return state.bytes()
}

// extract copies the MAC at n, which is somewhere from low to high.
func extract(b []byte, n, low, high int) (out [macLen]byte) {
	for pos := low; pos < high+macLen; pos++ {
		for j := range out {
			out[j] |= b[pos] & maskIf(subtle.ConstantTimeEq(int32(pos), int32(n+j)))
		}
	}
	return out
}

// maskIf makes 0xff of 1 and 0 of 0.
func maskIf(one int) byte { return -byte(one) }
