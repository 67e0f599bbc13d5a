// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"fmt"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// Text is a value as a line shows it: a Zeek message as what it says, for
// instance ping(1, two), anything else in the text form.
func Text(v data.Value) string {
	switch zeek.TypeOf(v) {
	case zeek.TypeEvent:
		if e, err := zeek.ParseEvent(v); err == nil {
			return table.Plain(e.Name) + arguments(e.Args)
		}
	case zeek.TypeLogCreate:
		if l, err := zeek.ParseLogCreate(v); err == nil {
			return fmt.Sprintf("log create %s for %s, %d fields", table.Plain(l.Stream), table.Plain(l.Writer), l.Fields.Len())
		}
	case zeek.TypeLogWrite:
		if l, err := zeek.ParseLogWrite(v); err == nil {
			return fmt.Sprintf("log write %s to %s, %d bytes", table.Plain(l.Stream), table.Plain(l.Path), len(l.Record))
		}
	case zeek.TypeIdentifierUpdate:
		if u, err := zeek.ParseIdentifierUpdate(v); err == nil {
			return table.Plain(u.Name) + " = " + table.Plain(u.Value.String())
		}
	case zeek.TypeBatch:
		if messages, err := zeek.ParseBatch(v); err == nil {
			return batch(messages)
		}
	}
	return table.Plain(v.String())
}

func arguments(args data.Value) string {
	if args.IsNone() {
		return "()"
	}
	return table.Plain(args.String())
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
