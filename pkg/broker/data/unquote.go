// SPDX-License-Identifier: Apache-2.0

package data

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var errNoQuote = errors.New("no closing quote")

// unquote reads the string in double quotes at the front of s and answers how
// long it is there. Escapes are those of Go and JSON: \xHH is a byte, \uHHHH
// and \UHHHHHHHH a character, of which \u may come as a pair of surrogates.
func unquote(s string) (text string, n int, err error) {
	end := strings.IndexAny(s[1:], `"\`) + 1
	if end > 0 && s[end] == '"' {
		return s[1:end], end + 1, nil
	}
	var b []byte
	for i := 1; i < len(s); {
		switch s[i] {
		case '"':
			return string(b), i + 1, nil
		case '\\':
			var size int
			if b, size = appendUnescaped(b, s[i:]); size == 0 {
				return "", 0, fmt.Errorf("unknown escape %s", quoted(s[i:min(len(s), i+10)]))
			}
			i += size
		default:
			b = append(b, s[i])
			i++
		}
	}
	return "", 0, errNoQuote
}

// appendUnescaped appends what the escape at the front of s means, and answers
// its length, 0 if it means nothing.
func appendUnescaped(dst []byte, s string) ([]byte, int) {
	if len(s) < 2 {
		return dst, 0
	}
	if i := strings.IndexByte(`"\/'abfnrtv`, s[1]); i >= 0 {
		return append(dst, "\"\\/'\a\b\f\n\r\t\v"[i]), 2
	}
	switch s[1] {
	case 'x':
		u, ok := hexNumber(s, 2)
		if !ok {
			return dst, 0
		}
		return append(dst, byte(u)), 4
	case 'u':
		u, ok := hexNumber(s, 4)
		if !ok {
			return dst, 0
		}
		if !utf16.IsSurrogate(rune(u)) {
			return utf8.AppendRune(dst, rune(u)), 6
		}
		low, ok := hexNumber(s[6:], 4)
		r := utf16.DecodeRune(rune(u), rune(low))
		if !ok || s[6:8] != `\u` || r == utf8.RuneError {
			return dst, 0
		}
		return utf8.AppendRune(dst, r), 12
	case 'U':
		u, ok := hexNumber(s, 8)
		if !ok || !utf8.ValidRune(rune(u)) {
			return dst, 0
		}
		return utf8.AppendRune(dst, rune(u)), 10
	}
	return dst, 0
}

// hexNumber reads the digits behind the first two bytes of s.
func hexNumber(s string, digits int) (uint32, bool) {
	if len(s) < 2+digits {
		return 0, false
	}
	u, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	return uint32(u), err == nil
}
