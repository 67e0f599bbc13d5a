// SPDX-License-Identifier: Apache-2.0

package data

import (
	"math"
	"strconv"
)

// String is the text form that the reference prints in logs: nil, T, F,
// numbers (reals with six decimals), bytes as they are, addresses, networks
// and ports as usual, times in nanoseconds, {sets}, {tables -> values} and
// (vectors). Sets and tables come in ascending order. It can't be read back;
// [Value.Text] can.
func (v Value) String() string {
	switch v.Kind() {
	case KindNone:
		return "nil"
	case KindString, KindEnum:
		return v.s
	default:
		return string(v.AppendString(nil))
	}
}

// AppendString appends what [Value.String] answers.
func (v Value) AppendString(dst []byte) []byte {
	return appendString(dst, inOrder(v))
}

func appendString(dst []byte, v Value) []byte {
	switch v.Kind() {
	case KindNone:
		return append(dst, "nil"...)
	case KindBoolean:
		if v.n == 0 {
			return append(dst, 'F')
		}
		return append(dst, 'T')
	case KindCount:
		return strconv.AppendUint(dst, v.n, 10)
	case KindInteger:
		return strconv.AppendInt(dst, int64(v.n), 10)
	case KindReal:
		return appendReal(dst, realFromWire(v.n))
	case KindString, KindEnum:
		return append(dst, v.s...)
	case KindAddress:
		return addr16(v.high(), v.n).Unmap().AppendTo(dst)
	case KindSubnet:
		return appendSubnet(dst, v)
	case KindPort:
		dst = strconv.AppendUint(dst, v.n>>8, 10)
		return append(append(dst, '/'), Protocol(v.n).String()...)
	case KindTimestamp, KindTimespan:
		return append(strconv.AppendInt(dst, int64(v.n), 10), "ns"...)
	case KindVector:
		return append(appendElements(append(dst, '('), v), ')')
	default:
		return append(appendElements(append(dst, '{'), v), '}')
	}
}

// appendReal is C's %f, which never writes an exponent.
func appendReal(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	default:
		return strconv.AppendFloat(dst, f, 'f', 6, 64)
	}
}

// appendSubnet writes whatever length was received; that of an IPv4 network
// counts from its own first bit, modulo 256.
func appendSubnet(dst []byte, v Value) []byte {
	raw := v.m.aux()
	if isMapped(v.high(), v.n) {
		raw -= mappedBits
	}
	dst = addr16(v.high(), v.n).Unmap().AppendTo(dst)
	return strconv.AppendUint(append(dst, '/'), uint64(raw), 10)
}

func appendElements(dst []byte, v Value) []byte {
	r := v.Reader()
	for i := 0; r.Len() > 0; i++ {
		dst = append(dst, separator(v.Kind(), i)...)
		e, _ := r.Next()
		dst = appendString(dst, e)
	}
	return dst
}
