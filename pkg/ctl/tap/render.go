// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

// Plain is text in which control characters, and bytes that are not UTF-8,
// are escapes as Go writes them.
func Plain(s string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case clean(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// Text is a value as a line shows it: a Zeek message as what it says, for
// instance ping(1, two), anything else in the text form.
func Text(v data.Value) string {
	switch zeek.TypeOf(v) {
	case zeek.TypeEvent:
		if e, err := zeek.ParseEvent(v); err == nil {
			return Plain(e.Name) + arguments(e.Args)
		}
	case zeek.TypeLogCreate:
		if l, err := zeek.ParseLogCreate(v); err == nil {
			return fmt.Sprintf("log create %s for %s, %d fields", Plain(l.Stream), Plain(l.Writer), l.Fields.Len())
		}
	case zeek.TypeLogWrite:
		if l, err := zeek.ParseLogWrite(v); err == nil {
			return fmt.Sprintf("log write %s to %s, %d bytes", Plain(l.Stream), Plain(l.Path), len(l.Record))
		}
	case zeek.TypeIdentifierUpdate:
		if u, err := zeek.ParseIdentifierUpdate(v); err == nil {
			return Plain(u.Name) + " = " + Plain(u.Value.String())
		}
	case zeek.TypeBatch:
		if messages, err := zeek.ParseBatch(v); err == nil {
			return batch(messages)
		}
	}
	return Plain(v.String())
}

func arguments(args data.Value) string {
	if args.IsNone() {
		return "()"
	}
	return Plain(args.String())
}

// batch is all messages of a batch; those that say the same one after the
// other are counted.
func batch(messages data.Value) string {
	var parts []string
	last, n := "", 0
	flush := func() {
		switch {
		case n == 1:
			parts = append(parts, last)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d times %s", n, last))
		}
	}
	for m := range messages.Elements() {
		text := Text(m)
		if text != last {
			flush()
			last, n = text, 0
		}
		n++
	}
	flush()
	return fmt.Sprintf("batch of %d: %s", messages.Len(), strings.Join(parts, "; "))
}

// events calls f for each Zeek event in a value, those of batches included,
// until it answers false.
func events(v data.Value, f func(zeek.Event) bool) bool {
	switch zeek.TypeOf(v) {
	case zeek.TypeEvent:
		if e, err := zeek.ParseEvent(v); err == nil {
			return f(e)
		}
	case zeek.TypeBatch:
		if messages, err := zeek.ParseBatch(v); err == nil {
			for m := range messages.Elements() {
				if !events(m, f) {
					return false
				}
			}
		}
	}
	return true
}
