// SPDX-License-Identifier: Apache-2.0

package data

import (
	"math"
	"net/netip"
	"testing"
	"time"
)

// buildEvent2 is event2 by a Builder.
func buildEvent2(b *Builder) Value {
	unspecified := netip.IPv6Unspecified()
	b.Count(1)
	b.Count(1)
	b.BeginVector()
	b.String("event_2")
	b.BeginVector()
	b.TimestampNanos(1700000000123456789)
	b.String("CHhAvVGS1DHFjwGM9")
	b.BeginVector()
	b.Address(unspecified)
	b.Port(4567, ProtocolTCP)
	b.Address(unspecified)
	b.Port(80, ProtocolTCP)
	b.End()
	b.Enum("tcp")
	b.String("http")
	b.Timespan(140 * time.Millisecond)
	b.Count(42)
	b.Count(1234567)
	b.Enum("SF")
	b.Boolean(true)
	b.Boolean(false)
	b.Count(0)
	b.String("ShADadFf")
	b.Count(10)
	b.Count(500)
	b.Count(8)
	b.Count(4000)
	b.BeginSet()
	b.String("a")
	b.String("b")
	b.End()
	return b.Vector()
}

// appendTree appends v the long way: containers by their elements, scalars by
// the method of their kind.
func appendTree(b *Builder, v Value) {
	switch v.Kind() {
	case KindNone:
		b.None()
	case KindBoolean:
		x, _ := v.AsBoolean()
		b.Boolean(x)
	case KindCount:
		x, _ := v.AsCount()
		b.Count(x)
	case KindInteger:
		x, _ := v.AsInteger()
		b.Integer(x)
	case KindString:
		x, _ := v.AsString()
		b.String(x)
	case KindEnum:
		x, _ := v.AsEnum()
		b.Enum(x)
	case KindAddress:
		x, _ := v.AsAddress()
		b.Address(x)
	case KindPort:
		x, p, _ := v.AsPort()
		b.Port(x, p)
	case KindTimestamp:
		x, _ := v.AsTimestamp()
		b.Timestamp(x)
	case KindTimespan:
		x, _ := v.AsTimespan()
		b.Timespan(x)
	case KindSet, KindTable, KindVector:
		switch v.Kind() {
		case KindSet:
			b.BeginSet()
		case KindTable:
			b.BeginTable()
		default:
			b.BeginVector()
		}
		for r := v.Reader(); r.Len() > 0; {
			e, _ := r.Next()
			appendTree(b, e)
		}
		b.End()
	default: // reals and subnets that were received may be odd
		b.Append(v)
	}
}

func TestBuilderMakesTheSame(t *testing.T) {
	var b Builder
	if got, want := buildEvent2(&b), event2(); !sameBytes(got, want) || got.m != want.m {
		t.Errorf("event 2 is %s, want %s", got.Text(), want.Text())
	}
	for i, line := range readVectors(t, "values.jsonl") {
		v, err := Decode(line.bytes(t))
		mustBe(t, err)
		appendTree(&b, v)
		if got, want := b.Vector(), Vector(v); !sameBytes(got, want) || got.Depth() != want.Depth() {
			t.Errorf("values.jsonl:%d: built %s, want %s", i+1, got.Text(), want.Text())
		}
	}
	large := manyCounts(20000)
	for _, v := range []Value{Vector(large...), Set(large...), Vector(Vector(large...), Vector(large[:127]...), Vector(large[:128]...))} {
		appendTree(&b, v)
		if raw := b.AppendBinary([]byte("x")); string(raw) != "x"+string(Vector(v).AppendBinary(nil)) {
			t.Errorf("%d elements are written otherwise than by Vector", v.Len())
		}
	}
	appendTree(&b, nestedVectors(300))
	if got := b.Vector(); got.Depth() != 301 || !got.TooDeep() {
		t.Errorf("301 levels are %d", got.Depth())
	}
}

func TestBuilderSortsAndForgives(t *testing.T) {
	negative := math.Copysign(0, -1)
	var b Builder
	cases := []struct {
		build func()
		want  string
	}{
		{func() {}, "()"},
		{func() { b.End(); b.Count(1); b.End() }, "(1)"},
		{func() { b.BeginVector(); b.BeginSet() }, "(({}))"},
		{func() { b.BeginTable(); b.Count(1) }, "({1 -> nil})"},
		{func() {
			b.BeginSet()
			b.Count(2)
			b.Count(1)
			b.Count(2)
			b.End()
			b.None()
		}, "({1, 2}, nil)"},
		{func() { b.BeginSet(); b.Real(0); b.Real(negative); b.End() }, "({0.0})"},
		{func() {
			b.BeginTable()
			b.String("b")
			b.Count(1)
			b.String("a")
			b.Count(2)
			b.String("b")
			b.Count(3)
		}, `({"a" -> 2, "b" -> 3})`},
		{func() {
			b.BeginTable()
			b.Real(negative)
			b.Count(1)
			b.Real(0)
			b.Count(2)
			b.End()
		}, "({-0.0 -> 2})"},
		{func() {
			b.Port(7, 9)
			b.Subnet(netip.Prefix{})
			b.Subnet(netip.MustParsePrefix("10.9.9.9/8"))
			b.Real(1)
		}, "(7/?, ::/0, 10.0.0.0/8, 1.0)"},
		{func() { b.Count(1); b.BeginVector(); b.Reset(); b.Count(2) }, "(2)"},
	}
	for _, c := range cases {
		c.build()
		v := b.Vector()
		if got := v.Text(); got != c.want || Validate(v.AppendBinary(nil)) != nil || b.Len() != 0 {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	unordered, err := Decode(unhex(t, "0e01 0c02 0101 0100"))
	mustBe(t, err)
	b.BeginSet()
	b.Append(unordered)
	b.Append(None())
	if v := b.Vector(); v.Text() != "({nil, ({F, T})})" || v.m.flags()&flagUnordered != 0 {
		t.Errorf("a set of an unordered set is %s", v.Text())
	}
	b.Count(1)
	b.BeginVector()
	b.Count(2)
	if b.Len() != 2 {
		t.Errorf("%d elements, want 2", b.Len())
	}
}

func TestBuilderAllocations(t *testing.T) {
	var b Builder
	for range 2 {
		buildEvent2(&b)
	}
	buf := make([]byte, 0, 1024)
	cases := []struct {
		name string
		max  float64
		do   func()
	}{
		{"event 2 as a value", 1, func() { buildEvent2(&b) }},
		{"bytes with an unsorted set", 0, func() {
			b.BeginSet()
			b.Count(2)
			b.Count(1)
			buf = b.AppendBinary(buf[:0])
		}},
	}
	for _, c := range cases {
		if got := testing.AllocsPerRun(100, c.do); got > c.max {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.max)
		}
	}
}

func BenchmarkBuilderEvent2(b *testing.B) {
	buf := make([]byte, 0, 1024)
	var builder Builder
	b.ReportAllocs()
	for b.Loop() {
		buf = buildEvent2(&builder).AppendBinary(buf[:0])
	}
}
