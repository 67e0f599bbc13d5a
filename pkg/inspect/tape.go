// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"github.com/brokermesh/brokermesh/pkg/broker"
)

const (
	// tapeLength is how many records of a trace are kept for those who ask
	// late, or again.
	tapeLength = 4096
	// tapePiece is how many records an answer holds.
	tapePiece = 500
	// maxReceivers bounds the list of whom a message was passed to.
	maxReceivers = 100
)

// tape keeps the newest records of a trace, numbered from 0. Asking moves
// nothing, so that several can ask.
type tape struct {
	take func() (events []broker.TraceEvent, missed uint64)
	end  func()

	records []TraceRecord
	first   uint64 // number of the first of them
}

func (t *tape) stop() { t.end() }

func (t *tape) since(n uint64) Trace {
	events, missed := t.take()
	if missed > 0 {
		// They stood between what is kept and what came.
		t.first += uint64(len(t.records)) + missed
		t.records = t.records[:0]
	}
	for i := range events {
		t.records = append(t.records, recordOf(&events[i]))
	}
	if over := len(t.records) - tapeLength; over > 0 {
		t.records = append(t.records[:0], t.records[over:]...)
		t.first += uint64(over)
	}
	end := t.first + uint64(len(t.records))
	out := Trace{Next: end, Records: []TraceRecord{}}
	if n >= end {
		return out
	}
	if n < t.first {
		out.Lost, n = t.first-n, t.first
	}
	rest := t.records[n-t.first:]
	if len(rest) > tapePiece {
		rest = rest[:tapePiece]
	}
	out.Next = n + uint64(len(rest))
	out.Records = append(out.Records, rest...)
	return out
}

func recordOf(ev *broker.TraceEvent) TraceRecord {
	r := TraceRecord{
		Time: ev.Time, Topic: shorten(ev.Topic, maxPrefix), Command: ev.Command, Origin: ev.Origin, Entering: ev.Entering, Number: ev.Number,
		From: ev.From, To: ev.To[:min(len(ev.To), maxReceivers)], Receivers: len(ev.To), Delivered: ev.Local,
	}
	if ev.Lost {
		r.Dropped = ev.Cause.String()
	}
	return r
}
