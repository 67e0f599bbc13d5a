// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// literals are texts that a value is written as, and read from.
func literals(t testing.TB) map[string]Value {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	received := func(digits string) Value {
		v, err := Decode(unhex(t, digits))
		mustBe(t, err)
		return v
	}
	return map[string]Value{
		"nil":                            None(),
		"T":                              Boolean(true),
		"F":                              Boolean(false),
		"42":                             Count(42),
		"18446744073709551615":           Count(math.MaxUint64),
		"-1":                             Integer(-1),
		"+0":                             Integer(0),
		"+42":                            Integer(42),
		"-9223372036854775808":           Integer(math.MinInt64),
		"1.5":                            Real(1.5),
		"1.0":                            Real(1),
		"-0.0":                           Real(math.Copysign(0, -1)),
		"1e+21":                          Real(1e21),
		"1e-09":                          Real(1e-9),
		"3.141592653589793":              Real(math.Pi),
		"1.7976931348623157e+308":        Real(math.MaxFloat64),
		"2.2250738585072014e-308":        Real(0x1p-1022),
		"inf":                            Real(math.Inf(1)),
		"-inf":                           Real(math.Inf(-1)),
		"nan":                            Real(math.NaN()),
		"real(0x0000000000000001)":       received("04 0000000000000001"),
		"real(0x8008000000000000)":       received("04 8008000000000000"),
		`""`:                             String(""),
		`"42"`:                           String("42"),
		`"a\tb\"\\é\x00\xff\u0085"`:      String("a\tb\"\\é\x00\xff\u0085"),
		"1.2.3.4":                        Address(addr("1.2.3.4")),
		"2001:db8::1":                    Address(addr("2001:db8::1")),
		"::":                             Address(addr("::")),
		"a::b":                           Address(addr("a::b")),
		"::102:304":                      Address(addr("::1.2.3.4")),
		"10.0.0.0/8":                     Subnet(prefix("10.0.0.0/8")),
		"0.0.0.0/0":                      Subnet(prefix("0.0.0.0/0")),
		"::/0":                           Subnet(prefix("::/0")),
		"10.1.2.3/8!":                    received("07 00000000000000000000ffff0a010203 68"),
		"10.1.2.3/170!":                  received("07 00000000000000000000ffff0a010203 0a"),
		"2001:db8::1/200!":               received("07 20010db8000000000000000000000001 c8"),
		"80/tcp":                         Port(80, ProtocolTCP),
		"8/icmp":                         Port(8, ProtocolICMP),
		"1/?":                            Port(1, ProtocolUnknown),
		"0s":                             Timespan(0),
		"5s":                             Timespan(5 * time.Second),
		"-1500us":                        Timespan(-1500 * time.Microsecond),
		"1500ns":                         Timespan(1500),
		"-9223372036854775808ns":         Timespan(math.MinInt64),
		"2023-11-14T22:13:20.5Z":         TimestampNanos(1700000000500000000),
		"1677-09-21T00:12:43.145224192Z": TimestampNanos(math.MinInt64),
		"2262-04-11T23:47:16.854775807Z": TimestampNanos(math.MaxInt64),
		"Log::UNKNOWN":                   Enum("Log::UNKNOWN"),
		"enum(tcp)":                      Enum("tcp"),
		`enum("")`:                       Enum(""),
		`enum("a) \"b")`:                 Enum(`a) "b`),
		`enum("a::b")`:                   Enum("a::b"),
		`enum("1::b")`:                   Enum("1::b"),
		"()":                             Vector(),
		"{}":                             Set(),
		"{->}":                           Table(),
		"(1, (-2), nil)":                 Vector(Count(1), Vector(Integer(-2)), None()),
		`{"a", "b"}`:                     Set(String("a"), String("b")),
		`{"a, b" -> 1, {} -> {->}}`:      Table(Entry{String("a, b"), Count(1)}, Entry{Set(), Table()}),
		"(enum(tcp), Notice::LOG)":       Vector(Enum("tcp"), Enum("Notice::LOG")),
		`(enum("->,)"), real(0x0000000000000001))`:          Vector(Enum("->,)"), received("04 0000000000000001")),
		strings.Repeat("(", 128) + strings.Repeat(")", 128): nestedVectors(MaxDepth),
	}
}

func nestedVectors(n int) Value {
	v := Vector()
	for range n - 1 {
		v = Vector(v)
	}
	return v
}

func TestLiterals(t *testing.T) {
	for text, v := range literals(t) {
		if got := v.Text(); got != text {
			t.Errorf("%s is written as %s, want %s", v, got, text)
		}
		for name, parse := range map[string]func(string) (Value, error){"ParseText": ParseText, "ParseLoose": ParseLoose} {
			got, err := parse(" " + text + "\n")
			if err != nil || got.Kind() != v.Kind() || !sameBytes(got, Canonical(v)) {
				t.Errorf("%s: %s is %v %v, %v", name, text, got.Kind(), got, err)
			}
		}
	}
	for i, line := range readVectors(t, "values.jsonl") {
		v, err := Decode(line.bytes(t))
		mustBe(t, err)
		if got, err := ParseText(v.Text()); err != nil || !sameBytes(got, v) {
			t.Errorf("values.jsonl:%d: %s is read as %v, %v", i+1, v.Text(), got, err)
		}
	}
	if v, err := ParseText(strings.Repeat(" ( ", 129) + strings.Repeat(")", 129)); err == nil {
		t.Errorf("129 vectors in each other are read as %s", v)
	}
}

// Texts that aren't written but read, by both readers.
func TestOtherLiterals(t *testing.T) {
	for text, want := range map[string]Value{
		"-.25":                              Real(-0.25),
		"1e9":                               Real(1e9),
		`"a\/\u00e9\ud83d\ude00\U0001f600"`: String("a/é😀😀"),
		"10.1.2.3/8":                        Subnet(netip.MustParsePrefix("10.0.0.0/8")),
		"-1.5ms":                            Timespan(-1500 * time.Microsecond),
		"2h":                                Timespan(2 * time.Hour),
		"2023-11-14T23:13:20+01:00":         TimestampNanos(1700000000000000000),
		"\t{2,1 }":                          Set(Count(1), Count(2)),
		`{ "b"->(2),"a"->1}`:                Table(Entry{String("a"), Count(1)}, Entry{String("b"), Vector(Count(2))}),
		`(enum( x y ))`:                     Vector(Enum(" x y ")),
		"real(0x7ff8000000000000)":          Real(math.Inf(1)),
		"(5s,80/tcp,::1)":                   Vector(Timespan(5*time.Second), Port(80, ProtocolTCP), Address(netip.IPv6Loopback())),
	} {
		for name, parse := range map[string]func(string) (Value, error){"ParseText": ParseText, "ParseLoose": ParseLoose} {
			if got, err := parse(text); err != nil || got.Kind() != want.Kind() || !sameBytes(got, want) {
				t.Errorf("%s: %s is %v %v, %v, want %v", name, text, got.Kind(), got, err, want.Text())
			}
		}
	}
}

// What is a string to one reader and an error to the other.
func TestLooseLiterals(t *testing.T) {
	for text, want := range map[string]Value{
		"hello, world":       String("hello, world"),
		" padded ":           String(" padded "),
		"tcp":                String("tcp"),
		"1.2.3":              String("1.2.3"),
		"-":                  String("-"),
		"1.2.3.4/33":         String("1.2.3.4/33"),
		"real(estate)":       String("real(estate)"),
		"enum(open":          String("enum(open"),
		"{b, a}":             Set(String("a"), String("b")),
		`{a -> 80/tcp,b->c}`: Table(Entry{String("a"), Port(80, ProtocolTCP)}, Entry{String("b"), String("c")}),
		"":                   String(""),
	} {
		if got, err := ParseLoose(text); err != nil || got.Kind() != want.Kind() || !Equal(got, want) {
			t.Errorf("%q: %v %v, %v, want %v", text, got.Kind(), got, err, want)
		}
		if got, err := ParseText(text); err == nil {
			t.Errorf("%q is read strictly, as %s", text, got.Text())
		}
	}
}

func TestLiteralErrors(t *testing.T) {
	for text, want := range map[string]string{
		"18446744073709551616":      `offset 0: "18446744073709551616" is out of range for count`,
		"(1, -9223372036854775809)": `offset 4: "-9223372036854775809" is out of range for integer`,
		"1e999":                     "out of range for real",
		`"open`:                     "no closing quote",
		`("a" b)`:                   "offset 5: a comma or ) is missing",
		`"a" b`:                     "text after the value",
		"(1, 2":                     "offset 5: a comma or ) is missing",
		"(1,)":                      "offset 3: a value is missing",
		"{1, 1}":                    "twice",
		"{1 -> 2, 3}":               "in one pair of braces",
		"{->":                       "an empty table is",
		`{"a" -> 1, "a" -> 2}`:      "twice",
		`("\y")`:                    `offset 1: unknown escape "\\y`,
		`"\u12"`:                    "unknown escape",
		`"\ud83d"`:                  "unknown escape",
		`"\U00110000"`:              "unknown escape",
		`"\`:                        "unknown escape",
		`(enum("x`:                  "no closing quote",
		strings.Repeat("(", 200):    "offset 128: nested too deeply",
	} {
		for name, parse := range map[string]func(string) (Value, error){"ParseText": ParseText, "ParseLoose": ParseLoose} {
			v, err := parse(text)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), want) || !v.IsNone() {
				t.Errorf("%s: %q: %v, %v; want an error with %q", name, text, v, err, want)
			}
		}
	}
}

func TestFormatVerbs(t *testing.T) {
	v := Vector(String("a"), Integer(1))
	for format, want := range map[string]string{
		"%v": "(a, 1)", "%s": "(a, 1)", "%+v": `("a", +1)`, "%#v": `("a", +1)`, "%q": `"(a, 1)"`, "%8v|": "  (a, 1)|", "%-8s|": "(a, 1)  |", "%d": "%!d(string=(a, 1))",
	} {
		if got := fmt.Sprintf(format, v); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
	doc, err := json.Marshal(map[string]Value{"v": v})
	if err != nil || string(doc) != `{"v":"(\"a\", +1)"}` {
		t.Errorf("as JSON: %s, %v", doc, err)
	}
	var back map[string]Value
	if err := json.Unmarshal(doc, &back); err != nil || !Equal(back["v"], v) {
		t.Errorf("back from JSON: %v, %v", back, err)
	}
	if err := v.UnmarshalText([]byte("x")); err == nil || !Equal(v, back["v"]) {
		t.Errorf("text without meaning: %v, %v", v, err)
	}
}

// FuzzParseText checks that no text panics, that what is read is a value that
// everybody accepts, and that writing and reading it again changes nothing.
func FuzzParseText(f *testing.F) {
	for text := range literals(f) {
		f.Add(text)
	}
	for _, line := range readVectors(f, "values.jsonl") {
		f.Add(line.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		loose, looseErr := ParseLoose(text)
		v, err := ParseText(text)
		if err == nil && (looseErr != nil || !sameBytes(loose, v)) {
			t.Fatalf("%q: loosely %v, %v, strictly %v", text, loose, looseErr, v)
		}
		if looseErr != nil {
			return
		}
		if err := Validate(loose.AppendBinary(nil)); err != nil {
			t.Fatalf("%q became a value that nobody accepts: %v", text, err)
		}
		checkText(t, loose)
	})
}

// checkText checks that a value is read back from its text.
func checkText(t *testing.T, v Value) {
	text := v.Text()
	if back, err := ParseText(text); err != nil || !sameBytes(back, Canonical(v)) {
		t.Fatalf("%s is read as %s, %v", text, back.Text(), err)
	}
}
