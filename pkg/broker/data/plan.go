// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// option is what a field's tag asks for beyond its name.
type option uint8

const (
	optionEnum option = 1 << iota
	optionCount
	optionInteger
	optionSet
	optionTable
	optionOmitEmpty
)

var optionNames = map[string]option{
	"enum": optionEnum, "count": optionCount, "integer": optionInteger,
	"set": optionSet, "table": optionTable, "omitempty": optionOmitEmpty,
}

func (o option) String() string {
	var names []string
	for name, bit := range optionNames {
		if o&bit != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// planKey names a plan: how a type is converted depends on the options of the
// field that holds it.
type planKey struct {
	t reflect.Type
	o option
}

// plan is how values of a type are converted.
type plan struct {
	encode func(b *Builder, rv reflect.Value) *ConvertError
	decode func(d decoder, v Value, rv reflect.Value) *ConvertError
	// none says that none is one of the type's values.
	none bool
	// fields is one more than the number of a record's fields; else 0.
	fields int
}

var plans sync.Map // of planKey to *plan

// planOf is the plan for a type, made when it is first asked for. What a type
// refers to gets its plan when it is first used, so that types may refer to
// themselves.
func planOf(t reflect.Type, o option) *plan {
	key := planKey{t, o}
	if p, ok := plans.Load(key); ok {
		return p.(*plan)
	}
	p := newPlan(t, o)
	known, _ := plans.LoadOrStore(key, &p)
	return known.(*plan)
}

// lazyPlan is a plan that is looked up once, when it is needed.
type lazyPlan struct {
	key  planKey
	once sync.Once
	plan *plan
}

func later(t reflect.Type, o option) *lazyPlan { return &lazyPlan{key: planKey{t, o}} }

func (l *lazyPlan) get() *plan {
	l.once.Do(func() { l.plan = planOf(l.key.t, l.key.o) })
	return l.plan
}

var (
	valueType      = reflect.TypeFor[Value]()
	portType       = reflect.TypeFor[PortNumber]()
	enumType       = reflect.TypeFor[EnumName]()
	addrType       = reflect.TypeFor[netip.Addr]()
	prefixType     = reflect.TypeFor[netip.Prefix]()
	timeType       = reflect.TypeFor[time.Time]()
	durationType   = reflect.TypeFor[time.Duration]()
	byteType       = reflect.TypeFor[byte]()
	endpointIDType = reflect.TypeFor[EndpointID]()

	marshalerType       = reflect.TypeFor[Marshaler]()
	unmarshalerType     = reflect.TypeFor[Unmarshaler]()
	textMarshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// newPlan chooses how a type is converted.
func newPlan(t reflect.Type, o option) plan {
	o &^= optionOmitEmpty
	if p, ok := specialPlan(t); ok {
		return p.only(t, o, 0)
	}
	if p, ok := ownPlan(t, o); ok {
		return p
	}
	switch k := t.Kind(); k {
	case reflect.Bool:
		return plan{encode: encodeBool, decode: decodeBool}.only(t, o, 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return intPlan(o).only(t, o, optionCount|optionInteger)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return uintPlan(o).only(t, o, optionCount|optionInteger)
	case reflect.Float32, reflect.Float64:
		return plan{encode: encodeFloat, decode: decodeFloat}.only(t, o, 0)
	case reflect.String:
		return stringPlan(o).only(t, o, optionEnum)
	case reflect.Slice, reflect.Array:
		if t.Elem() == byteType && o&^optionEnum == 0 {
			return bytesPlan(t, o)
		}
		return listPlan(t, o)
	case reflect.Map:
		return mapPlan(t, o)
	case reflect.Struct:
		return structPlan(t, o).only(t, o, optionTable)
	case reflect.Pointer:
		return pointerPlan(t, o)
	case reflect.Interface:
		return interfacePlan(t).only(t, o, 0)
	default:
		return refuse("Go type "+t.String(), "a type that has a value")
	}
}

// refuse is the plan of what can't be converted.
func refuse(what, want string) plan {
	return plan{
		encode: func(*Builder, reflect.Value) *ConvertError { return foundGo(what, "%s", want) },
		decode: func(decoder, Value, reflect.Value) *ConvertError { return foundGo(what, "%s", want) },
	}
}

// only is the plan if no option but the allowed ones is there.
func (p plan) only(t reflect.Type, o, allowed option) plan {
	if extra := o &^ allowed; extra != 0 {
		return refuse(fmt.Sprintf("tag option %s on %s", extra, t), "an option that fits the type")
	}
	return p
}

// field is a field of a struct.
type field struct {
	name      string
	step      string // the name as part of a path
	key       Value  // the name as the key of a table
	index     []int
	plan      *lazyPlan
	omitEmpty bool
}

// fields lists what of a struct is converted, embedded structs in their place,
// and whether a field _ asks for the form of a table.
func fields(t reflect.Type, outer []int) (list []field, table bool, err *ConvertError) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("broker")
		name, o, err := parseTag(f, tag)
		if err != nil {
			return nil, false, err
		}
		if f.Name == "_" {
			table = table || o&optionTable != 0
			continue
		}
		index := append(slices.Clone(outer), i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct && !tagged && !isLeaf(f.Type) {
			inner, _, err := fields(f.Type, index)
			if err != nil {
				return nil, false, err.at("." + f.Name)
			}
			list = append(list, inner...)
			continue
		}
		if tag == "-" || !f.IsExported() {
			continue
		}
		list = append(list, field{
			name: name, step: "." + name, key: String(name), index: index,
			plan: later(f.Type, o&^optionOmitEmpty), omitEmpty: o&optionOmitEmpty != 0,
		})
	}
	return list, table, nil
}

// isLeaf reports whether a struct is converted by another rule than by its
// fields.
func isLeaf(t reflect.Type) bool {
	if _, special := specialPlan(t); special {
		return true
	}
	_, own := ownPlan(t, 0)
	return own
}

func parseTag(f reflect.StructField, tag string) (name string, o option, err *ConvertError) {
	name, rest, _ := strings.Cut(tag, ",")
	if name == "" {
		name = f.Name
	}
	for word := range strings.SplitSeq(rest, ",") {
		bit, ok := optionNames[word]
		if !ok && word != "" {
			return "", 0, foundGo(fmt.Sprintf("tag option %q", word), "enum, count, integer, set, table or omitempty").at("." + f.Name)
		}
		o |= bit
	}
	return name, o, nil
}
