// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// Record is one message, or another thing worth a line.
type Record struct {
	// Time is when it was seen; zero if unknown.
	Time time.Time
	// Kind is what it is: "data", "command", or in captures also another type
	// of frame, and "note".
	Kind string
	// Source is who the message is from, by name if there is one, and where
	// it was seen: in captures "ADDRESS > ADDRESS".
	Source string
	// Origin is who published it as far as that is known, and From the last
	// hop; zero if not known.
	Origin, From data.EndpointID
	// Hops is how many links of the mesh it has travelled; -1 if unknown.
	Hops int
	// Sent is when it entered the mesh by the clock of this machine; zero if
	// unknown.
	Sent time.Time

	Topic string
	// Value is the value of data.
	Value data.Value
	// Text says what the record holds instead of a value.
	Text string
	// Err says why it can't be read.
	Err error
}

// Age is how long the message was under way, or how old the Zeek event in it
// is; false if neither is known.
func (r *Record) Age() (age time.Duration, ok bool) {
	if r.Time.IsZero() {
		return 0, false
	}
	if !r.Sent.IsZero() {
		return r.Time.Sub(r.Sent), true
	}
	events(r.Value, func(e zeek.Event) bool {
		if at, known := e.Timestamp(); known {
			age, ok = r.Time.Sub(at), true
		}
		return false // the first one counts
	})
	return age, ok
}

// text is what stands at the end of the line.
func (r *Record) text() string {
	if r.Text != "" {
		return table.Plain(r.Text)
	}
	return Text(r.Value)
}
