// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"math"
	"strings"
)

// maxNesting bounds the levels of arrays and objects. A table that is nested
// as deeply as values may be needs three for each of its own levels.
const maxNesting = 512

// token is the JSON type of a node.
type token uint8

const (
	tokenNull token = iota
	tokenTrue
	tokenFalse
	tokenNumber
	tokenWord    // nan, inf and their like, which aren't JSON
	tokenString  // without escapes
	tokenEscaped // a string with escapes
	tokenArray
	tokenObject
)

// node is one JSON value of a scanned document. Nodes stand in the order of
// the text: those of an array's elements, or of an object's names and values in
// turn, follow their parent's.
type node struct {
	token token
	// start and end are the text: of a string what stands between the quotes.
	start, end int32
	// next is the index of the node behind this one and all within it.
	next int32
}

// scanner turns a document into nodes, in one pass and without looking at what
// they mean.
type scanner struct {
	src   string
	pos   int
	nodes []node
}

// scan reads a document of one JSON value.
func scan(src string) ([]node, error) {
	if len(src) > math.MaxInt32 {
		return nil, &Error{Class: ClassSyntax, Msg: "more than 2^31-1 bytes"}
	}
	s := scanner{src: src, nodes: make([]node, 0, 16+len(src)/16)}
	msg := s.value(0)
	if msg == "" && s.peek() != 0 {
		msg = "text behind the JSON value"
	}
	if msg != "" {
		return nil, &Error{Class: ClassSyntax, Offset: min(s.pos, len(src)), Msg: msg}
	}
	return s.nodes, nil
}

// peek skips white space and answers the byte behind it, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.src); s.pos++ {
		switch c := s.src[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		case 0:
			return 1 // not the end, and nothing that fits anywhere
		default:
			return c
		}
	}
	return 0
}

// value scans the next value; msg says what is wrong at s.pos.
func (s *scanner) value(depth int) (msg string) {
	switch c := s.peek(); {
	case c == '"':
		return s.text()
	case c == '[':
		return s.members(tokenArray, ']', depth+1)
	case c == '{':
		return s.members(tokenObject, '}', depth+1)
	case c == 0:
		return "the text ends where a JSON value should be"
	case c == '+' || c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
		return s.bare()
	default:
		return "not a JSON value"
	}
}

func (s *scanner) add(t token, start, end int) {
	s.nodes = append(s.nodes, node{t, int32(start), int32(end), int32(len(s.nodes) + 1)})
}

func (s *scanner) text() (msg string) {
	start := s.pos + 1
	t := tokenString
	for i := start; i < len(s.src); i++ {
		switch s.src[i] {
		case '\\':
			t = tokenEscaped
			i++
		case '"':
			s.add(t, start, i)
			s.pos = i + 1
			if t == tokenEscaped {
				if _, at := unquote(s.src[start:i]); at >= 0 {
					s.pos = start + at
					return "unknown escape in a string"
				}
			}
			return ""
		}
	}
	s.pos = len(s.src)
	return "the text ends inside a string"
}

// bare scans numbers and words.
func (s *scanner) bare() (msg string) {
	start := s.pos
	rest := strings.TrimLeft(s.src[start:], "+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	end := len(s.src) - len(rest)
	t := tokenNumber
	switch word := s.src[start:end]; word {
	case "null":
		t = tokenNull
	case "true":
		t = tokenTrue
	case "false":
		t = tokenFalse
	case "nan", "-nan", "inf", "-inf":
		t = tokenWord
	default:
		if !isNumber(word) {
			return "not a JSON value"
		}
	}
	s.add(t, start, end)
	s.pos = end
	return ""
}

// isNumber reports whether s is a decimal number: a sign, digits without a
// redundant leading zero, a point, an exponent. More than JSON allows, a plus
// sign and a point without digits on one side of it are, and integers with 0x
// or 0b in front.
func isNumber(s string) bool {
	s = trimSign(s)
	if digits := basedDigits(s); digits != "" {
		return len(s) > 2 && strings.Trim(s[2:], digits) == ""
	}
	rest := trimDigits(s)
	digits := len(s) - len(rest)
	if digits > 1 && s[0] == '0' {
		return false
	}
	if after, found := strings.CutPrefix(rest, "."); found {
		rest = trimDigits(after)
		digits += len(after) - len(rest)
	}
	if digits == 0 {
		return false
	}
	if rest == "" {
		return true
	}
	exponent := trimSign(rest[1:])
	return (rest[0] == 'e' || rest[0] == 'E') && exponent != "" && trimDigits(exponent) == ""
}

// basedDigits are the digits that may follow the 0x or 0b at the front of s;
// none if it begins otherwise.
func basedDigits(s string) string {
	switch {
	case len(s) < 2 || s[0] != '0':
		return ""
	case s[1] == 'x' || s[1] == 'X':
		return "0123456789abcdefABCDEF"
	case s[1] == 'b' || s[1] == 'B':
		return "01"
	default:
		return ""
	}
}

func trimSign(s string) string {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:]
	}
	return s
}

func trimDigits(s string) string { return strings.TrimLeft(s, "0123456789") }

// name scans the name of an object's member and the colon behind it.
func (s *scanner) name() (msg string) {
	if s.peek() != '"' {
		return "want a name in quotes"
	}
	if msg := s.text(); msg != "" {
		return msg
	}
	if s.peek() != ':' {
		return "want a colon behind the name"
	}
	s.pos++
	return ""
}

// members scans an array or object up to its closing bracket.
func (s *scanner) members(t token, closing byte, depth int) (msg string) {
	if depth > maxNesting {
		return "nested too deeply"
	}
	parent := len(s.nodes)
	s.add(t, s.pos, 0)
	s.pos++
	for first := true; s.peek() != closing || !first; first = false {
		if t == tokenObject {
			if msg = s.name(); msg != "" {
				return msg
			}
		}
		if msg = s.value(depth); msg != "" {
			return msg
		}
		c := s.peek()
		if c == closing {
			break
		}
		if c != ',' {
			return "want a comma or the closing bracket"
		}
		s.pos++
	}
	s.pos++
	s.nodes[parent].end = int32(s.pos)
	s.nodes[parent].next = int32(len(s.nodes))
	return ""
}
