// SPDX-License-Identifier: Apache-2.0

package data

import "encoding/binary"

// BinarySize is the number of bytes that [Value.AppendBinary] appends.
func (v Value) BinarySize() int {
	switch v.m.kind() {
	case KindNone:
		return 1
	case KindBoolean:
		return 2
	case KindAddress:
		return 17
	case KindSubnet:
		return 18
	case KindPort:
		return 4
	case KindString, KindEnum:
		return 1 + max(varbyteSize(uint64(len(v.s))), int(v.m.aux())) + len(v.s)
	case KindSet, KindTable, KindVector:
		return 1 + max(varbyteSize(v.n), int(v.m.aux())) + len(v.s)
	default:
		return 9
	}
}

// AppendBinary appends the value's binary form, tag byte included. What was
// received is appended byte for byte as it came.
func (v Value) AppendBinary(dst []byte) []byte {
	k := v.m.kind()
	switch k {
	case KindNone:
		return append(dst, byte(k))
	case KindBoolean:
		return append(dst, byte(k), byte(v.n))
	case KindAddress:
		return appendWord(appendTagged(dst, k, v.high()), v.n)
	case KindSubnet:
		return append(appendWord(appendTagged(dst, k, v.high()), v.n), v.m.aux())
	case KindPort:
		return append(dst, byte(k), byte(v.n>>16), byte(v.n>>8), byte(v.n))
	case KindString, KindEnum:
		dst = appendVarbyte(append(dst, byte(k)), uint64(len(v.s)), v.m.aux())
		return append(dst, v.s...)
	case KindSet, KindTable, KindVector:
		dst = appendVarbyte(append(dst, byte(k)), v.n, v.m.aux())
		return append(dst, v.s...)
	default:
		return appendTagged(dst, k, v.n)
	}
}

// appendTagged appends a tag and eight bytes in one go.
func appendTagged(dst []byte, k Kind, x uint64) []byte {
	return append(dst, byte(k), byte(x>>56), byte(x>>48), byte(x>>40), byte(x>>32), byte(x>>24), byte(x>>16), byte(x>>8), byte(x))
}

func appendWord(dst []byte, x uint64) []byte { return binary.BigEndian.AppendUint64(dst, x) }
