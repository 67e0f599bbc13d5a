// SPDX-License-Identifier: Apache-2.0

package literal

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func TestParse(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	for text, want := range map[string]data.Value{
		"nil":                      data.None(),
		"T":                        data.Boolean(true),
		"F":                        data.Boolean(false),
		"42":                       data.Count(42),
		"18446744073709551615":     data.Count(math.MaxUint64),
		"-1":                       data.Integer(-1),
		"+42":                      data.Integer(42),
		"-9223372036854775808":     data.Integer(math.MinInt64),
		"1.5":                      data.Real(1.5),
		"-.25":                     data.Real(-0.25),
		"1e9":                      data.Real(1e9),
		"inf":                      data.Real(math.Inf(1)),
		"-inf":                     data.Real(math.Inf(-1)),
		"nan":                      data.Real(math.NaN()),
		`"42"`:                     data.String("42"),
		`"a\tb\u00e9"`:             data.String("a\tbé"),
		"":                         data.String(""),
		"hello, world":             data.String("hello, world"),
		" padded ":                 data.String(" padded "),
		"1.2.3.4":                  data.Address(addr("1.2.3.4")),
		"2001:db8::1":              data.Address(addr("2001:db8::1")),
		"::":                       data.Address(addr("::")),
		"10.1.2.3/8":               data.Subnet(prefix("10.0.0.0/8")),
		"80/tcp":                   data.Port(80, data.ProtocolTCP),
		"8/icmp":                   data.Port(8, data.ProtocolICMP),
		"1/?":                      data.Port(1, data.ProtocolUnknown),
		"5s":                       data.Timespan(5 * time.Second),
		"-1.5ms":                   data.Timespan(-1500 * time.Microsecond),
		"2023-11-14T22:13:20.5":    data.TimestampNanos(1700000000500000000),
		"Log::UNKNOWN":             data.Enum("Log::UNKNOWN"),
		"enum(tcp)":                data.Enum("tcp"),
		"tcp":                      data.String("tcp"),
		"1.2.3":                    data.String("1.2.3"),
		"-":                        data.String("-"),
		"()":                       data.Vector(),
		"{}":                       data.Set(),
		"{->}":                     data.Table(),
		"(1, (-2), nil)":           data.Vector(data.Count(1), data.Vector(data.Integer(-2)), data.None()),
		"{b, a}":                   data.Set(data.String("a"), data.String("b")),
		`{"a, b" -> 1, b->(2)}`:    data.Table(data.Entry{Key: data.String("a, b"), Value: data.Count(1)}, data.Entry{Key: data.String("b"), Value: data.Vector(data.Count(2))}),
		"1500ns":                   data.Timespan(1500),
		`{a -> 80/tcp}`:            data.Table(data.Entry{Key: data.String("a"), Value: data.Port(80, data.ProtocolTCP)}),
		"(enum(tcp), Notice::LOG)": data.Vector(data.Enum("tcp"), data.Enum("Notice::LOG")),
	} {
		got, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got.Kind() != want.Kind() || !data.Equal(got, want) {
			t.Errorf("%q: %v %v, want %v %v", text, got.Kind(), got, want.Kind(), want)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"18446744073709551616":   "out of range",
		"-9223372036854775809":   "out of range",
		"1e999":                  "out of range",
		`"open`:                  "no closing quote",
		`"a" b`:                  "text after the value",
		"(1, 2":                  "a comma or ) is missing",
		"(1,)":                   "a value is missing",
		"{1, 1}":                 "twice",
		"{1 -> 2, 3}":            "in one pair of braces",
		"{->":                    "an empty table is",
		`{a -> 1, a -> 2}`:       "twice",
		`("\x")`:                 "string",
		strings.Repeat("(", 200): "nested deeper",
	} {
		v, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, v, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"nil", "42", "{a -> (1, 2)}", `"x"`, "10.0.0.0/8", "enum(x)", "{->}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		if err := data.Validate(v.AppendBinary(nil)); err != nil {
			t.Fatalf("%q became a value that nobody accepts: %v", text, err)
		}
	})
}
