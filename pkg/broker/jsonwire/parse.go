// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ParseValue reads a value from b, which must be one JSON object and nothing
// else. The first of several members of one name counts; unknown ones are
// ignored. The error is an [*Error].
func ParseValue(b []byte) (data.Value, error) {
	p, err := newParser(b)
	if err != nil {
		return data.Value{}, err
	}
	v, bad := p.value(0, 0)
	if bad != nil {
		return data.Value{}, bad
	}
	return v, nil
}

// parser makes values of a scanned document.
type parser struct {
	src   string
	nodes []node
	stack []data.Value // elements of the containers under way
}

func newParser(b []byte) (*parser, error) {
	p := &parser{src: string(b)}
	var err error
	p.nodes, err = scan(p.src)
	return p, err
}

// fail makes the error of the node i; the callers complete its path.
func (p *parser) fail(c Class, i int, format string, args ...any) *Error {
	return &Error{Class: c, Path: "$", Offset: int(p.nodes[i].start), Msg: fmt.Sprintf(format, args...)}
}

// within puts a step behind the $ of the path of what happened there.
func (e *Error) within(step string) *Error {
	e.Path = "$" + step + e.Path[1:]
	return e
}

// raw is the text of node i as it stands in the document.
func (p *parser) raw(i int) string { return p.src[p.nodes[i].start:p.nodes[i].end] }

// next is the index of the node behind node i and all within it.
func (p *parser) next(i int) int { return int(p.nodes[i].next) }

func (p *parser) isString(i int) bool {
	return p.nodes[i].token == tokenString || p.nodes[i].token == tokenEscaped
}

// text is the content of the string node i.
func (p *parser) text(i int) string {
	s := p.raw(i)
	if p.nodes[i].token == tokenEscaped {
		s, _ = unquote(s) // the scanner has seen that it is right
	}
	return s
}

// member finds the first member of the object i with that name, -1 if there is
// none.
func (p *parser) member(i int, name string) int {
	for k := i + 1; k < p.next(i); k = p.next(k + 1) {
		if p.text(k) == name {
			return k + 1
		}
	}
	return -1
}

// value reads the value whose object is node i, which depth containers hold.
func (p *parser) value(i, depth int) (data.Value, *Error) {
	if p.nodes[i].token != tokenObject {
		return data.Value{}, p.fail(classAt(depth), i, "want an object with @data-type and data")
	}
	t := p.member(i, "@data-type")
	if t < 0 || !p.isString(t) {
		return data.Value{}, p.fail(ClassValue, max(t, i), "want the name of a type in @data-type")
	}
	k, ok := data.KindFromName(p.text(t))
	if !ok {
		return data.Value{}, p.fail(ClassValue, t, "%s", unknownKind(p.text(t))).within(".@data-type")
	}
	if k == data.KindNone {
		return data.None(), nil
	}
	d := p.member(i, "data")
	if d < 0 {
		return data.Value{}, p.fail(ClassValue, i, "want a member data: %s", allowed[k])
	}
	v, bad := p.payload(k, d, depth)
	if bad != nil {
		return data.Value{}, bad.within(".data")
	}
	return v, nil
}

// classAt is the class for what should be an object.
func classAt(depth int) Class {
	if depth == 0 {
		return ClassObject
	}
	return ClassValue
}

func unknownKind(name string) string {
	var names []string
	for k := range data.KindVector + 1 {
		names = append(names, k.String())
	}
	return fmt.Sprintf("unknown type %.70q, want one of %s", name, strings.Join(names, ", "))
}

// allowed says what data may be for each kind.
var allowed = [...]string{
	data.KindBoolean:   "true or false",
	data.KindCount:     "an integer from 0 to 18446744073709551615",
	data.KindInteger:   "an integer from -9223372036854775808 to 9223372036854775807",
	data.KindReal:      `a number, "inf", "-inf" or "nan"`,
	data.KindString:    "a string",
	data.KindAddress:   "a string with an IP address",
	data.KindSubnet:    "a string with ADDRESS/LENGTH",
	data.KindPort:      "a string with NUMBER/PROTOCOL",
	data.KindTimestamp: "a string with YYYY-MM-DDThh:mm:ss.DECIMALS",
	data.KindTimespan:  "a string with a number and its unit",
	data.KindEnum:      "a string",
	data.KindSet:       "an array of values",
	data.KindTable:     "an array of objects with key and value",
	data.KindVector:    "an array of values",
}

// payload reads node d as the data of a value of kind k.
func (p *parser) payload(k data.Kind, d, depth int) (v data.Value, bad *Error) {
	ok := true
	switch n := p.nodes[d]; k {
	case data.KindBoolean:
		v, ok = data.Boolean(n.token == tokenTrue), n.token == tokenTrue || n.token == tokenFalse
	case data.KindCount:
		// Base 0 reads what the scanner has let through: it knows no octal numbers.
		x, err := strconv.ParseUint(strings.TrimPrefix(p.number(d), "+"), 0, 64)
		v, ok = data.Count(x), err == nil
	case data.KindInteger:
		x, err := strconv.ParseInt(p.number(d), 0, 64)
		v, ok = data.Integer(x), err == nil
	case data.KindReal:
		v, ok = p.real(d)
	case data.KindSet, data.KindVector:
		if n.token == tokenArray {
			return p.elements(k, d, depth)
		}
		ok = false
	case data.KindTable:
		if n.token == tokenArray {
			return p.entries(d, depth)
		}
		ok = false
	default:
		if p.isString(d) {
			return p.scalar(k, d)
		}
		ok = false
	}
	if !ok {
		return data.Value{}, p.fail(ClassValue, d, "want %s", allowed[k])
	}
	return v, nil
}

// number is the text of a number, nothing if node i is none.
func (p *parser) number(i int) string {
	if p.nodes[i].token == tokenNumber {
		return p.raw(i)
	}
	return ""
}

func (p *parser) real(i int) (data.Value, bool) {
	switch p.nodes[i].token {
	case tokenNumber:
	case tokenWord, tokenString:
		switch p.raw(i) {
		case "inf", "-inf", "nan", "-nan":
		default:
			return data.Value{}, false
		}
	default:
		return data.Value{}, false
	}
	text := strings.Replace(p.raw(i), "-nan", "nan", 1)
	f, err := strconv.ParseFloat(text, 64)
	return data.Real(f), err == nil || errors.Is(err, strconv.ErrRange) // which is an infinity, as for the reference
}

// scalar reads the kinds that are written as strings.
func (p *parser) scalar(k data.Kind, i int) (v data.Value, bad *Error) {
	var err error
	switch s := p.text(i); k {
	case data.KindString:
		v = data.String(s)
	case data.KindEnum:
		v = data.Enum(s)
	case data.KindAddress:
		v, err = data.ParseAddress(s)
	case data.KindSubnet:
		v, err = parseSubnet(s)
	case data.KindPort:
		v, err = data.ParsePort(s)
	case data.KindTimestamp:
		v, err = data.ParseTimestamp(s)
	default:
		v, err = data.ParseTimespan(strings.TrimLeft(s, " "))
	}
	if err != nil {
		return v, p.fail(ClassValue, i, "%s", err)
	}
	return v, nil
}

// parseSubnet also reads the raw form that ends with an exclamation mark.
func parseSubnet(s string) (data.Value, error) {
	raw, marked := strings.CutSuffix(s, "!")
	if !marked {
		return data.ParseSubnet(s)
	}
	address, digits, _ := strings.Cut(raw, "/")
	v, err := data.ParseAddress(address)
	if err != nil {
		return data.Value{}, fmt.Errorf("subnet %.70q: %w", s, err)
	}
	length, err := strconv.ParseUint(digits, 10, 8)
	if err != nil {
		return data.Value{}, fmt.Errorf("subnet %.70q: want a length from 0 to 255", s)
	}
	a, _ := v.AsAddress()
	return rawSubnet(a, uint8(length))
}
