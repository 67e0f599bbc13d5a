// SPDX-License-Identifier: Apache-2.0

package literal

import (
	"fmt"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// parser reads sets, tables and vectors; rest is what is left of whole.
type parser struct {
	rest  string
	whole string
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("column %d: %s", len(p.whole)-len(p.rest)+1, fmt.Sprintf(format, args...))
}

func (p *parser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take removes the token from the front, if it is there.
func (p *parser) take(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) value(depth int) (data.Value, error) {
	if depth > data.MaxDepth {
		return data.Value{}, p.errorf("nested deeper than %d", data.MaxDepth)
	}
	p.skip()
	switch {
	case p.rest == "":
		return data.Value{}, p.errorf("a value is missing")
	case p.rest[0] == '"':
		v, n, err := quoted(p.rest)
		p.rest = p.rest[n:]
		return v, err
	case p.take("("):
		return p.vector(depth)
	case p.take("{"):
		return p.braces(depth)
	default:
		return p.word()
	}
}

// word reads up to what ends a value inside brackets.
func (p *parser) word() (data.Value, error) {
	end := strings.IndexAny(p.rest, ",)} \t\r\n")
	if strings.HasPrefix(p.rest, "enum(") {
		if i := strings.IndexByte(p.rest, ')'); i >= 0 {
			end = i + 1
		}
	}
	if end < 0 {
		end = len(p.rest)
	}
	word, _, _ := strings.Cut(p.rest[:end], "->")
	if word == "" {
		return data.Value{}, p.errorf("a value is missing")
	}
	p.rest = p.rest[len(word):]
	if v, ok, err := typed(word); ok || err != nil {
		return v, err
	}
	return data.String(word), nil
}

func (p *parser) vector(depth int) (data.Value, error) {
	var items []data.Value
	if p.take(")") {
		return data.Vector(), nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return data.Value{}, err
		}
		items = append(items, v)
		if p.take(")") {
			return data.Vector(items...), nil
		}
		if !p.take(",") {
			return data.Value{}, p.errorf("a comma or ) is missing")
		}
	}
}

// braces reads a set or a table; which one shows at the first arrow.
func (p *parser) braces(depth int) (data.Value, error) {
	if p.take("}") {
		return data.Set(), nil
	}
	if p.take("->") {
		if !p.take("}") {
			return data.Value{}, p.errorf("an empty table is {->}")
		}
		return data.Table(), nil
	}
	var elements []data.Value
	var entries []data.Entry
	for {
		key, err := p.value(depth + 1)
		if err != nil {
			return data.Value{}, err
		}
		if p.take("->") {
			value, err := p.value(depth + 1)
			if err != nil {
				return data.Value{}, err
			}
			entries = append(entries, data.Entry{Key: key, Value: value})
		} else {
			elements = append(elements, key)
		}
		if len(entries) > 0 && len(elements) > 0 {
			return data.Value{}, p.errorf("elements of a set and entries of a table in one pair of braces")
		}
		if p.take("}") {
			return p.close(elements, entries)
		}
		if !p.take(",") {
			return data.Value{}, p.errorf("a comma or } is missing")
		}
	}
}

// close builds the set or table, and refuses what is there twice.
func (p *parser) close(elements []data.Value, entries []data.Entry) (data.Value, error) {
	v := data.Set(elements...)
	if len(entries) > 0 {
		v = data.Table(entries...)
	}
	if v.Len() != len(elements)+len(entries) {
		return data.Value{}, p.errorf("an element or key is there twice")
	}
	return v, nil
}
