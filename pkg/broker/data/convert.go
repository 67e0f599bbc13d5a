// SPDX-License-Identifier: Apache-2.0

package data

import (
	"fmt"
	"strconv"
)

// PortNumber is a port as a Go value, as [Marshal] and [Unmarshal] know it.
type PortNumber struct {
	Number   uint16
	Protocol Protocol
}

// String is the port as [ParsePort] reads it, such as 80/tcp.
func (p PortNumber) String() string { return Port(p.Number, p.Protocol).String() }

// EnumName is the name of an enumeration's value as a Go value, such as
// Log::UNKNOWN. Strings with the tag option enum do as well.
type EnumName string

// Marshaler is implemented by types that say themselves what value they are.
type Marshaler interface {
	MarshalData() (Value, error)
}

// Unmarshaler is implemented by types that read themselves from a value, which
// may be none. What they keep of it shares the memory of the whole value; see
// [Value.Clone].
type Unmarshaler interface {
	UnmarshalData(Value) error
}

// ConvertError says that a Go value is no value of the data model, or the other
// way around, and where.
type ConvertError struct {
	// Path leads to the place from the outside in: .Field, [index], and
	// [key] with the key as [Value.Text] writes it. It is empty for the whole.
	Path string
	// Found is what is there: a Go type or a kind, with the value if it is
	// short.
	Found string
	// Want is what could be there.
	Want string
	// Err is the error of a Marshaler, an Unmarshaler or a text of its own
	// form; else nil.
	Err error
}

// Error is the place, what was found, and what was expected.
func (e *ConvertError) Error() string {
	text := "data: "
	if e.Path != "" {
		text += e.Path + ": "
	}
	switch {
	case e.Err != nil && e.Want != "":
		return text + "found " + e.Found + ", want " + e.Want + ": " + e.Err.Error()
	case e.Err != nil:
		return text + e.Err.Error()
	default:
		return text + "found " + e.Found + ", want " + e.Want
	}
}

// Unwrap is Err.
func (e *ConvertError) Unwrap() error { return e.Err }

// maxPath bounds how long a path becomes.
const maxPath = 1 << 10

// at puts a step in front of the path; nil stays nil.
func (e *ConvertError) at(step string) *ConvertError {
	if e != nil && len(e.Path)+len(step) <= maxPath {
		e.Path = step + e.Path
	}
	return e
}

// atIndex is at for the i-th element.
func (e *ConvertError) atIndex(i int) *ConvertError {
	return e.at("[" + strconv.Itoa(i) + "]")
}

// atKey is at for what is under a key.
func (e *ConvertError) atKey(key Value) *ConvertError {
	return e.at("[" + brief(key) + "]")
}

// found is the error for a value that isn't what was expected.
func found(v Value, format string, args ...any) *ConvertError {
	return &ConvertError{Found: describe(v), Want: fmt.Sprintf(format, args...)}
}

// foundGo is the error for a Go value that has no form here.
func foundGo(what any, format string, args ...any) *ConvertError {
	return &ConvertError{Found: fmt.Sprint(what), Want: fmt.Sprintf(format, args...)}
}

// describe is a value for errors: its kind, and the value if it is short.
func describe(v Value) string {
	switch {
	case v.IsNone():
		return "none"
	case v.Kind().IsContainer():
		return v.Kind().String() + " of " + strconv.Itoa(v.Len())
	default:
		return v.Kind().String() + " " + brief(v)
	}
}

// brief is a value's text if it is short, else its beginning or its kind.
func brief(v Value) string {
	const most = 48
	switch k := v.Kind(); {
	case k.IsContainer():
		if len(v.s) > most {
			return k.String() + " of " + strconv.Itoa(v.Len())
		}
	case len(v.s) > most:
		v.s = v.s[:most]
		return v.Text() + "…"
	}
	return v.Text()
}
