// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding"
	"fmt"
	"reflect"
)

// ownPlan is the plan of types that convert themselves, by this package's
// interfaces or as text.
func ownPlan(t reflect.Type, o option) (plan, bool) {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return plan{}, false // what they hold decides
	}
	pointer := reflect.PointerTo(t)
	p := plan{}
	own := true
	switch {
	case pointer.Implements(marshalerType):
		p.encode = encodeMarshaler
	case pointer.Implements(textMarshalerType):
		p.encode = encodeMarshalerText(o)
	default:
		own = false
	}
	switch {
	case pointer.Implements(unmarshalerType):
		p.decode, p.none = decodeUnmarshaler, true
	case pointer.Implements(textUnmarshalerType):
		p.decode = decodeUnmarshalerText(o)
	case !own:
		return plan{}, false
	}
	if p.encode == nil {
		p.encode = refuse("Go type "+t.String()+", which reads itself", "MarshalData or MarshalText too").encode
	}
	if p.decode == nil {
		p.decode = refuse("Go type "+t.String()+", which writes itself", "UnmarshalData or UnmarshalText too").decode
	}
	return p.only(t, o, optionEnum), true
}

// addressed is a pointer to rv, or to a copy of it.
func addressed(rv reflect.Value) any {
	if rv.CanAddr() {
		return rv.Addr().Interface()
	}
	x := reflect.New(rv.Type())
	x.Elem().Set(rv)
	return x.Interface()
}

func encodeMarshaler(b *Builder, rv reflect.Value) *ConvertError {
	v, err := addressed(rv).(Marshaler).MarshalData()
	if err != nil {
		return &ConvertError{Err: fmt.Errorf("%s.MarshalData: %w", rv.Type(), err)}
	}
	b.Append(v)
	return nil
}

func encodeMarshalerText(o option) func(*Builder, reflect.Value) *ConvertError {
	return func(b *Builder, rv reflect.Value) *ConvertError {
		text, err := addressed(rv).(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return &ConvertError{Err: fmt.Errorf("%s.MarshalText: %w", rv.Type(), err)}
		}
		b.text(textKind(o), viewString(text))
		return nil
	}
}

// textKind is what strings become.
func textKind(o option) Kind {
	if o&optionEnum != 0 {
		return KindEnum
	}
	return KindString
}

func bytesPlan(t reflect.Type, o option) plan {
	k := textKind(o)
	p := plan{decode: decodeBytes(k)}
	if t.Kind() == reflect.Slice {
		p.encode = func(b *Builder, rv reflect.Value) *ConvertError {
			b.text(k, viewString(rv.Bytes()))
			return nil
		}
		return p
	}
	p.encode = func(b *Builder, rv reflect.Value) *ConvertError {
		raw := make([]byte, rv.Len())
		reflect.Copy(reflect.ValueOf(raw), rv)
		b.text(k, viewString(raw))
		return nil
	}
	p.decode = decodeByteArray(k)
	return p
}

func stringPlan(o option) plan {
	k := textKind(o)
	return plan{
		encode: func(b *Builder, rv reflect.Value) *ConvertError {
			b.text(k, rv.String())
			return nil
		},
		decode: decodeText(k),
	}
}

func intPlan(o option) plan {
	if o&optionCount != 0 {
		return plan{encode: encodeCount, decode: decodeCount}
	}
	return plan{encode: encodeInteger, decode: decodeInteger}
}

func uintPlan(o option) plan {
	if o&optionInteger != 0 {
		return plan{encode: encodeInteger, decode: decodeInteger}
	}
	return plan{encode: encodeCount, decode: decodeCount}
}

func pointerPlan(t reflect.Type, o option) plan {
	elem := later(t.Elem(), o)
	return plan{
		none: true,
		encode: func(b *Builder, rv reflect.Value) *ConvertError {
			if rv.IsNil() {
				b.None()
				return nil
			}
			if err := b.enter(); err != nil {
				return err
			}
			defer b.leave()
			return elem.get().encode(b, rv.Elem())
		},
		decode: decodePointer(t, elem),
	}
}

func interfacePlan(t reflect.Type) plan {
	return plan{
		none: true,
		encode: func(b *Builder, rv reflect.Value) *ConvertError {
			if err := b.enter(); err != nil {
				return err
			}
			defer b.leave()
			return b.any(rv.Elem())
		},
		decode: decodeInterface(t),
	}
}

// listPlan is for slices and arrays: vectors or sets.
func listPlan(t reflect.Type, o option) plan {
	k := KindVector
	if o&optionSet != 0 {
		k = KindSet
	}
	elem := later(t.Elem(), o&^optionSet)
	return plan{
		encode: func(b *Builder, rv reflect.Value) *ConvertError {
			if err := b.enter(); err != nil {
				return err
			}
			defer b.leave()
			encode := elem.get().encode
			b.begin(k, rv.Len())
			for i := range rv.Len() {
				if err := encode(b, rv.Index(i)); err != nil {
					return err.atIndex(i)
				}
			}
			b.End()
			return nil
		},
		decode: decodeList(t, k, elem),
	}
}

// mapPlan is for maps: sets if the values are struct{}, or truth values and the
// option set is given; else tables.
func mapPlan(t reflect.Type, o option) plan {
	truth := t.Elem().Kind() == reflect.Bool && o&optionSet != 0
	if truth || t.Elem() == reflect.TypeFor[struct{}]() {
		return setPlan(t, o&^optionSet, truth)
	}
	if o&optionSet != 0 {
		return refuse("tag option set on "+t.String(), "an option that fits the type")
	}
	key, elem := later(t.Key(), 0), later(t.Elem(), o)
	return plan{
		encode: func(b *Builder, rv reflect.Value) *ConvertError {
			return b.table(rv, key.get(), elem.get())
		},
		decode: decodeMap(t, key, elem),
	}
}

func (b *Builder) table(rv reflect.Value, key, elem *plan) *ConvertError {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	b.begin(KindTable, rv.Len())
	for it := rv.MapRange(); it.Next(); {
		at := len(b.buf)
		if err := key.encode(b, it.Key()); err != nil {
			return err.at("[key]")
		}
		end := len(b.buf)
		if err := elem.encode(b, it.Value()); err != nil {
			k, _ := take(viewString(b.buf[at:end]), false, 0, MaxDepth)
			return err.atKey(k)
		}
	}
	if b.end() > 0 {
		return foundGo("keys of the map that are the same value", "keys that differ")
	}
	return nil
}

func setPlan(t reflect.Type, o option, truth bool) plan {
	key := later(t.Key(), o)
	return plan{
		encode: func(b *Builder, rv reflect.Value) *ConvertError {
			if err := b.enter(); err != nil {
				return err
			}
			defer b.leave()
			encode := key.get().encode
			b.begin(KindSet, rv.Len())
			for it := rv.MapRange(); it.Next(); {
				if truth && !it.Value().Bool() {
					continue
				}
				if err := encode(b, it.Key()); err != nil {
					return err.at("[element]")
				}
			}
			b.End()
			return nil
		},
		decode: decodeSet(t, key, truth),
	}
}
