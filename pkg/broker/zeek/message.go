// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Version is the only version of the message layout.
const Version = 1

// Type is the number of a message's type.
type Type uint8

// The types of messages.
const (
	TypeInvalid Type = iota
	TypeEvent
	TypeLogCreate
	TypeLogWrite
	TypeIdentifierUpdate
	TypeBatch
)

var typeNames = [...]string{"invalid", "event", "log create", "log write", "identifier update", "batch"}

// String is the type in words.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

var (
	// ErrInvalid is what errors about the layout of a message wrap.
	ErrInvalid = errors.New("invalid Zeek message")
	// ErrArguments says that an event has another number of arguments than
	// its reader.
	ErrArguments = errors.New("number of arguments")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}

// TypeOf is the type that a value claims to be a message of: that of a vector
// of three or more elements whose second is a count up to 5. It looks neither
// at the version nor at the content.
func TypeOf(v data.Value) Type {
	if v.Kind() != data.KindVector || v.Len() < 3 {
		return TypeInvalid
	}
	r := v.Reader()
	r.Next()
	second, _ := r.Next()
	if n, ok := second.AsCount(); ok && n <= uint64(TypeBatch) {
		return Type(n)
	}
	return TypeInvalid
}

// Validate checks a message by the rules of its type, those within a batch
// included. The type is [TypeInvalid] if there is an error.
func Validate(v data.Value) (Type, error) {
	t := TypeOf(v)
	var err error
	switch t {
	case TypeEvent:
		_, err = ParseEvent(v)
	case TypeLogCreate:
		_, err = ParseLogCreate(v)
	case TypeLogWrite:
		_, err = ParseLogWrite(v)
	case TypeIdentifierUpdate:
		_, err = ParseIdentifierUpdate(v)
	case TypeBatch:
		_, err = ParseBatch(v)
	default:
		err = invalid("want a vector of version, type (1 to 5) and content")
	}
	if err != nil {
		return TypeInvalid, err
	}
	return t, nil
}

// describe is a value's kind, and of a count its number too: errors shall not
// be as long as what somebody sends.
func describe(v data.Value) string {
	if n, ok := v.AsCount(); ok {
		return fmt.Sprintf("count %d", n)
	}
	return v.Kind().String()
}

// message is a complete message of a content's fields.
func message(t Type, content ...data.Value) data.Value {
	return data.Vector(data.Count(Version), data.Count(uint64(t)), data.Vector(content...))
}

// content reads the outer three elements of a message of type t whose content
// has at least fields elements. Further outer elements are ignored.
func content(v data.Value, t Type, fields int) (data.Reader, error) {
	if v.Kind() != data.KindVector || v.Len() < 3 {
		return data.Reader{}, invalid("want a vector of version, type and content")
	}
	r := v.Reader()
	first, _ := r.Next()
	second, _ := r.Next()
	third, _ := r.Next()
	if n, ok := first.AsCount(); !ok || n != Version {
		return data.Reader{}, invalid("version is %s, want count %d", describe(first), Version)
	}
	if n, ok := second.AsCount(); !ok || n != uint64(t) {
		return data.Reader{}, invalid("type is %s, want count %d (%s)", describe(second), t, t)
	}
	if third.Kind() != data.KindVector {
		return data.Reader{}, invalid("content is a %s, want a vector", third.Kind())
	}
	if third.Len() < fields {
		return data.Reader{}, invalid("content of %s has %d elements, want at least %d", t, third.Len(), fields)
	}
	return third.Reader(), nil
}

// fields reads the elements of a content in turn, and keeps the first that
// isn't of the kind asked for.
type fields struct {
	r   data.Reader
	err error
}

func (f *fields) next(name string, k data.Kind) data.Value {
	v, _ := f.r.Next()
	if v.Kind() != k && f.err == nil {
		f.err = invalid("%s is a %s, want %s", name, v.Kind(), k)
	}
	return v
}

func (f *fields) text(name string, k data.Kind) string {
	v := f.next(name, k)
	if k == data.KindEnum {
		s, _ := v.AsEnum()
		return s
	}
	s, _ := v.AsString()
	return s
}
