// SPDX-License-Identifier: Apache-2.0

package data

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// structPlan is for structs: records, which are vectors of their fields in
// order, or tables from the fields' names to their values.
func structPlan(t reflect.Type, o option) plan {
	list, table, err := fields(t, nil)
	if err != nil {
		return refuse(err.Found, err.Want).atField(err.Path)
	}
	if !table && o&optionTable == 0 {
		return plan{
			fields: len(list) + 1,
			encode: func(b *Builder, rv reflect.Value) *ConvertError { return b.record(list, rv) },
			decode: func(d decoder, v Value, rv reflect.Value) *ConvertError { return d.record(list, v, rv) },
		}
	}
	names := map[string]bool{}
	for _, f := range list {
		if names[f.name] {
			return refuse("two fields named "+f.name+" in "+t.String(), "names that differ, since they are keys")
		}
		names[f.name] = true
	}
	slices.SortFunc(list, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return plan{
		encode: func(b *Builder, rv reflect.Value) *ConvertError { return b.named(list, rv) },
		decode: func(d decoder, v Value, rv reflect.Value) *ConvertError { return d.named(list, v, rv) },
	}
}

// atField makes the plan's errors say which field they are about.
func (p plan) atField(path string) plan {
	encode, decode := p.encode, p.decode
	p.encode = func(b *Builder, rv reflect.Value) *ConvertError { return encode(b, rv).at(path) }
	p.decode = func(d decoder, v Value, rv reflect.Value) *ConvertError { return decode(d, v, rv).at(path) }
	return p
}

// of is the field in a struct.
func (f *field) of(rv reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return rv.Field(f.index[0])
	}
	return rv.FieldByIndex(f.index)
}

// isEmpty reports whether omitempty leaves a field out: it is zero or holds
// nothing.
func isEmpty(rv reflect.Value) bool {
	switch rv.Kind() {
	case reflect.Slice, reflect.Map:
		return rv.Len() == 0
	case reflect.Struct:
		if rv.Type() == timeType {
			return as[time.Time](rv).IsZero()
		}
	}
	return rv.IsZero()
}

func (b *Builder) record(list []field, rv reflect.Value) *ConvertError {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	b.begin(KindVector, len(list))
	for i := range list {
		f := &list[i]
		x := f.of(rv)
		if f.omitEmpty && isEmpty(x) {
			b.None()
			continue
		}
		if err := f.plan.get().encode(b, x); err != nil {
			return err.at(f.step)
		}
	}
	b.End()
	return nil
}

func (b *Builder) named(list []field, rv reflect.Value) *ConvertError {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	b.begin(KindTable, len(list))
	for i := range list {
		f := &list[i]
		x := f.of(rv)
		if f.omitEmpty && isEmpty(x) {
			continue
		}
		b.Append(f.key)
		if err := f.plan.get().encode(b, x); err != nil {
			return err.at(f.step)
		}
	}
	b.End()
	return nil
}

// Fields is the number of elements in the vector that [Marshal] makes of a
// struct or of what a pointer to a struct points to; -1 for everything else and
// for structs in the form of a table.
func Fields(x any) int {
	t := reflect.TypeOf(x)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || isLeaf(t) {
		return -1
	}
	return planOf(t, 0).fields - 1
}
