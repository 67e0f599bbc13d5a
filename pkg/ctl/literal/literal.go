// SPDX-License-Identifier: Apache-2.0

// Package literal reads values as people type them on a command line. The
// text rendering of the data model (spec/data.md, 4) can't be read back, since
// it puts no quotes around strings; this package reads nearly the same forms,
// and tells strings apart by what else they could be:
//
//	nil                          none
//	T, F                         boolean
//	42                           count
//	+42, -1                      integer
//	1.5, -0.25, 1e9, inf, nan    real
//	"text"                       string, with the escapes of JSON
//	1.2.3.4, 2001:db8::1         address
//	10.0.0.0/8                   subnet
//	80/tcp, 53/udp, 8/icmp, 1/?  port
//	5s, -1.5ms, 90min, 1500ns    timespan (h, min, s, ms, us, ns)
//	2023-11-14T22:13:20.5        timestamp, UTC unless a zone follows
//	Log::UNKNOWN, enum(tcp)      enum value
//	{1, 2}                       set
//	{"a" -> 1}, {->}             table; {->} is the empty one
//	(1, 2)                       vector
//	anything else                string, as it stands
//
// Inside a set, table or vector a word without quotes ends at a comma, at
// white space, an arrow, or at a closing bracket.
package literal

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Parse reads one value. Only brackets and quotes that don't close, a number
// too large for its kind, or a container that repeats an element are errors;
// other text is a string.
func Parse(text string) (data.Value, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || !strings.ContainsRune(`"({`, rune(trimmed[0])) {
		if word, ok, err := typed(trimmed); ok || err != nil {
			return word, err
		}
		return data.String(text), nil
	}
	p := parser{rest: trimmed, whole: trimmed}
	v, err := p.value(0)
	if err != nil {
		return data.Value{}, err
	}
	if p.skip(); p.rest != "" {
		return data.Value{}, p.errorf("text after the value")
	}
	return v, nil
}

// typed reads a word that is something else than a string.
func typed(word string) (data.Value, bool, error) {
	switch word {
	case "":
		return data.Value{}, false, nil
	case "nil":
		return data.None(), true, nil
	case "T":
		return data.Boolean(true), true, nil
	case "F":
		return data.Boolean(false), true, nil
	case "inf", "+inf":
		return data.Real(math.Inf(1)), true, nil
	case "-inf":
		return data.Real(math.Inf(-1)), true, nil
	case "nan":
		return data.Real(math.NaN()), true, nil
	}
	if strings.HasPrefix(word, "enum(") && strings.HasSuffix(word, ")") {
		return data.Enum(word[len("enum(") : len(word)-1]), true, nil
	}
	if v, ok, err := number(word); ok || err != nil {
		return v, ok, err
	}
	if isEnum(word) {
		return data.Enum(word), true, nil
	}
	for _, parse := range []func(string) (data.Value, error){
		data.ParseAddress, data.ParseSubnet, data.ParseTimespan, data.ParseTimestamp,
	} {
		if v, err := parse(word); err == nil {
			return v, true, nil
		}
	}
	// A port needs its protocol here: without one it is a count.
	if strings.Contains(word, "/") {
		if v, err := data.ParsePort(word); err == nil {
			return v, true, nil
		}
	}
	return data.Value{}, false, nil
}

// number reads counts, integers and reals. A whole number out of range is an
// error and not a string: nobody means it so.
func number(word string) (data.Value, bool, error) {
	digits := strings.TrimLeft(word, "+-")
	signed := len(word) - len(digits)
	if digits == "" || signed > 1 || !strings.ContainsRune("0123456789.", rune(digits[0])) {
		return data.Value{}, false, nil
	}
	if strings.Trim(digits, "0123456789") == "" {
		if signed == 0 {
			n, err := strconv.ParseUint(word, 10, 64)
			return data.Count(n), err == nil, rangeError(word, "count", err)
		}
		n, err := strconv.ParseInt(word, 10, 64)
		return data.Integer(n), err == nil, rangeError(word, "integer", err)
	}
	if strings.Trim(word, "0123456789.eE+-") != "" {
		return data.Value{}, false, nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if errors.Is(err, strconv.ErrRange) {
		return data.Value{}, false, rangeError(word, "real", err)
	}
	return data.Real(f), err == nil, nil
}

func rangeError(word, kind string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is out of range for %s", word, kind)
}

// isEnum reports whether a word is a scoped name such as Log::UNKNOWN.
func isEnum(word string) bool {
	parts := strings.Split(word, "::")
	if len(parts) < 2 {
		return false
	}
	for _, part := range parts {
		if part == "" || part[0] >= '0' && part[0] <= '9' || !isName(part) {
			return false
		}
	}
	_, err := data.ParseAddress(word)
	return err != nil
}

func isName(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// quoted reads a string in the notation of JSON from the front of s.
func quoted(s string) (data.Value, int, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			var text string
			if err := json.Unmarshal([]byte(s[:i+1]), &text); err != nil {
				return data.Value{}, 0, fmt.Errorf("string %s: %w", s[:i+1], err)
			}
			return data.String(text), i + 1, nil
		}
	}
	return data.Value{}, 0, fmt.Errorf("string %s: no closing quote", s)
}
