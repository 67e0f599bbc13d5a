// SPDX-License-Identifier: Apache-2.0

package data

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// unhex reads hexadecimal digits with blanks between them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nested is n vectors one in the other, the innermost empty.
func nested(n int) []byte {
	return append(bytes.Repeat([]byte{byte(KindVector), 1}, n-1), byte(KindVector), 0)
}

func TestDecodeRefuses(t *testing.T) {
	cases := []struct {
		name, input string
		offset      int
		msg         string
	}{
		{"nothing", "", 0, msgTruncated},
		{"unknown tag", "0f", 0, msgKind},
		{"unknown tag inside", "0e02 00 ff", 3, msgKind},
		{"boolean without content", "01", 1, msgTruncated},
		{"count too short", "02 00000000000000", 8, msgTruncated},
		{"string too short", "05 03 6162", 4, msgTruncated},
		{"string without size", "05", 1, msgTruncated},
		{"size that doesn't end", "05 8080", 3, msgTruncated},
		{"size of six bytes", "05 808080808000", 1, msgVarbyte},
		{"size of 2^32", "05 8080808010", 1, msgVarbyte},
		{"enum too short", "0b 01", 2, msgTruncated},
		{"address too short", "06 0000000000000000000000000000ff", 16, msgTruncated},
		{"subnet too short", "07 00000000000000000000000000000000", 17, msgTruncated},
		{"port too short", "08 0050", 3, msgTruncated},
		{"port protocol", "08 0050 04", 3, msgProtocol},
		{"bytes behind", "00 00", 1, msgTrailing},
		{"vector without size", "0e", 1, msgTruncated},
		{"vector too short", "0e03 0000 01", 5, msgTruncated},
		{"more elements than bytes", "0e ffffffff0f 00", 1, msgCount},
		{"more entries than bytes", "0d02 000000", 1, msgCount},
		{"same element twice", "0c02 0101 0101", 4, msgDuplicate},
		{"same element twice, apart", "0c03 020000000000000001 00 020000000000000001", 12, msgDuplicate},
		{"both zeros", "0c02 040000000000000000 048000000000000000", 11, msgDuplicate},
		{"two patterns of NaN's neighbour", "0c02 04fff0000000000000 047ff8000000000000", 11, msgDuplicate},
		{"true twice", "0c02 0101 0102", 4, msgDuplicate},
		{"size in two forms", "0c02 050161 05810061", 5, msgDuplicate},
		{"same set in two orders", "0c02 0c020001 01 0c02 010100", 7, msgDuplicate},
		{"same key twice", "0d02 0000 000101", 4, msgDuplicate},
		{"duplicate below", "0e01 0d01 00 0c02 0101 0101", 9, msgDuplicate},
	}
	for _, c := range cases {
		b := unhex(t, c.input)
		v, err := Decode(b)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.offset || syntax.Msg != c.msg || !v.IsNone() {
			t.Errorf("%s: got %v, %v, want offset %d: %s", c.name, v, err, c.offset, c.msg)
		}
		if Validate(b) == nil {
			t.Errorf("%s: Validate finds nothing", c.name)
		}
		if _, err := View(b); err == nil {
			t.Errorf("%s: View finds nothing", c.name)
		}
		_, n, err := DecodePrefix(b)
		if (err == nil) != (c.msg == msgTrailing) || err == nil && n != c.offset {
			t.Errorf("%s: DecodePrefix answers %d, %v", c.name, n, err)
		}
	}
}

func TestDepthLimit(t *testing.T) {
	v, err := Decode(nested(MaxDepth))
	if err != nil || v.Depth() != MaxDepth || v.TooDeep() {
		t.Errorf("%d vectors: depth %d, %v", MaxDepth, v.Depth(), err)
	}
	var syntax *SyntaxError
	for _, n := range []int{MaxDepth + 1, 1000, 100000} {
		if _, err := Decode(nested(n)); !errors.As(err, &syntax) || syntax.Msg != msgDepth {
			t.Errorf("%d vectors: %v, want %s", n, err, msgDepth)
		}
	}
	// A bound that was reached by taking apart and putting together again
	// is not mistaken for the depth.
	shallow, _ := Vector(v, Count(1), Vector()).Index(2)
	for range 3 {
		shallow = Vector(shallow)
	}
	if shallow.TooDeep() || shallow.Depth() != 4 {
		t.Errorf("depth %d, too deep: %t, want 4", shallow.Depth(), shallow.TooDeep())
	}
	if deep := Vector(v); !deep.TooDeep() || Validate(deep.AppendBinary(nil)) == nil {
		t.Error("a vector around the deepest value isn't too deep")
	}
	for range 300 {
		v = Vector(v)
	}
	if !v.TooDeep() || v.Depth() != MaxDepth+300 {
		t.Errorf("depth %d, too deep: %t", v.Depth(), v.TooDeep())
	}
}

// Every strict prefix of a value is refused at its end, or where its count
// can't be right any more.
func TestDecodePrefixes(t *testing.T) {
	for _, v := range []Value{event1(), event2(), Table(Entry{String("k"), Set(Real(1), Boolean(true))})} {
		raw := v.AppendBinary(nil)
		for n := range raw {
			var syntax *SyntaxError
			_, err := Decode(raw[:n])
			if !errors.As(err, &syntax) || syntax.Msg != msgTruncated && syntax.Msg != msgCount {
				t.Errorf("%s: prefix of %d bytes: %v", v, n, err)
			}
		}
		got, n, err := DecodePrefix(append(raw, 0x55, 0x55))
		if err != nil || n != len(raw) || !Equal(got, v) {
			t.Errorf("DecodePrefix: %v of %d bytes, %v; want %v", got, n, err, v)
		}
	}
}

func TestReceivedBytesStay(t *testing.T) {
	cases := []struct{ name, input, canonical, text string }{
		{"true as 2", "0102", "0101", "T"},
		{"wide string size", "05 828000 6162", "05 02 6162", "ab"},
		{"wide enum size", "0b 8100 61", "0b0161", "a"},
		{"wide vector size", "0e 8180808000 00", "0e01 00", "(nil)"},
		{"wide size inside", "0e01 0d 8100 05 8100 61 00", "0e01 0d01 050161 00", "({a -> nil})"},
		{"IEEE infinity with payload", "04 7ff8000000000000", "04 fff0000000000000", "inf"},
		{"negative one", "0e01 04 fff8000000000000", "0e01 04 7ff0000000000000", "(-inf)"},
		{"NaN", "04 ffffffffffffffff", "04 ffffffffffffffff", "nan"},
		{"exponent 0", "04 0000000000000001", "04 0000000000000001", "0.000000"},
		{"unmasked subnet", "07 00000000000000000000ffff01020304 0a", "07 00000000000000000000ffff01020304 0a", "1.2.3.4/170"},
		{"subnet of 255 bits", "07 20010db8000000000000000000000000 ff", "07 20010db8000000000000000000000000 ff", "2001:db8::/255"},
		{"set", "0c03 0101 00 0100", "0c03 00 0100 0101", "{nil, F, T}"},
		{"table", "0d02 050162 0e00 050161 0c02 0101 0100", "0d02 050161 0c02 0100 0101 050162 0e00", "{a -> {F, T}, b -> ()}"},
		{"set of sets", "0c02 0c02 0101 0100 0c00", "0c02 0c00 0c02 0100 0101", "{{}, {F, T}}"},
	}
	for _, c := range cases {
		raw := unhex(t, c.input)
		v, err := Decode(raw)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := v.AppendBinary(nil); !bytes.Equal(got, raw) || v.BinarySize() != len(raw) {
			t.Errorf("%s: encoded to %x, size %d, want %x", c.name, got, v.BinarySize(), raw)
		}
		want := unhex(t, c.canonical)
		canonical := Canonical(v)
		if got := canonical.AppendBinary(nil); !bytes.Equal(got, want) {
			t.Errorf("%s: canonical is %x, want %x", c.name, got, want)
		}
		if !sameBytes(Canonical(canonical), canonical) || !Equal(v, canonical) || Compare(canonical, v) != 0 {
			t.Errorf("%s: canonical form isn't canonical or isn't equal", c.name)
		}
		if got := v.String(); got != c.text {
			t.Errorf("%s: text %q, want %q", c.name, got, c.text)
		}
		if got := Vector(v, v).AppendBinary(nil); !bytes.Equal(got[2:2+len(raw)], raw) {
			t.Errorf("%s: inside a vector the bytes are %x", c.name, got)
		}
		if got := Canonical(Vector(v)).AppendBinary(nil); !bytes.Equal(got[2:], want) {
			t.Errorf("%s: canonical inside a vector is %x, want %x", c.name, got[2:], want)
		}
	}
}

func TestDecodeCopiesAndViewDoesNot(t *testing.T) {
	raw := Vector(String("abc")).AppendBinary(nil)
	copied, err := Decode(raw)
	mustBe(t, err)
	viewed, err := View(raw)
	mustBe(t, err)
	cloned := viewed.Clone()
	raw[len(raw)-1] = 'x'
	if copied.String() != "(abc)" || viewed.String() != "(abx)" || cloned.String() != "(abc)" {
		t.Errorf("copied %v, viewed %v, cloned %v", copied, viewed, cloned)
	}
}

// Duplicates among many elements in the worst order are found quickly: a
// quadratic search would take minutes here.
func TestManyUnsortedElements(t *testing.T) {
	const n = 300_000
	build := func(last uint64) []byte {
		b := appendVarbyte([]byte{byte(KindSet)}, n, 0)
		for i := range uint64(n - 1) {
			b = Count(n - i).AppendBinary(b)
		}
		return Count(last).AppendBinary(b)
	}
	if err := Validate(build(0)); err != nil {
		t.Error(err)
	}
	if Validate(build(2)) == nil {
		t.Error("the duplicate is not found")
	}
}

// Sets in sets, each unsorted, must not be sorted again for each comparison of
// what is around them.
func TestNestedUnsortedSets(t *testing.T) {
	inner := []byte{byte(KindSet), 2, 1, 1, 1, 0}
	for depth := range 17 {
		b := []byte{byte(KindSet), 3}
		b = append(b, byte(KindVector), 2, byte(KindCount), 0, 0, 0, 0, 0, 0, 0, byte(depth))
		b = append(b, inner...)
		b = append(b, inner...)
		inner = append(b, byte(KindNone))
	}
	v, err := Decode(inner)
	mustBe(t, err)
	canonical := Canonical(v)
	if !Equal(v, canonical) || v.String() != canonical.String() {
		t.Error("canonical form differs")
	}
}
