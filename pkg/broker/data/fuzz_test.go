// SPDX-License-Identifier: Apache-2.0

package data

import (
	"bytes"
	"errors"
	"hash/maphash"
	"testing"
)

// FuzzDecode checks that no input panics, that what decodes is encoded to the
// same bytes, and that order and canonical form keep their promises.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"values.jsonl", "order.jsonl"} {
		for _, line := range readVectors(f, name) {
			f.Add(line.bytes(f))
		}
	}
	f.Add(nested(MaxDepth + 1))
	f.Add(unhex(f, "0c03 0101 00 0100"))
	f.Add(unhex(f, "0e8100 0d02 050162 05828000 6162 050161 0c02 0102 0100"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Decode(b)
		var syntax *SyntaxError
		if err != nil {
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(b) || Validate(b) == nil {
				t.Fatalf("%v; Validate: %v", err, Validate(b))
			}
			return
		}
		if got := v.AppendBinary(nil); !bytes.Equal(got, b) || v.BinarySize() != len(b) || Validate(b) != nil {
			t.Fatalf("encoded to %x (size %d), want %x", got, v.BinarySize(), b)
		}
		checkCanonical(t, v)
		checkElements(t, v)
		checkText(t, v)
		checkHash(t, v)
		if prefix, n, err := DecodePrefix(append(b, b...)); err != nil || n != len(b) || !Equal(prefix, v) {
			t.Fatalf("DecodePrefix: %v, %d, %v", prefix, n, err)
		}
	})
}

func checkCanonical(t *testing.T, v Value) {
	c := Canonical(v)
	if Compare(v, c) != 0 || Compare(c, v) != 0 || !Equal(v, c) || !sameBytes(Canonical(c), c) {
		t.Fatalf("canonical form of %s is %s", v, c)
	}
	if again, err := Decode(c.AppendBinary(nil)); err != nil || !Equal(again, v) || again.m.flags() != 0 {
		t.Fatalf("canonical form decodes to %v, %v", again, err)
	}
	if v.String() != c.String() {
		t.Fatalf("text %q, canonical %q", v, c)
	}
}

// checkElements takes a container apart in each way that there is.
func checkElements(t *testing.T, v Value) {
	var all []Value
	for r := v.Reader(); r.Len() > 0; {
		e, ok := r.Next()
		if !ok || e.Depth() > v.Depth()-1 {
			t.Fatalf("element of depth %d in a value of depth %d", e.Depth(), v.Depth())
		}
		all = append(all, e)
	}
	switch v.Kind() {
	case KindVector:
		if !sameBytes(Canonical(Vector(all...)), Canonical(v)) {
			t.Fatalf("%s: built again it is %s", v, Vector(all...))
		}
	case KindSet:
		if !Equal(Set(all...), v) || Set(all...).Len() != len(all) {
			t.Fatalf("%s: built again it is %s", v, Set(all...))
		}
	case KindTable:
		var entries []Entry
		for k, x := range v.Entries() {
			entries = append(entries, Entry{k, x})
			if got, ok := v.Lookup(k); !ok || !sameBytes(got, x) {
				t.Fatalf("%s: under %s there is %v, want %s", v, k, got, x)
			}
		}
		if !Equal(Table(entries...), v) || len(all) != 2*v.Len() {
			t.Fatalf("%s: built again it is %s", v, Table(entries...))
		}
	}
	for i, a := range all[:min(len(all), 20)] {
		for j, b := range all[:min(len(all), 20)] {
			c := Compare(a, b)
			if sign(c) != -sign(Compare(b, a)) || Equal(a, b) != (c == 0) || v.Kind() == KindSet && (c == 0) != (i == j) {
				t.Fatalf("Compare(%s, %s) = %d, reversed %d", a, b, c, Compare(b, a))
			}
		}
	}
}

// FuzzVarbyte checks that a size is read as the format says, however many
// groups it has.
func FuzzVarbyte(f *testing.F) {
	for _, s := range []string{"00", "7f", "8001", "ac02", "ffffffff0f", "ffffffff10", "8000", "8080808000", "808080808000", "80"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, n, err := Varbyte(b)
		if err != nil {
			return
		}
		if n < 1 || n > maxVarbyte || !bytes.Equal(appendVarbyte(nil, uint64(x), uint8(n)), b[:n]) {
			t.Fatalf("%x is read as %d from %d bytes", b, x, n)
		}
		minimal := AppendVarbyte(nil, x)
		if y, m, err := Varbyte(minimal); err != nil || y != x || m != len(minimal) || m > n {
			t.Fatalf("%d is written as %x, which is %d, %v", x, minimal, y, err)
		}
	})
}

// FuzzParseScalars checks that no text panics, and that what is accepted says
// the same again.
func FuzzParseScalars(f *testing.F) {
	for _, s := range []string{
		"1.2.3.4", "::ffff:1.2.3.4", "fe80::1%eth0", "10.1.2.3/8", "::/0", "80/tcp", "1/?", "53",
		"2023-11-14T22:13:20.123456789+01:30", "1677-09-21T00:12:44Z", "-17ns", "1.5min", "9223372036854775807ns", "+3e2us", ".5h",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsers := []func(string) (Value, error){ParseAddress, ParseSubnet, ParsePort, ParseTimestamp, ParseTimespan}
		for _, parse := range parsers {
			v, err := parse(s)
			if err != nil {
				if err.Error() == "" || !v.IsNone() {
					t.Fatalf("%q: %v with error %q", s, v, err)
				}
				continue
			}
			if again, err := parse(v.String()); err != nil || !Equal(again, v) || !sameBytes(Canonical(v), v) {
				t.Fatalf("%q is %s, which is %v, %v", s, v, again, err)
			}
		}
	})
}

var fuzzSeed = maphash.MakeSeed()

// checkHash checks that a value and its canonical form hash alike.
func checkHash(t *testing.T, v Value) {
	if a, b := v.Hash(fuzzSeed), Canonical(v).Hash(fuzzSeed); a != b {
		t.Fatalf("%s: hash %x, in canonical form %x", v.Text(), a, b)
	}
}
