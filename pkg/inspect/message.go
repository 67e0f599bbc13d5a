// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Topic is where questions and answers travel.
const Topic = "<$>/brokermesh/inspect"

// Kind is what is asked for.
type Kind string

// The kinds of questions, with their arguments.
const (
	// KindReport asks for a [Report].
	KindReport Kind = "report"
	// KindPing asks for a [Pong].
	KindPing Kind = "ping"
	// KindRoute asks for a [Route]: topic, and where the message enters and
	// who publishes it (endpoint IDs as text; empty: the node that is asked).
	KindRoute Kind = "route"
	// KindTrace asks for a [Trace]: the prefix of topics, and the number of
	// the first record that is wanted. The first such question begins to
	// record, the last one ends it ten seconds later.
	KindTrace Kind = "trace"
	// KindTap asks for stamps with times, for ten seconds. The answer is the
	// empty document.
	KindTap Kind = "tap"
)

const (
	wordAsk     = "ask"
	wordAnswer  = "answer"
	wordRefused = "refused"

	// maxArgs and maxArg bound a question, maxKind the name of its kind,
	// maxDocument and maxReason an answer.
	maxArgs     = 8
	maxArg      = 1 << 16
	maxKind     = 64
	maxDocument = 8 << 20
	maxReason   = 1 << 10
)

// ErrMalformed says that a message is neither question nor answer.
var ErrMalformed = errors.New("neither a question nor an answer")

// message is a question or an answer.
type message struct {
	word   string // which of the three
	number uint64
	kind   Kind     // of a question
	args   []string // of a question
	text   string   // document or reason of an answer
}

func (m message) value() data.Value {
	parts := []data.Value{data.String(m.word), data.Count(m.number)}
	if m.word == wordAsk {
		parts = append(parts, data.String(string(m.kind)))
		for _, a := range m.args {
			parts = append(parts, data.String(a))
		}
	} else {
		parts = append(parts, data.String(m.text))
	}
	return data.Vector(parts...)
}

// parse reads a message. The error wraps ErrMalformed.
func parse(v data.Value) (message, error) {
	if v.Kind() != data.KindVector || v.Len() < 3 || v.Len() > 3+maxArgs {
		return message{}, fmt.Errorf("%w: a %s of %d", ErrMalformed, v.Kind(), v.Len())
	}
	r := v.Reader()
	var m message
	first, _ := r.Next()
	second, _ := r.Next()
	third, _ := r.Next()
	word, ok := first.AsString()
	number, isCount := second.AsCount()
	text, isText := third.AsString()
	if !ok || !isCount || !isText {
		return message{}, fmt.Errorf("%w: it begins with %s, %s, %s", ErrMalformed, first.Kind(), second.Kind(), third.Kind())
	}
	m.number = number
	limit := maxDocument
	switch word {
	case wordAsk:
		m.word, m.kind, limit = wordAsk, Kind(text), maxKind
	case wordAnswer:
		m.word, m.text = wordAnswer, text
	case wordRefused:
		m.word, m.text, limit = wordRefused, text, maxReason
	default:
		return message{}, fmt.Errorf("%w: an unknown first word of %d bytes", ErrMalformed, len(word))
	}
	if len(text) > limit {
		return message{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMalformed, len(text), limit)
	}
	if word != wordAsk && r.Len() > 0 {
		return message{}, fmt.Errorf("%w: an answer of %d parts", ErrMalformed, v.Len())
	}
	for a, ok := r.Next(); ok; a, ok = r.Next() {
		s, isText := a.AsString()
		if !isText || len(s) > maxArg {
			return message{}, fmt.Errorf("%w: an argument is a %s of %d bytes", ErrMalformed, a.Kind(), a.Len())
		}
		m.args = append(m.args, s)
	}
	return m, nil
}
