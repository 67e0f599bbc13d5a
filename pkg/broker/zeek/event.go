// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// IDs of event metadata. Those up to 199 are Zeek's, those from [UserMetadata]
// on are free for programs; a receiver passes over IDs that it doesn't know.
const (
	// NetworkTimestamp says when, by Zeek's clock of the traffic, the event
	// happened.
	NetworkTimestamp = 1
	// UserMetadata is the first ID that isn't Zeek's.
	UserMetadata = 200
)

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
	b := builders.Get().(*data.Builder)
	defer builders.Put(b)
	BeginEvent(b, name)
	for _, arg := range args {
		b.Append(arg)
	}
	return b.Vector()
}

var builders = sync.Pool{New: func() any { return new(data.Builder) }}

// Marshal is the message of an event without metadata, of arguments that are Go
// values; [data.Marshal] says what becomes of them. Zeek takes an event only if
// each argument has exactly the type of its parameter: a uint64 for a count, an
// int for an int, a struct for a record (see the package comment).
func Marshal(name string, args ...any) (data.Value, error) {
	e, err := MarshalEvent(name, args...)
	if err != nil {
		return data.Value{}, err
	}
	return e.Message(), nil
}

// MarshalEvent is [Marshal] for events that still get metadata.
func MarshalEvent(name string, args ...any) (Event, error) {
	b := builders.Get().(*data.Builder)
	defer builders.Put(b)
	defer b.Reset()
	for i, arg := range args {
		if err := b.Marshal(arg); err != nil {
			return Event{}, fmt.Errorf("argument %d of event %s: %w", i, name, err)
		}
	}
	return Event{Name: name, Args: b.Vector()}, nil
}

// BeginEvent begins the message of an event in an empty Builder. What is
// appended next are its arguments, and [data.Builder.Vector] then answers the
// message: the quickest way for programs that send many. Metadata may follow
// after [data.Builder.End], as a vector.
func BeginEvent(b *data.Builder, name string) {
	b.Count(Version)
	b.Count(uint64(TypeEvent))
	b.BeginVector()
	b.String(name)
	b.BeginVector()
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

// With is the event with one more piece of metadata, behind those that it has.
func (e Event) With(id uint64, value data.Value) Event {
	var b data.Builder
	for pair := range e.Metadata.Elements() {
		b.Append(pair)
	}
	b.BeginVector()
	b.Count(id)
	b.Append(value)
	e.Metadata = b.Vector()
	return e
}

// At is the event with a network timestamp.
func (e Event) At(t time.Time) Event { return e.With(NetworkTimestamp, data.Timestamp(t)) }

// AllMetadata are the IDs and values of the metadata in their order. IDs may
// repeat.
func (e Event) AllMetadata() iter.Seq2[uint64, data.Value] {
	return func(yield func(uint64, data.Value) bool) {
		for pair := range e.Metadata.Elements() {
			r := pair.Reader()
			id, _ := r.Next()
			value, _ := r.Next()
			if n, ok := id.AsCount(); ok && !yield(n, value) {
				return
			}
		}
	}
}

// Lookup is the first metadata value with that ID.
func (e Event) Lookup(id uint64) (data.Value, bool) {
	for n, value := range e.AllMetadata() {
		if n == id {
			return value, true
		}
	}
	return data.Value{}, false
}

// Timestamp is the event's network timestamp, if it has one.
func (e Event) Timestamp() (time.Time, bool) {
	v, _ := e.Lookup(NetworkTimestamp)
	return v.AsTimestamp()
}

// Scan stores the arguments in what the pointers point to, one for each, as
// [data.Unmarshal] does. There must be as many arguments as pointers, as in
// Zeek a handler runs only with as many as it has parameters.
func (e Event) Scan(into ...any) error {
	if e.Args.Len() != len(into) {
		return e.wrongNumber(len(into))
	}
	i := 0
	for arg := range e.Args.Elements() {
		if err := data.Unmarshal(arg, into[i]); err != nil {
			return fmt.Errorf("argument %d of event %s: %w", i, e.Name, err)
		}
		i++
	}
	return nil
}

// Unmarshal stores the arguments in the fields of the struct that into points
// to, in their order, as [data.Unmarshal] stores a record. There must be as many
// arguments as fields.
func (e Event) Unmarshal(into any) error {
	if n := data.Fields(into); n >= 0 && e.Args.Len() != n {
		return e.wrongNumber(n)
	}
	if err := data.Unmarshal(e.Args, into); err != nil {
		return fmt.Errorf("arguments of event %s: %w", e.Name, err)
	}
	return nil
}

func (e Event) wrongNumber(want int) error {
	return fmt.Errorf("%w: event %s has %d, want %d", ErrArguments, e.Name, e.Args.Len(), want)
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
