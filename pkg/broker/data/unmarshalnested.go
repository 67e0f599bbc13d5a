// SPDX-License-Identifier: Apache-2.0

package data

import (
	"reflect"
)

// firstRoom is how many elements a slice or map gets room for at once: the
// value may claim more than its elements turn out to be.
const firstRoom = 1024

func decodePointer(t reflect.Type, elem *lazyPlan) func(decoder, Value, reflect.Value) *ConvertError {
	return func(d decoder, v Value, rv reflect.Value) *ConvertError {
		if v.IsNone() {
			rv.SetZero()
			return nil
		}
		d, err := d.enter(v)
		if err != nil {
			return err
		}
		if rv.IsNil() {
			rv.Set(reflect.New(t.Elem()))
		}
		return elem.get().decode(d, v, rv.Elem())
	}
}

func decodeInterface(t reflect.Type) func(decoder, Value, reflect.Value) *ConvertError {
	return func(d decoder, v Value, rv reflect.Value) *ConvertError {
		if t.NumMethod() > 0 {
			return foundGo("Go type "+t.String(), "any or a type that isn't an interface")
		}
		if x := natural(v, 0); x != nil {
			rv.Set(reflect.ValueOf(x))
		} else {
			rv.SetZero()
		}
		return nil
	}
}

func decodeList(t reflect.Type, k Kind, elem *lazyPlan) func(decoder, Value, reflect.Value) *ConvertError {
	array := t.Kind() == reflect.Array
	return func(d decoder, v Value, rv reflect.Value) *ConvertError {
		switch {
		case v.Kind() != k:
			return found(v, "%s", wantList(v, k))
		case array && v.Len() != rv.Len():
			return found(v, "%s of %d", k, rv.Len())
		}
		d, err := d.enter(v)
		if err != nil {
			return err
		}
		if !array && (rv.IsNil() || rv.Cap() < min(v.Len(), firstRoom)) {
			rv.Set(reflect.MakeSlice(t, 0, min(v.Len(), firstRoom)))
		}
		decode := elem.get().decode
		r := v.Reader()
		i := 0
		for e, ok := r.Next(); ok; e, ok = r.Next() {
			if !array {
				rv.SetLen(i)
				rv.Grow(1)
				rv.SetLen(i + 1)
			}
			x := rv.Index(i)
			x.SetZero()
			if err := decode(d, e, x); err != nil {
				return err.atIndex(i)
			}
			i++
		}
		if !array {
			rv.SetLen(i)
		}
		return nil
	}
}

// wantList is a kind in words, with the option that would take the other one.
func wantList(v Value, k Kind) string {
	if v.Kind() == KindSet {
		return k.String() + " (or tag option set)"
	}
	return k.String()
}

func decodeMap(t reflect.Type, key, elem *lazyPlan) func(decoder, Value, reflect.Value) *ConvertError {
	return func(d decoder, v Value, rv reflect.Value) *ConvertError {
		if v.Kind() != KindTable {
			return found(v, "table")
		}
		d, err := d.enter(v)
		if err != nil {
			return err
		}
		m := reflect.MakeMapWithSize(t, min(v.Len(), firstRoom))
		for k, x := range v.Entries() {
			goKey := reflect.New(t.Key()).Elem()
			if err := decodeKey(d, key.get(), m, k, goKey); err != nil {
				return err
			}
			goElem := reflect.New(t.Elem()).Elem()
			if err := elem.get().decode(d, x, goElem); err != nil {
				return err.atKey(k)
			}
			m.SetMapIndex(goKey, goElem)
		}
		rv.Set(m)
		return nil
	}
}

// decodeKey reads the key of a table or the element of a set as a key of m.
func decodeKey(d decoder, p *plan, m reflect.Value, k Value, key reflect.Value) *ConvertError {
	if err := p.decode(d, k, key); err != nil {
		return err.atKey(k)
	}
	switch {
	case !key.Comparable():
		return found(k, "something that Go takes as the key of a map").atKey(k)
	case m.MapIndex(key).IsValid():
		return found(k, "a key that isn't the same as another in Go").atKey(k)
	default:
		return nil
	}
}

func decodeSet(t reflect.Type, key *lazyPlan, truth bool) func(decoder, Value, reflect.Value) *ConvertError {
	member := reflect.Zero(t.Elem())
	if truth {
		member = reflect.ValueOf(true).Convert(t.Elem())
	}
	return func(d decoder, v Value, rv reflect.Value) *ConvertError {
		if v.Kind() != KindSet {
			return found(v, "set")
		}
		d, err := d.enter(v)
		if err != nil {
			return err
		}
		m := reflect.MakeMapWithSize(t, min(v.Len(), firstRoom))
		for e := range v.Elements() {
			goKey := reflect.New(t.Key()).Elem()
			if err := decodeKey(d, key.get(), m, e, goKey); err != nil {
				return err
			}
			m.SetMapIndex(goKey, member)
		}
		rv.Set(m)
		return nil
	}
}

// record reads a vector into the fields of a struct.
func (d decoder) record(list []field, v Value, rv reflect.Value) *ConvertError {
	if v.Kind() != KindVector {
		return found(v, "vector")
	}
	d, err := d.enter(v)
	if err != nil {
		return err
	}
	r := v.Reader()
	for i := range list {
		f := &list[i]
		e, ok := r.Next()
		if !ok && !f.mayMiss() {
			return found(v, "vector of at least %d, for field %s", i+1, f.name)
		}
		if err := d.field(f, e, rv); err != nil {
			return err
		}
	}
	return nil
}

// mayMiss reports whether a field can do without a value.
func (f *field) mayMiss() bool { return f.omitEmpty || f.plan.get().none }

// field reads a value, or none for a missing one, into a field.
func (d decoder) field(f *field, v Value, rv reflect.Value) *ConvertError {
	x, p := f.of(rv), f.plan.get()
	if v.IsNone() && !p.none {
		if !f.omitEmpty {
			err := p.decode(d, v, x)
			if err != nil && err.Err == nil {
				err.Want += " (or omitempty, or a pointer)"
			}
			return err.at(f.step)
		}
		x.SetZero()
		return nil
	}
	return p.decode(d, v, x).at(f.step)
}

// named reads a table into the fields of a struct, by their names; other keys
// are passed over.
func (d decoder) named(list []field, v Value, rv reflect.Value) *ConvertError {
	if v.Kind() != KindTable {
		return found(v, "table")
	}
	d, err := d.enter(v)
	if err != nil {
		return err
	}
	for i := range list {
		f := &list[i]
		e, ok := v.Lookup(f.key)
		if !ok && !f.mayMiss() {
			return found(v, "a table with the key %s", f.key.Text())
		}
		if err := d.field(f, e, rv); err != nil {
			return err
		}
	}
	return nil
}

// natural is the Go value that stands for a value where any would do.
func natural(v Value, depth int) any {
	switch v.Kind() {
	case KindNone:
		return nil
	case KindBoolean:
		return v.n != 0
	case KindCount:
		return v.n
	case KindInteger:
		return int64(v.n)
	case KindReal:
		return realFromWire(v.n)
	case KindString:
		return v.s
	case KindEnum:
		return EnumName(v.s)
	case KindTimestamp:
		t, _ := v.AsTimestamp()
		return t
	case KindTimespan:
		x, _ := v.AsTimespan()
		return x
	case KindAddress:
		a, _ := v.AsAddress()
		return a
	case KindPort:
		number, p, _ := v.AsPort()
		return PortNumber{Number: number, Protocol: p}
	case KindSubnet:
		if !v.plainSubnet() {
			return v
		}
		p, _ := v.AsSubnet()
		return p
	default:
		return naturalContainer(v, depth)
	}
}

// naturalContainer keeps as a Value what Go's maps have no key for.
func naturalContainer(v Value, depth int) any {
	if depth >= maxSteps {
		return v
	}
	switch v.Kind() {
	case KindVector:
		list := make([]any, 0, min(v.Len(), firstRoom))
		for e := range v.Elements() {
			list = append(list, natural(e, depth+1))
		}
		return list
	case KindSet:
		set := make(map[any]struct{}, min(v.Len(), firstRoom))
		for e := range v.Elements() {
			x := natural(e, depth+1)
			if !isKey(x) {
				return v
			}
			set[x] = struct{}{}
		}
		return set
	default:
		table := make(map[any]any, min(v.Len(), firstRoom))
		for k, e := range v.Entries() {
			x := natural(k, depth+1)
			if !isKey(x) {
				return v
			}
			table[x] = natural(e, depth+1)
		}
		return table
	}
}

// isKey reports whether what natural answered can be the key of a map.
func isKey(x any) bool {
	return x == nil || reflect.TypeOf(x).Comparable()
}
