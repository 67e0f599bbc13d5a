// SPDX-License-Identifier: Apache-2.0

package data

import (
	"fmt"
	"strings"
)

// literalParser reads literals; rest is what is left of whole.
type literalParser struct {
	rest  string
	whole string
	// strict refuses words that are nothing but strings without quotes.
	strict bool
}

func (p *literalParser) fail(format string, args ...any) error {
	return &SyntaxError{Offset: len(p.whole) - len(p.rest), Msg: fmt.Sprintf(format, args...)}
}

func (p *literalParser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take removes the token from the front, if it is there.
func (p *literalParser) take(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

// all reads one value and nothing behind it.
func (p *literalParser) all() (Value, error) {
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	if p.skip(); p.rest != "" {
		return Value{}, p.fail("text after the value")
	}
	return v, nil
}

// value reads the value at the front, which lies in depth containers.
func (p *literalParser) value(depth int) (Value, error) {
	p.skip()
	switch {
	case p.rest == "":
		return Value{}, p.fail("a value is missing")
	case p.rest[0] == '"':
		text, n, err := unquote(p.rest)
		if err != nil {
			return Value{}, p.fail("%s", err)
		}
		p.rest = p.rest[n:]
		return String(text), nil
	case p.rest[0] != '(' && p.rest[0] != '{':
		return p.word()
	case depth >= MaxDepth:
		return Value{}, p.fail("%s", msgDepth)
	case p.take("("):
		return p.vector(depth + 1)
	default:
		p.take("{")
		return p.braces(depth + 1)
	}
}

func (p *literalParser) word() (Value, error) {
	word, err := p.cutWord()
	if err != nil {
		return Value{}, err
	}
	v, known, err := parseWord(word)
	switch {
	case err != nil:
		return Value{}, p.fail("%s", err)
	case !known && p.strict:
		return Value{}, p.fail("%s is no value; a string stands in quotes", quoted(word))
	case !known:
		v = String(word)
	}
	p.rest = p.rest[len(word):]
	return v, nil
}

// cutWord is the word at the front: up to what ends a value inside brackets.
func (p *literalParser) cutWord() (string, error) {
	if n, err := p.callLength(); n > 0 || err != nil {
		return p.rest[:n], err
	}
	word := p.rest
	if end := strings.IndexAny(word, ",)} \t\r\n"); end >= 0 {
		word = word[:end]
	}
	word, _, _ = strings.Cut(word, "->")
	if word == "" {
		return "", p.fail("a value is missing")
	}
	return word, nil
}

// callLength is the length of the enum(…) or real(0x…) at the front, else 0.
func (p *literalParser) callLength() (int, error) {
	if !strings.HasPrefix(p.rest, "enum(") && !strings.HasPrefix(p.rest, "real(0x") {
		return 0, nil
	}
	n := len("enum(")
	if strings.HasPrefix(p.rest[n:], `"`) {
		_, size, err := unquote(p.rest[n:])
		if err != nil {
			return 0, p.fail("%s", err)
		}
		n += size
	}
	return n + strings.IndexByte(p.rest[n:], ')') + 1, nil
}

// vector reads what follows an opening parenthesis.
func (p *literalParser) vector(depth int) (Value, error) {
	var items []Value
	if p.take(")") {
		return Vector(), nil
	}
	for {
		v, err := p.value(depth)
		if err != nil {
			return Value{}, err
		}
		items = append(items, v)
		if p.take(")") {
			return Vector(items...), nil
		}
		if !p.take(",") {
			return Value{}, p.fail("a comma or ) is missing")
		}
	}
}

// braces reads what follows an opening brace: a set, or a table, which shows at
// the first arrow.
func (p *literalParser) braces(depth int) (Value, error) {
	if p.take("}") {
		return Set(), nil
	}
	if p.take("->") {
		if !p.take("}") {
			return Value{}, p.fail("an empty table is {->}")
		}
		return Table(), nil
	}
	var elements []Value
	var entries []Entry
	for {
		key, err := p.value(depth)
		if err != nil {
			return Value{}, err
		}
		if p.take("->") {
			value, err := p.value(depth)
			if err != nil {
				return Value{}, err
			}
			entries = append(entries, Entry{Key: key, Value: value})
		} else {
			elements = append(elements, key)
		}
		if len(entries) > 0 && len(elements) > 0 {
			return Value{}, p.fail("elements of a set and entries of a table in one pair of braces")
		}
		if p.take("}") {
			return p.closeBraces(elements, entries)
		}
		if !p.take(",") {
			return Value{}, p.fail("a comma or } is missing")
		}
	}
}

// closeBraces builds the set or table, and refuses what is there twice.
func (p *literalParser) closeBraces(elements []Value, entries []Entry) (Value, error) {
	v := Set(elements...)
	if len(entries) > 0 {
		v = Table(entries...)
	}
	if v.Len() != len(elements)+len(entries) {
		return Value{}, p.fail("%s", msgDuplicate)
	}
	return v, nil
}
