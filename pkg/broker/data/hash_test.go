// SPDX-License-Identifier: Apache-2.0

package data

import (
	"hash/maphash"
	"math"
	"testing"
)

func TestHashFollowsEqual(t *testing.T) {
	seed := maphash.MakeSeed()
	received := func(digits string) Value {
		v, err := Decode(unhex(t, digits))
		mustBe(t, err)
		return v
	}
	negative := Real(math.Copysign(0, -1))
	same := [][2]Value{
		{Real(0), negative},
		{Vector(None(), Real(0), String("x")), Vector(None(), negative, String("x"))},
		{Table(Entry{negative, Real(1)}), Table(Entry{Real(0), Real(1)})},
		{received("01 02"), Boolean(true)},
		{received("04 7ff8000000000000"), Real(math.Inf(1))},
		{received("04 000fffffffffffff"), Real(0x1p-1022)},
		{received("0e01 04 000fffffffffffff"), Vector(Real(0x1p-1022))},
		{received("0e8100 0107"), Vector(Boolean(true))},
		{received("05810061"), String("a")},
		{received("0c02 0101 0100"), Set(Boolean(true), Boolean(false))},
		{received("0e02 00 0c02 0101 0100"), Vector(None(), Set(Boolean(true), Boolean(false)))},
	}
	for _, pair := range same {
		if a, b := pair[0], pair[1]; !Equal(a, b) || a.Hash(seed) != b.Hash(seed) {
			t.Errorf("%s and %s: hashes %x, %x", a.Text(), b.Text(), a.Hash(seed), b.Hash(seed))
		}
	}
	seen := map[uint64]Value{}
	for _, line := range append(readVectors(t, "order.jsonl"), readVectors(t, "values.jsonl")...) {
		v, err := Decode(line.bytes(t))
		mustBe(t, err)
		h := v.Hash(seed)
		if other, ok := seen[h]; ok && !Equal(other, v) {
			t.Errorf("%s and %s have the same hash", v.Text(), other.Text())
		}
		seen[h] = v
		if v.Hash(maphash.MakeSeed()) == h {
			t.Errorf("%s: the seed doesn't matter", v.Text())
		}
		outer, first := Vector(v, v), Value{}
		if first, _ = outer.Index(0); first.Hash(seed) != h {
			t.Errorf("%s: read from a vector it has another hash", v.Text())
		}
	}
	two := event2()
	for _, v := range []Value{Count(1), Real(0.5), String("a"), two, Set(manyCounts(1000)...), Vector(negative)} {
		if n := testing.AllocsPerRun(100, func() { v.Hash(seed) }); n != 0 {
			t.Errorf("hashing %s takes %v allocations", describe(v), n)
		}
	}
}

func BenchmarkHashString(b *testing.B) { benchmarkHash(b, String("CHhAvVGS1DHFjwGM9")) }
func BenchmarkHashCount(b *testing.B)  { benchmarkHash(b, Count(42)) }
func BenchmarkHashEvent2(b *testing.B) { benchmarkHash(b, event2()) }

func benchmarkHash(b *testing.B, v Value) {
	seed := maphash.MakeSeed()
	b.ReportAllocs()
	for b.Loop() {
		v.Hash(seed)
	}
}

// Looking things up in tables and sets of a size that programs use.
func BenchmarkLookupSmall(b *testing.B)   { benchmarkLookup(b, 10) }
func BenchmarkLookupLarge(b *testing.B)   { benchmarkLookup(b, 1000) }
func BenchmarkContainsSmall(b *testing.B) { benchmarkContains(b, 10) }
func BenchmarkContainsLarge(b *testing.B) { benchmarkContains(b, 1000) }

func benchmarkLookup(b *testing.B, n int) {
	var entries []Entry
	for i := range n {
		entries = append(entries, Entry{String("key-" + string(rune('a'+i%26)) + Count(uint64(i)).String()), Count(uint64(i))})
	}
	table, key := Table(entries...), entries[n-1].Key
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := table.Lookup(key); !ok {
			b.Fatal("not found")
		}
	}
}

func benchmarkContains(b *testing.B, n int) {
	set := Set(manyCounts(n)...)
	b.ReportAllocs()
	for b.Loop() {
		if !set.Contains(Count(uint64(n - 1))) {
			b.Fatal("not found")
		}
	}
}

func BenchmarkCompareEvent2(b *testing.B) {
	x, y := event2(), event2()
	b.ReportAllocs()
	for b.Loop() {
		if Compare(x, y) != 0 {
			b.Fatal("not equal")
		}
	}
}

func BenchmarkEqualEvent2(b *testing.B) {
	x, y := event2(), event2()
	for b.Loop() {
		if !Equal(x, y) {
			b.Fatal("not equal")
		}
	}
}
