// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// None is the value that stands for nothing; the zero [Value].
func None() Value { return Value{} }

func scalar(k Kind, n uint64) Value { return Value{n: n, m: meta(k)} }

// Boolean is a truth value.
func Boolean(b bool) Value {
	if b {
		return scalar(KindBoolean, 1)
	}
	return scalar(KindBoolean, 0)
}

// Count is an unsigned number.
func Count(x uint64) Value { return scalar(KindCount, x) }

// Integer is a signed number. It never equals a count.
func Integer(x int64) Value { return scalar(KindInteger, uint64(x)) }

// Real is a floating point number. The wire has one NaN and no subnormal
// numbers: those become zero with their sign.
func Real(f float64) Value { return scalar(KindReal, realToWire(f)) }

// String is a sequence of any bytes, at most 2^32-1 of them.
func String(s string) Value { return Value{s: s, m: meta(KindString)} }

// Enum is the name of an enumeration's value, such as Log::UNKNOWN. It never
// equals a string.
func Enum(name string) Value { return Value{s: name, m: meta(KindEnum)} }

// Address is an IP address. IPv4 and IPv4-mapped IPv6 are the same; zones are
// dropped; the zero Addr gives "::".
func Address(a netip.Addr) Value {
	hi, lo := addressWords(a)
	return Value{s: highString(hi), n: lo, m: meta(KindAddress)}
}

// Subnet is a network. Host bits are cleared; an invalid prefix gives "::/0".
func Subnet(p netip.Prefix) Value {
	hi, lo, raw := subnetWords(p)
	return Value{s: highString(hi), n: lo, m: makeMeta(KindSubnet, raw, 0, 0)}
}

// Port is a port number with its protocol; a protocol beyond the known ones
// becomes unknown.
func Port(number uint16, p Protocol) Value {
	if p > ProtocolICMP {
		p = ProtocolUnknown
	}
	return scalar(KindPort, uint64(number)<<8|uint64(p))
}

// Timestamp is a point in time, to the nanosecond. Times that 64 bits of
// nanoseconds around 1970 can't hold become the first or last that they can.
func Timestamp(t time.Time) Value {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return TimestampNanos(math.MinInt64)
	case t.After(time.Unix(0, math.MaxInt64)):
		return TimestampNanos(math.MaxInt64)
	default:
		return TimestampNanos(t.UnixNano())
	}
}

// TimestampNanos is a point in time as nanoseconds since 1970.
func TimestampNanos(ns int64) Value { return scalar(KindTimestamp, uint64(ns)) }

// Timespan is a length of time, to the nanosecond.
func Timespan(d time.Duration) Value { return scalar(KindTimespan, uint64(d)) }

// highString holds the first eight bytes of an address: nothing for zero, as
// in every IPv4 address, which saves the allocation.
func highString(hi uint64) string {
	if hi == 0 {
		return ""
	}
	return string(binary.BigEndian.AppendUint64(nil, hi))
}
