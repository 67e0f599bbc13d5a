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
	dst = append(dst, byte(k))
	switch k {
	case KindNone:
		return dst
	case KindBoolean:
		return append(dst, byte(v.n))
	case KindAddress:
		dst = binary.BigEndian.AppendUint64(dst, v.high())
		return binary.BigEndian.AppendUint64(dst, v.n)
	case KindSubnet:
		dst = binary.BigEndian.AppendUint64(dst, v.high())
		dst = binary.BigEndian.AppendUint64(dst, v.n)
		return append(dst, v.m.aux())
	case KindPort:
		return append(dst, byte(v.n>>16), byte(v.n>>8), byte(v.n))
	case KindString, KindEnum:
		dst = appendVarbyte(dst, uint64(len(v.s)), v.m.aux())
		return append(dst, v.s...)
	case KindSet, KindTable, KindVector:
		dst = appendVarbyte(dst, v.n, v.m.aux())
		return append(dst, v.s...)
	default:
		return binary.BigEndian.AppendUint64(dst, v.n)
	}
}
