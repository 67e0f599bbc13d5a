// SPDX-License-Identifier: Apache-2.0

package data

import (
	"net/netip"
	"testing"
	"time"
)

// event1 is the small event of the published workloads.
func event1() Value {
	return Vector(Count(1), Count(1), Vector(String("event_1"), Vector(Integer(42), String("test"))))
}

// event2 is the large one, like a line of conn.log.
func event2() Value {
	unspecified := netip.IPv6Unspecified()
	return Vector(Count(1), Count(1), Vector(String("event_2"), Vector(
		TimestampNanos(1700000000123456789),
		String("CHhAvVGS1DHFjwGM9"),
		Vector(Address(unspecified), Port(4567, ProtocolTCP), Address(unspecified), Port(80, ProtocolTCP)),
		Enum("tcp"), String("http"), Timespan(140*time.Millisecond), Count(42), Count(1234567), Enum("SF"),
		Boolean(true), Boolean(false), Count(0), String("ShADadFf"), Count(10), Count(500), Count(8), Count(4000),
		Set(String("a"), String("b")),
	)))
}

// digest reads a leaf and answers a number, so that nothing is optimised away.
func digest(v Value) uint64 {
	switch v.Kind() {
	case KindCount:
		x, _ := v.AsCount()
		return x
	case KindInteger:
		x, _ := v.AsInteger()
		return uint64(x)
	case KindString:
		x, _ := v.AsString()
		return uint64(len(x))
	case KindAddress:
		x, _ := v.AsAddress()
		return uint64(x.BitLen())
	default:
		return uint64(v.Kind())
	}
}

// digestTree reads every leaf the way a program does that knows its events.
func digestTree(v Value) (sum uint64) {
	if !v.Kind().IsContainer() {
		return digest(v)
	}
	r := v.Reader()
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		sum += digestTree(e)
	}
	return sum
}

func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 1024)
	one, two := event1(), event2()
	rawOne, rawTwo := one.AppendBinary(nil), two.AppendBinary(nil)
	large := Set(manyCounts(1000)...)
	rawSet := Table(Entry{large, Set(large)}, Entry{Vector(large), None()}).AppendBinary(nil)
	var sum uint64
	cases := []struct {
		name string
		max  float64
		do   func()
	}{
		{"build event 1", 3, func() { sum += uint64(event1().Len()) }},
		{"build and encode event 1", 3, func() { buf = event1().AppendBinary(buf[:0]) }},
		{"build event 2", 5, func() { sum += uint64(event2().Len()) }},
		{"encode event 2", 0, func() { buf = two.AppendBinary(buf[:0]) }},
		{"validate event 1", 0, func() { mustBe(t, Validate(rawOne)) }},
		{"validate event 2", 0, func() { mustBe(t, Validate(rawTwo)) }},
		{"validate sets and tables", 0, func() { mustBe(t, Validate(rawSet)) }},
		{"view", 0, func() { _, err := View(rawTwo); mustBe(t, err) }},
		{"decode prefix", 0, func() { _, _, err := DecodePrefix(rawTwo); mustBe(t, err) }},
		{"decode", 1, func() { _, err := Decode(rawTwo); mustBe(t, err) }},
		{"leaves", 0, func() {
			v, _ := View(rawTwo)
			for leaf := range v.Leaves() {
				sum += digest(leaf)
			}
		}},
		{"elements", 0, func() {
			v, _ := View(rawTwo)
			for e := range v.Elements() {
				sum += uint64(e.Kind())
			}
		}},
		{"reader", 0, func() { v, _ := View(rawTwo); sum += digestTree(v) }},
		{"index", 0, func() { v, _ := View(rawTwo); e, _ := v.Index(2); sum += uint64(e.Len()) }},
		{"compare", 0, func() { sum += uint64(Compare(one, two)) }},
		{"contains", 0, func() { large.Contains(Count(999)) }},
	}
	for _, c := range cases {
		if got := testing.AllocsPerRun(100, c.do); got > c.max {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.max)
		}
	}
}

func mustBe(t testing.TB, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func manyCounts(n int) []Value {
	var all []Value
	for i := range n {
		all = append(all, Count(uint64(i)))
	}
	return all
}

func BenchmarkBuildEvent1(b *testing.B) {
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = event1().AppendBinary(buf[:0])
	}
}

func BenchmarkBuildEvent2(b *testing.B) {
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = event2().AppendBinary(buf[:0])
	}
}

func BenchmarkValidateEvent1(b *testing.B) { benchmarkValidate(b, event1()) }
func BenchmarkValidateEvent2(b *testing.B) { benchmarkValidate(b, event2()) }

func benchmarkValidate(b *testing.B, v Value) {
	raw := v.AppendBinary(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if err := Validate(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadEvent1(b *testing.B)   { benchmarkRead(b, event1(), digestTree) }
func BenchmarkReadEvent2(b *testing.B)   { benchmarkRead(b, event2(), digestTree) }
func BenchmarkLeavesEvent1(b *testing.B) { benchmarkRead(b, event1(), digestLeaves) }
func BenchmarkLeavesEvent2(b *testing.B) { benchmarkRead(b, event2(), digestLeaves) }

func digestLeaves(v Value) (sum uint64) {
	for leaf := range v.Leaves() {
		sum += digest(leaf)
	}
	return sum
}

// benchmarkRead views received bytes, which checks them, and reads every leaf.
func benchmarkRead(b *testing.B, v Value, read func(Value) uint64) {
	raw := v.AppendBinary(nil)
	want := read(v)
	b.ReportAllocs()
	for b.Loop() {
		v, err := View(raw)
		if err != nil || read(v) != want {
			b.Fatal(err)
		}
	}
}
