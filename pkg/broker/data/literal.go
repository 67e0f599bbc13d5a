// SPDX-License-Identifier: Apache-2.0

package data

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Text is the value as a literal, which [ParseText] reads back: whatever the
// value is, reading its text gives an equal one (in the form that [Canonical]
// answers). Only values nested deeper than [MaxDepth] can't be read.
//
//	nil                          none
//	T, F                         boolean
//	42                           count
//	+42, -1                      integer
//	1.5, -0.0, 1e+21, inf, nan   real
//	"text\n\xff"                 string: escapes as in Go and JSON, \xHH is a byte
//	1.2.3.4, 2001:db8::1         address
//	10.0.0.0/8                   subnet
//	80/tcp, 53/udp, 8/icmp, 1/?  port
//	5s, -1500us, 1500ns          timespan
//	2023-11-14T22:13:20.5Z       timestamp
//	Log::UNKNOWN, enum(tcp)      enum value; enum("…") if the name is no plain word
//	{1, 2}                       set
//	{"a" -> 1}, {->}             table; {->} is the empty one
//	(1, 2)                       vector
//
// Two forms exist for what only a foreign writer makes: real(0xHHHH), the wire
// bits of a number below the smallest normal one, and a subnet with an
// exclamation mark, 10.1.2.3/8!, whose host bits and length are as they came.
func (v Value) Text() string { return string(v.AppendText(nil)) }

// AppendText appends what [Value.Text] answers.
func (v Value) AppendText(dst []byte) []byte { return appendLiteral(dst, inOrder(v)) }

// MarshalText is [Value.Text], so that a value within a larger document, say of
// encoding/json, is a literal. The JSON of the WebSocket protocol is made by
// package jsonwire.
func (v Value) MarshalText() ([]byte, error) { return v.AppendText(nil), nil }

// UnmarshalText reads what [ParseText] reads.
func (v *Value) UnmarshalText(text []byte) error {
	parsed, err := ParseText(string(text))
	if err == nil {
		*v = parsed
	}
	return err
}

// Format makes %v and %s print [Value.String], %+v and %#v [Value.Text]; %q is
// the quoted String.
func (v Value) Format(f fmt.State, verb rune) {
	text := ""
	if verb == 'v' && (f.Flag('+') || f.Flag('#')) {
		text, verb = v.Text(), 's'
	} else {
		text = v.String()
	}
	format := fmt.FormatString(f, verb)
	if verb == 's' {
		format = strings.NewReplacer("#", "", "+", "").Replace(format)
	}
	fmt.Fprintf(f, format, text)
}

func appendLiteral(dst []byte, v Value) []byte {
	switch v.Kind() {
	case KindInteger:
		if int64(v.n) >= 0 {
			dst = append(dst, '+')
		}
		return appendString(dst, v)
	case KindReal:
		return appendRealLiteral(dst, v.n)
	case KindString:
		return strconv.AppendQuote(dst, v.s)
	case KindSubnet:
		dst = appendSubnet(dst, v)
		if !v.plainSubnet() {
			dst = append(dst, '!')
		}
		return dst
	case KindTimestamp:
		return time.Unix(0, int64(v.n)).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999999Z")
	case KindTimespan:
		return appendTimespan(dst, int64(v.n))
	case KindEnum:
		return appendEnum(dst, v.s)
	case KindVector:
		return append(appendLiterals(append(dst, '('), v), ')')
	case KindTable:
		if v.n == 0 {
			return append(dst, "{->}"...)
		}
		fallthrough
	case KindSet:
		return append(appendLiterals(append(dst, '{'), v), '}')
	default:
		return appendString(dst, v)
	}
}

func appendLiterals(dst []byte, v Value) []byte {
	r := v.Reader()
	for i := 0; r.Len() > 0; i++ {
		dst = append(dst, separator(v.Kind(), i)...)
		e, _ := r.Next()
		dst = appendLiteral(dst, e)
	}
	return dst
}

// separator is what stands before the i-th value in a container.
func separator(k Kind, i int) string {
	switch {
	case i == 0:
		return ""
	case k == KindTable && i%2 == 1:
		return " -> "
	default:
		return ", "
	}
}

// appendRealLiteral writes the shortest decimals that mean the number, with a
// point or an exponent, which tell it from a count.
func appendRealLiteral(dst []byte, wire uint64) []byte {
	if wire&exponentMask == 0 && wire&fractionMask != 0 {
		return fmt.Appendf(dst, "real(%#016x)", wire)
	}
	f := realFromWire(wire)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return appendReal(dst, f)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	if !strings.ContainsAny(viewString(dst[start:]), ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendTimespan writes the coarsest of s, ms, us and ns that loses nothing.
func appendTimespan(dst []byte, ns int64) []byte {
	unit := 3
	for unit > 0 && ns%int64(timeUnits[unit].size) != 0 {
		unit--
	}
	dst = strconv.AppendInt(dst, ns/int64(timeUnits[unit].size), 10)
	return append(dst, timeUnits[unit].name...)
}

func appendEnum(dst []byte, name string) []byte {
	if isScoped(name) {
		return append(dst, name...)
	}
	dst = append(dst, "enum("...)
	if isName(name) {
		return append(append(dst, name...), ')')
	}
	return append(strconv.AppendQuote(dst, name), ')')
}

// plainSubnet reports whether a writer makes a subnet of these bytes.
func (v Value) plainSubnet() bool {
	p := prefixOf(v.high(), v.n, v.m.aux())
	made := Subnet(p)
	return p.IsValid() && made.high() == v.high() && made.n == v.n && made.m.aux() == v.m.aux()
}
