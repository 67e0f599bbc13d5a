// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// NetworkTimestamp is the ID of the metadata that says when, by Zeek's clock of
// the traffic, the event happened. IDs up to 199 are Zeek's, others free.
const NetworkTimestamp = 1

// Event is a call of a Zeek script's event handlers.
type Event struct {
	Name string
	// Args is a vector; none stands for the empty one.
	Args data.Value
	// Metadata is a vector of vectors of an ID (count) and its value; none if
	// the message has no such element, as before Zeek 6.
	Metadata data.Value
}

// NewEvent is the message of an event without metadata.
func NewEvent(name string, args ...data.Value) data.Value {
	return Event{Name: name, Args: data.Vector(args...)}.Message()
}

// TimestampMetadata is the metadata with a network timestamp and nothing else.
func TimestampMetadata(t time.Time) data.Value {
	return data.Vector(data.Vector(data.Count(NetworkTimestamp), data.Timestamp(t)))
}

// Message is the event as a message. Metadata is part of it unless it is none.
func (e Event) Message() data.Value {
	args := e.Args
	if args.IsNone() {
		args = data.Vector()
	}
	if e.Metadata.IsNone() {
		return message(TypeEvent, data.String(e.Name), args)
	}
	return message(TypeEvent, data.String(e.Name), args, e.Metadata)
}

// Lookup is the first metadata value with that ID.
func (e Event) Lookup(id uint64) (data.Value, bool) {
	for pair := range e.Metadata.Elements() {
		r := pair.Reader()
		key, _ := r.Next()
		if n, ok := key.AsCount(); ok && n == id {
			return r.Next()
		}
	}
	return data.Value{}, false
}

// Timestamp is the event's network timestamp, if it has one.
func (e Event) Timestamp() (time.Time, bool) {
	v, _ := e.Lookup(NetworkTimestamp)
	return v.AsTimestamp()
}

// ParseEvent reads an event. It allocates nothing.
func ParseEvent(v data.Value) (Event, error) {
	r, err := content(v, TypeEvent, 2)
	if err != nil {
		return Event{}, err
	}
	f := fields{r: r}
	e := Event{
		Name: f.text("event name", data.KindString),
		Args: f.next("event arguments", data.KindVector),
	}
	if f.r.Len() > 0 {
		e.Metadata = f.next("event metadata", data.KindVector)
	}
	if f.err == nil {
		f.err = checkMetadata(e.Metadata)
	}
	if f.err != nil {
		return Event{}, f.err
	}
	return e, nil
}

func checkMetadata(metadata data.Value) error {
	for pair := range metadata.Elements() {
		if pair.Kind() != data.KindVector || pair.Len() != 2 {
			return invalid("event metadata holds a %s of %d, want vectors of ID and value", pair.Kind(), pair.Len())
		}
		r := pair.Reader()
		id, _ := r.Next()
		value, _ := r.Next()
		n, ok := id.AsCount()
		if !ok {
			return invalid("ID of event metadata is a %s, want count", id.Kind())
		}
		if n == NetworkTimestamp && value.Kind() != data.KindTimestamp {
			return invalid("network timestamp is a %s, want timestamp", value.Kind())
		}
	}
	return nil
}
