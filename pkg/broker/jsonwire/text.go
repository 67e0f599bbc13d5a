// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// surrogateByte is what a byte that isn't part of valid UTF-8 is added to.
const surrogateByte = 0xdc00

// escapes are the bytes with a letter of their own.
var escapes = [utf8.RuneSelf]byte{
	'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't',
}

// appendString appends s in quotes. See the package comment for what JSON has
// no way to say.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0 // s[plain:i] can be copied
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if b >= ' ' && escapes[b] == 0 {
				i++
				continue
			}
			dst = append(dst, s[plain:i]...)
			if e := escapes[b]; e != 0 {
				dst = append(dst, '\\', e)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
			}
			i++
			plain = i
			continue
		}
		if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
			i += size
			continue
		}
		dst = append(dst, s[plain:i]...)
		dst = append(dst, '\\', 'u', 'd', 'c', hexDigits[b>>4], hexDigits[b&15])
		i++
		plain = i
	}
	return append(append(dst, s[plain:]...), '"')
}

// unquote reads what stands between the quotes of a string. at is the offset
// in s of an escape that has no meaning; -1 if there is none.
func unquote(s string) (text string, at int) {
	dst := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			i++
			continue
		}
		if i+1 < len(s) && s[i+1] == 'u' {
			n := 0
			if dst, n = appendUnicode(dst, s[i:]); n == 0 {
				return "", i
			}
			i += n
			continue
		}
		b, ok := unescape(s[i+1:])
		if !ok {
			return "", i
		}
		dst = append(dst, b)
		i += 2
	}
	return string(dst), -1
}

// unescape is the byte for the letter behind a backslash.
func unescape(s string) (byte, bool) {
	if s == "" {
		return 0, false
	}
	switch c := s[0]; c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'v':
		return '\v', true
	default:
		return 0, false
	}
}

// appendUnicode reads the \uXXXX at the front of s, or a pair of them, and
// answers how many bytes it took, 0 if it makes no sense.
func appendUnicode(dst []byte, s string) ([]byte, int) {
	u, ok := codeUnit(s)
	if !ok {
		return dst, 0
	}
	switch {
	case u&0xfc00 == 0xd800:
		low, ok := codeUnit(s[6:])
		if !ok || low&0xfc00 != 0xdc00 {
			return dst, 0
		}
		return utf8.AppendRune(dst, 0x10000+rune(u&0x3ff)<<10+rune(low&0x3ff)), 12
	case u >= surrogateByte+0x80 && u <= surrogateByte+0xff:
		return append(dst, byte(u-surrogateByte)), 6
	case u&0xfc00 == 0xdc00:
		// Like the reference: the three bytes that UTF-8 would have for it.
		return append(dst, 0xe0|byte(u>>12), 0x80|byte(u>>6&0x3f), 0x80|byte(u&0x3f)), 6
	default:
		return utf8.AppendRune(dst, rune(u)), 6
	}
}

// codeUnit is the number in the \uXXXX at the front of s.
func codeUnit(s string) (uint16, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	u, err := strconv.ParseUint(s[2:6], 16, 16)
	return uint16(u), err == nil
}
