// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding/hex"
	"math"
	"net/netip"
	"testing"
	"time"
	"unsafe"
)

func TestValueIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Value{}); size > 32 {
		t.Errorf("a Value takes %d bytes, want at most 32", size)
	}
}

func TestRealOnTheWire(t *testing.T) {
	subnormal := math.Float64frombits(1)
	cases := []struct {
		f    float64
		wire uint64
	}{
		{0, 0},
		{math.Copysign(0, -1), 1 << 63},
		{1, 0x3ff0000000000000},
		{-math.MaxFloat64, 0xffefffffffffffff},
		{math.Inf(1), 0xfff0000000000000},
		{math.Inf(-1), 0x7ff0000000000000},
		{math.NaN(), 0xffffffffffffffff},
		{math.Float64frombits(0x7ff8000000000001), 0xffffffffffffffff},
		{subnormal, 0},
		{-subnormal, 1 << 63},
		{0x1p-1022, 0x0010000000000000},
	}
	for _, c := range cases {
		if got := realToWire(c.f); got != c.wire {
			t.Errorf("%v is written as %016x, want %016x", c.f, got, c.wire)
		}
	}
	reads := []struct {
		wire uint64
		f    float64
	}{
		{0xfff0000000000000, math.Inf(1)},
		{0x7ff0000000000000, math.Inf(-1)},
		{0xffffffffffffffff, math.NaN()},
		{0x7ff8000000000000, math.Inf(1)},
		{0x7fffffffffffffff, math.Inf(1)},
		{0xfff8000000000000, math.Inf(-1)},
		{0x0000000000000001, 0x1p-1023},
		{0x8000000000000001, -0x1p-1023},
		{0x0008000000000000, 0x1.8p-1023},
		{0x000fffffffffffff, 0x1p-1022},
		{0x3ff8000000000000, 1.5},
	}
	for _, c := range reads {
		got := realFromWire(c.wire)
		if got != c.f && !(math.IsNaN(got) && math.IsNaN(c.f)) {
			t.Errorf("%016x is read as %v, want %v", c.wire, got, c.f)
		}
	}
}

func TestNaNHasAPlace(t *testing.T) {
	nan, other := Real(math.NaN()), Real(math.Float64frombits(0xfff8000000000123))
	if !Equal(nan, other) || Compare(nan, Real(math.Inf(-1))) >= 0 || Compare(Integer(1), nan) >= 0 {
		t.Error("NaN isn't one value before all other reals")
	}
	if s := Set(Real(1), nan, Real(math.Inf(-1)), other); s.String() != "{nan, -inf, 1.000000}" {
		t.Errorf("set with NaN: %s", s)
	}
}

func TestAccessorsKeepToTheirKind(t *testing.T) {
	values := []Value{
		None(), Boolean(true), Count(1), Integer(1), Real(1), String("x"), Address(netip.MustParseAddr("::1")),
		Subnet(netip.MustParsePrefix("10.0.0.0/8")), Port(1, ProtocolTCP), TimestampNanos(1), Timespan(1), Enum("x"),
		Set(None()), Table(Entry{}), Vector(None()),
	}
	accessors := map[Kind]func(Value) bool{
		KindBoolean:   func(v Value) bool { x, ok := v.AsBoolean(); return ok && x },
		KindCount:     func(v Value) bool { x, ok := v.AsCount(); return ok && x == 1 },
		KindInteger:   func(v Value) bool { x, ok := v.AsInteger(); return ok && x == 1 },
		KindReal:      func(v Value) bool { x, ok := v.AsReal(); return ok && x == 1 },
		KindString:    func(v Value) bool { x, ok := v.AsString(); return ok && x == "x" && v.Len() == 1 },
		KindAddress:   func(v Value) bool { x, ok := v.AsAddress(); return ok && x.Is6() && x.IsLoopback() },
		KindSubnet:    func(v Value) bool { x, ok := v.AsSubnet(); return ok && x.String() == "10.0.0.0/8" },
		KindPort:      func(v Value) bool { x, p, ok := v.AsPort(); return ok && x == 1 && p == ProtocolTCP },
		KindTimestamp: func(v Value) bool { x, ok := v.AsTimestamp(); return ok && x.Equal(time.Unix(0, 1)) },
		KindTimespan:  func(v Value) bool { x, ok := v.AsTimespan(); return ok && x == 1 },
		KindEnum:      func(v Value) bool { x, ok := v.AsEnum(); return ok && x == "x" },
	}
	for i, v := range values {
		if v.Kind() != Kind(i) || v.IsNone() != (i == 0) || v.Kind().IsContainer() != (i >= 12) {
			t.Errorf("%s is of kind %s", v, v.Kind())
		}
		if k, ok := KindFromName(v.Kind().String()); !ok || k != v.Kind() {
			t.Errorf("kind %s is found as %s", v.Kind(), k)
		}
		for k, get := range accessors {
			if get(v) != (k == v.Kind()) {
				t.Errorf("accessor of %s on %s: %t", k, v.Kind(), get(v))
			}
		}
		if n := v.Len(); v.Kind().IsContainer() && n != 1 {
			t.Errorf("%s: length %d", v, n)
		}
	}
	if _, ok := Count(1).AsTimestampNanos(); ok {
		t.Error("a count is read as timestamp")
	}
	if _, ok := KindFromName("enum"); ok || Kind(15).String() != "kind(15)" || Protocol(4).String() != "?" {
		t.Error("unknown kinds or protocols have names")
	}
}

func TestSubnets(t *testing.T) {
	received := func(s string) Value {
		v, err := Decode(unhex(t, s))
		mustBe(t, err)
		return v
	}
	cases := []struct {
		v    Value
		want string
	}{
		{Subnet(netip.MustParsePrefix("10.1.2.3/8")), "10.0.0.0/8"},
		{Subnet(netip.MustParsePrefix("2001:db8::1/127")), "2001:db8::/127"},
		{Subnet(netip.MustParsePrefix("::/0")), "::/0"},
		{Subnet(netip.Prefix{}), "::/0"},
		{Subnet(netip.PrefixFrom(netip.MustParseAddr("::ffff:10.1.2.3"), 104)), "10.0.0.0/8"},
		{received("07 00000000000000000000ffff0a010203 68"), "10.1.2.3/8"},
		{received("07 00000000000000000000ffff0a010203 0a"), "::ffff:10.1.2.3/10"},
		{received("07 00000000000000000000ffff0a010203 81"), "invalid Prefix"},
	}
	for _, c := range cases {
		if p, ok := c.v.AsSubnet(); !ok || p.String() != c.want {
			t.Errorf("%s: %v, want %s", c.v, p, c.want)
		}
	}
	if v := Port(1, 9); v.String() != "1/?" {
		t.Errorf("unknown protocol: %s", v)
	}
	if a, ok := Address(netip.Addr{}).AsAddress(); !ok || a != netip.IPv6Unspecified() {
		t.Errorf("zero address: %s", a)
	}
}

func TestContainersOfConstructors(t *testing.T) {
	a, b, c := String("a"), String("b"), String("c")
	elems := []Value{c, a, b, a}
	entries := []Entry{{b, Count(1)}, {a, Count(2)}, {b, Count(3)}}
	cases := []struct {
		v    Value
		want string
	}{
		{Set(elems...), "{a, b, c}"},
		{Set(a, b), "{a, b}"},
		{Set(a, a), "{a}"},
		{Set(), "{}"},
		{Set(Real(math.Copysign(0, -1)), Real(0)), "{-0.000000}"},
		{Table(entries...), "{a -> 2, b -> 3}"},
		{Table(Entry{Real(0), a}, Entry{Real(math.Copysign(0, -1)), b}), "{0.000000 -> b}"},
		{Table(), "{}"},
		{Vector(elems...), "(c, a, b, a)"},
		{Vector(), "()"},
	}
	for _, c := range cases {
		if got := c.v.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if raw := c.v.AppendBinary(nil); Validate(raw) != nil {
			t.Errorf("%s is encoded to %s, which is no value", c.v, hex.EncodeToString(raw))
		}
	}
	if !Equal(elems[0], c) || !Equal(entries[0].Key, b) || !Equal(entries[0].Value, Count(1)) {
		t.Error("the caller's slice was changed")
	}
}

func TestReadingContainers(t *testing.T) {
	v := Vector(Count(7), Vector(String("x"), Set(Enum("e"))), Table(Entry{Count(1), Real(2)}), None())
	for i, want := range []string{"7", "(x, {e})", "{1 -> 2.000000}", "nil"} {
		if e, ok := v.Index(i); !ok || e.String() != want {
			t.Errorf("element %d is %s, want %s", i, e, want)
		}
	}
	for _, i := range []int{-1, 4} {
		if e, ok := v.Index(i); ok || !e.IsNone() {
			t.Errorf("element %d is %s", i, e)
		}
	}
	if e, ok := String("abc").Index(0); ok {
		t.Errorf("a string has element %s", e)
	}
	var leaves []string
	for leaf := range v.Leaves() {
		leaves = append(leaves, leaf.String())
	}
	if got := Vector(stringValues(leaves)...).String(); got != "(7, x, e, 1, 2.000000, nil)" {
		t.Errorf("leaves %s", got)
	}
	for leaf := range Count(3).Leaves() {
		if !Equal(leaf, Count(3)) {
			t.Errorf("leaf of a scalar: %s", leaf)
		}
	}
	for e := range v.Elements() {
		if !Equal(e, Count(7)) {
			t.Error("the loop went on after break")
		}
		break
	}
	var zero Reader
	if e, ok := zero.Next(); ok || zero.Len() != 0 {
		t.Errorf("zero Reader reads %s", e)
	}
}

func stringValues(all []string) (values []Value) {
	for _, s := range all {
		values = append(values, String(s))
	}
	return values
}

func TestLookupInAnyOrder(t *testing.T) {
	unsortedSet := unhex(t, "0c02 0101 0100")
	sortedSet := Set(Boolean(false), Boolean(true))
	// A table with the keys b, {T, F} as received, a.
	raw := append([]byte{byte(KindTable), 3}, unhex(t, "050162 01 01")...)
	raw = append(append(raw, unsortedSet...), unhex(t, "0201 00000000000000")...)
	raw = append(raw, unhex(t, "050161 00")...)
	table, err := Decode(raw)
	mustBe(t, err)
	if v, ok := table.Lookup(sortedSet); !ok || v.Kind() != KindCount {
		t.Errorf("under a set: %s, %t", v, ok)
	}
	if v, ok := table.Lookup(String("a")); !ok || !v.IsNone() || !table.Contains(String("b")) {
		t.Errorf("under a: %s, %t", v, ok)
	}
	if v, ok := table.Lookup(String("c")); ok || table.Contains(None()) {
		t.Errorf("under c: %s", v)
	}
	built := Table(Entry{String("a"), Count(1)}, Entry{String("c"), Count(2)})
	if v, ok := built.Lookup(String("c")); !ok || !Equal(v, Count(2)) {
		t.Errorf("under c: %s, %t", v, ok)
	}
	for _, key := range []Value{None(), String("b"), String("d")} {
		if built.Contains(key) || Set(String("a"), String("c")).Contains(key) || Vector(String("a")).Contains(key) {
			t.Errorf("%s is found", key)
		}
	}
	if !Vector(String("b"), String("a")).Contains(String("a")) || !Set(sortedSet).Contains(sortedSet) {
		t.Error("element isn't found")
	}
	if _, ok := Vector(String("a")).Lookup(String("a")); ok || Count(1).Contains(Count(1)) {
		t.Error("what isn't a table has keys, or a scalar elements")
	}
}
