// SPDX-License-Identifier: Apache-2.0

package data

import (
	"net/netip"
	"time"
)

// AsBoolean is the truth value; ok is false if v is of another kind, as with
// all accessors. There is no conversion between kinds.
func (v Value) AsBoolean() (b, ok bool) {
	if v.Kind() != KindBoolean {
		return false, false
	}
	return v.n != 0, true
}

// AsCount is the number of a count.
func (v Value) AsCount() (x uint64, ok bool) {
	if v.Kind() != KindCount {
		return 0, false
	}
	return v.n, true
}

// AsInteger is the number of an integer.
func (v Value) AsInteger() (x int64, ok bool) {
	if v.Kind() != KindInteger {
		return 0, false
	}
	return int64(v.n), true
}

// AsReal is the number of a real, as the reference reads its bytes.
func (v Value) AsReal() (f float64, ok bool) {
	if v.Kind() != KindReal {
		return 0, false
	}
	return realFromWire(v.n), true
}

// AsString is a string's bytes; they may be any bytes.
func (v Value) AsString() (s string, ok bool) {
	if v.Kind() != KindString {
		return "", false
	}
	return v.s, true
}

// AsEnum is the name of an enum value.
func (v Value) AsEnum() (name string, ok bool) {
	if v.Kind() != KindEnum {
		return "", false
	}
	return v.s, true
}

// AsAddress is the address; IPv4 in its four-byte form.
func (v Value) AsAddress() (a netip.Addr, ok bool) {
	if v.Kind() != KindAddress {
		return netip.Addr{}, false
	}
	return addr16(v.high(), v.n).Unmap(), true
}

// AsSubnet is the network. Received ones are not checked: host bits may be
// set, a length above 128 bits gives an invalid prefix, and a mapped IPv4
// address with less than its 96 leading bits stays in IPv6 form.
func (v Value) AsSubnet() (p netip.Prefix, ok bool) {
	if v.Kind() != KindSubnet {
		return netip.Prefix{}, false
	}
	return prefixOf(v.high(), v.n, v.m.aux()), true
}

// AsPort is a port's number and protocol.
func (v Value) AsPort() (number uint16, p Protocol, ok bool) {
	if v.Kind() != KindPort {
		return 0, 0, false
	}
	return uint16(v.n >> 8), Protocol(v.n), true
}

// AsTimestampNanos is a timestamp as nanoseconds since 1970.
func (v Value) AsTimestampNanos() (ns int64, ok bool) {
	if v.Kind() != KindTimestamp {
		return 0, false
	}
	return int64(v.n), true
}

// AsTimestamp is a timestamp as UTC time.
func (v Value) AsTimestamp() (t time.Time, ok bool) {
	if v.Kind() != KindTimestamp {
		return time.Time{}, false
	}
	return time.Unix(0, int64(v.n)).UTC(), true
}

// AsTimespan is the length of time.
func (v Value) AsTimespan() (d time.Duration, ok bool) {
	if v.Kind() != KindTimespan {
		return 0, false
	}
	return time.Duration(v.n), true
}
