// SPDX-License-Identifier: Apache-2.0

package data

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ParseText reads one value in the form that [Value.Text] writes. It also takes
// what means the same: white space around tokens, escapes of JSON in strings,
// decimals and exponents in any form for reals, timespans in all units (h, min,
// d) and with fractions, timestamps with zones. The error is a [*SyntaxError].
func ParseText(text string) (Value, error) {
	p := literalParser{rest: text, whole: text, strict: true}
	return p.all()
}

// ParseLoose is [ParseText] for what people type, such as command lines: a word
// that is nothing else is a string without quotes, and so is a whole text that
// doesn't begin with a quote or bracket. Inside brackets such a word ends at a
// comma, at white space, an arrow, or at a closing bracket. The error is a
// [*SyntaxError]; a number too large for its kind is one rather than a string.
func ParseLoose(text string) (Value, error) {
	p := literalParser{rest: text, whole: text}
	trimmed := strings.TrimSpace(text)
	if trimmed != "" && strings.ContainsRune(`"({`, rune(trimmed[0])) {
		return p.all()
	}
	v, known, err := parseWord(trimmed)
	switch {
	case err != nil:
		return Value{}, p.fail("%s", err)
	case known:
		return v, nil
	default:
		return String(text), nil
	}
}

// parseWord reads a word that is something else than a string; known is false
// for all others. The error says why it can't be what it looks like.
func parseWord(word string) (v Value, known bool, err error) {
	switch word {
	case "":
		return Value{}, false, nil
	case "nil":
		return None(), true, nil
	case "T":
		return Boolean(true), true, nil
	case "F":
		return Boolean(false), true, nil
	case "inf", "+inf":
		return Real(math.Inf(1)), true, nil
	case "-inf":
		return Real(math.Inf(-1)), true, nil
	case "nan":
		return Real(math.NaN()), true, nil
	}
	for _, parse := range []func(string) (Value, bool, error){parseNumber, parseCall} {
		if v, known, err = parse(word); known || err != nil {
			return v, known, err
		}
	}
	if isScoped(word) {
		return Enum(word), true, nil
	}
	for _, parse := range []func(string) (Value, error){ParseAddress, parseAnySubnet, ParseTimespan, ParseTimestamp} {
		if v, err := parse(word); err == nil {
			return v, true, nil
		}
	}
	// A port needs its protocol here: without one it is a count.
	if strings.Contains(word, "/") {
		if v, err := ParsePort(word); err == nil {
			return v, true, nil
		}
	}
	return Value{}, false, nil
}

// parseNumber reads counts, integers and reals. One that is out of range is an
// error: nobody means it as a string.
func parseNumber(word string) (Value, bool, error) {
	digits := strings.TrimLeft(word, "+-")
	signed := len(word) - len(digits)
	if digits == "" || signed > 1 || !strings.ContainsRune("0123456789.", rune(digits[0])) {
		return Value{}, false, nil
	}
	if strings.Trim(digits, "0123456789") == "" {
		if signed == 0 {
			n, err := strconv.ParseUint(word, 10, 64)
			return Count(n), err == nil, rangeError(word, KindCount, err)
		}
		n, err := strconv.ParseInt(word, 10, 64)
		return Integer(n), err == nil, rangeError(word, KindInteger, err)
	}
	if strings.Trim(word, "0123456789.eE+-") != "" {
		return Value{}, false, nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if errors.Is(err, strconv.ErrRange) {
		return Value{}, false, rangeError(word, KindReal, err)
	}
	return Real(f), err == nil, nil
}

func rangeError(word string, k Kind, err error) error {
	if err == nil {
		return nil
	}
	return errors.New(quoted(word) + " is out of range for " + k.String())
}

// parseCall reads enum(NAME), enum("NAME") and real(0xBITS).
func parseCall(word string) (Value, bool, error) {
	inside, ok := strings.CutSuffix(word, ")")
	if !ok {
		return Value{}, false, nil
	}
	if name, ok := strings.CutPrefix(inside, "enum("); ok {
		if !strings.HasPrefix(name, `"`) {
			return Enum(name), true, nil
		}
		text, n, err := unquote(name)
		if err != nil || n != len(name) {
			return Value{}, false, err
		}
		return Enum(text), true, nil
	}
	if bits, ok := strings.CutPrefix(inside, "real(0x"); ok {
		u, err := strconv.ParseUint(bits, 16, 64)
		return scalar(KindReal, realCanonical(u)), err == nil, nil
	}
	return Value{}, false, nil
}

// parseAnySubnet is ParseSubnet with the exclamation mark of [Value.Text].
func parseAnySubnet(s string) (Value, error) {
	odd, found := strings.CutSuffix(s, "!")
	if !found {
		return ParseSubnet(s)
	}
	address, length, _ := strings.Cut(odd, "/")
	a, err := parseAddr(address)
	n, ok := parseDecimal(length, math.MaxUint8)
	if err != nil || !ok {
		return Value{}, errors.New("want ADDRESS/LENGTH! with a length up to 255")
	}
	hi, lo := addressWords(a)
	raw := uint8(n)
	if a.Is4() {
		raw += mappedBits
	}
	return Value{s: highString(hi), n: lo, m: makeMeta(KindSubnet, raw, 0, 0)}, nil
}

// isScoped reports whether a word is a scoped name such as Log::UNKNOWN, and
// nothing else.
func isScoped(word string) bool {
	scopes := 0
	for part := range strings.SplitSeq(word, "::") {
		if !isName(part) || part[0] <= '9' {
			return false
		}
		scopes++
	}
	if scopes < 2 {
		return false
	}
	_, err := parseAddr(word)
	return err != nil
}

// isName reports whether s is a word of letters, digits and underscores.
func isName(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
