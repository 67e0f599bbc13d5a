// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"math"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Checksum reads every leaf of a value and adds up what it finds. The order of
// leaves doesn't matter, so sums of messages can be added in any order.
func Checksum(v data.Value) uint64 {
	switch v.Kind() {
	case data.KindNone:
		return 1
	case data.KindVector, data.KindSet, data.KindTable:
		return children(v)
	case data.KindString:
		s, _ := v.AsString()
		return text(s)
	case data.KindEnum:
		s, _ := v.AsEnum()
		return text(s)
	default:
		return scalar(v)
	}
}

// children adds up the elements; a table's reader gives keys and values in
// turn.
func children(v data.Value) uint64 {
	sum := uint64(v.Len())
	for r := v.Reader(); ; {
		e, ok := r.Next()
		if !ok {
			return sum
		}
		sum += Checksum(e)
	}
}

func scalar(v data.Value) uint64 {
	switch v.Kind() {
	case data.KindBoolean:
		if b, _ := v.AsBoolean(); b {
			return 2
		}
		return 3
	case data.KindCount:
		x, _ := v.AsCount()
		return x
	case data.KindInteger:
		x, _ := v.AsInteger()
		return uint64(x)
	case data.KindReal:
		f, _ := v.AsReal()
		return math.Float64bits(f)
	case data.KindTimestamp:
		ns, _ := v.AsTimestampNanos()
		return uint64(ns)
	case data.KindTimespan:
		d, _ := v.AsTimespan()
		return uint64(d)
	case data.KindPort:
		number, protocol, _ := v.AsPort()
		return uint64(number)<<8 | uint64(protocol)
	case data.KindAddress:
		a, _ := v.AsAddress()
		b := a.As16()
		return text(string(b[:]))
	case data.KindSubnet:
		p, _ := v.AsSubnet()
		b := p.Addr().As16()
		return text(string(b[:])) + uint64(p.Bits())
	default:
		return 0
	}
}

// text is FNV-1a over the bytes.
func text(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
