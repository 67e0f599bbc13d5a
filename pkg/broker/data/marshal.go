// SPDX-License-Identifier: Apache-2.0

package data

import (
	"math"
	"net/netip"
	"reflect"
	"sync"
	"time"
)

// Marshal is a Go value as a value of the data model; the package comment has
// the table. The error is a [*ConvertError].
func Marshal(x any) (Value, error) {
	if v, ok := marshalScalar(x); ok {
		return v, nil
	}
	b := builders.Get().(*Builder)
	err := b.Marshal(x)
	v, _ := b.Vector().Index(0)
	if cap(b.buf) <= keptBuffer {
		builders.Put(b)
	}
	return v, err
}

// keptBuffer bounds what the pool keeps of a large value.
const keptBuffer = 64 << 10

var builders = sync.Pool{New: func() any { return new(Builder) }}

// marshalScalar saves the commonest types the way through reflection.
func marshalScalar(x any) (Value, bool) {
	switch x := x.(type) {
	case nil:
		return None(), true
	case Value:
		return x, !x.TooDeep()
	case bool:
		return Boolean(x), true
	case int:
		return Integer(int64(x)), true
	case int64:
		return Integer(x), true
	case uint64:
		return Count(x), true
	case float64:
		return Real(x), true
	case string:
		return String(x), true
	case EnumName:
		return Enum(string(x)), true
	case time.Duration:
		return Timespan(x), true
	default:
		return Value{}, false
	}
}

// Marshal appends a Go value as [Marshal] converts it. After an error nothing
// has been appended.
func (b *Builder) Marshal(x any) error {
	if v, ok := marshalScalar(x); ok {
		b.Append(v)
		return nil
	}
	size, cur, depth, more := len(b.buf), b.cur, b.depth, len(b.more)
	b.cur.deep, b.steps = 0, 0
	err := b.any(reflect.ValueOf(x))
	if err == nil && int(b.cur.deep) > MaxDepth {
		err = foundGo("nesting deeper than 128", "a value that can be sent")
	}
	b.cur.deep = max(b.cur.deep, cur.deep)
	if err != nil {
		b.buf, b.cur, b.depth, b.more = b.buf[:size], cur, depth, b.more[:more]
		return err
	}
	return nil
}

// maxSteps bounds how deep conversions go, through pointers and interfaces too.
const maxSteps = 4 * MaxDepth

// enter counts a step inward; leave must follow if it answers nil.
func (b *Builder) enter() *ConvertError {
	if b.steps >= maxSteps {
		return foundGo("more than 512 steps inward, perhaps in a circle", "a value that can be sent")
	}
	b.steps++
	return nil
}

func (b *Builder) leave() { b.steps-- }

// any appends the value of an interface, or of anything at the outside.
func (b *Builder) any(rv reflect.Value) *ConvertError {
	if !rv.IsValid() {
		b.None()
		return nil
	}
	return planOf(rv.Type(), 0).encode(b, rv)
}

func encodeBool(b *Builder, rv reflect.Value) *ConvertError {
	b.Boolean(rv.Bool())
	return nil
}

func encodeFloat(b *Builder, rv reflect.Value) *ConvertError {
	b.Real(rv.Float())
	return nil
}

func encodeInteger(b *Builder, rv reflect.Value) *ConvertError {
	if !rv.CanUint() {
		b.Integer(rv.Int())
		return nil
	}
	if rv.Uint() > math.MaxInt64 {
		return foundGo(rv.Uint(), "at most the largest integer, %d", math.MaxInt64)
	}
	b.Integer(int64(rv.Uint()))
	return nil
}

func encodeCount(b *Builder, rv reflect.Value) *ConvertError {
	if rv.CanUint() {
		b.Count(rv.Uint())
		return nil
	}
	if rv.Int() < 0 {
		return foundGo(rv.Int(), "a count, which isn't negative")
	}
	b.Count(uint64(rv.Int()))
	return nil
}

// specialPlan is the plan of types that are known by name.
func specialPlan(t reflect.Type) (plan, bool) {
	switch t {
	case valueType:
		return plan{encode: encodeValue, decode: decodeValue, none: true}, true
	case enumType:
		return stringPlan(optionEnum), true
	case portType:
		return plan{encode: encodePort, decode: decodePort}, true
	case addrType:
		return plan{encode: encodeAddr, decode: decodeAddr}, true
	case prefixType:
		return plan{encode: encodePrefix, decode: decodePrefix}, true
	case timeType:
		return plan{encode: encodeTime, decode: decodeTime}, true
	case durationType:
		return plan{encode: encodeDuration, decode: decodeDuration}, true
	case endpointIDType:
		return plan{encode: encodeEndpointID, decode: decodeEndpointID, none: true}, true
	default:
		return plan{}, false
	}
}

// as is a Go value of a type known by name, without a copy on the heap if rv
// has an address.
func as[T any](rv reflect.Value) T {
	if rv.CanAddr() {
		return *rv.Addr().Interface().(*T)
	}
	return rv.Interface().(T)
}

func encodeValue(b *Builder, rv reflect.Value) *ConvertError {
	b.Append(as[Value](rv))
	return nil
}

func encodePort(b *Builder, rv reflect.Value) *ConvertError {
	p := as[PortNumber](rv)
	if p.Protocol > ProtocolICMP {
		return foundGo("a port of a protocol without a name", "tcp, udp, icmp or unknown")
	}
	b.Port(p.Number, p.Protocol)
	return nil
}

func encodeAddr(b *Builder, rv reflect.Value) *ConvertError {
	a := as[netip.Addr](rv)
	if !a.IsValid() || a.Zone() != "" {
		return foundGo("the address "+a.String(), "an IPv4 or IPv6 address without zone (omitempty leaves out the zero one)")
	}
	b.Address(a)
	return nil
}

func encodePrefix(b *Builder, rv reflect.Value) *ConvertError {
	p := as[netip.Prefix](rv)
	if !p.IsValid() {
		return foundGo("an invalid network", "an IPv4 or IPv6 network (omitempty leaves out the zero one)")
	}
	b.Subnet(p)
	return nil
}

func encodeTime(b *Builder, rv reflect.Value) *ConvertError {
	t := as[time.Time](rv)
	if v := Timestamp(t); !time.Unix(0, int64(v.n)).Equal(t) {
		return foundGo("the time "+t.Format(time.RFC3339), "a time between 1677-09-21 and 2262-04-11 (omitempty leaves out the zero one)")
	}
	b.Timestamp(t)
	return nil
}

func encodeDuration(b *Builder, rv reflect.Value) *ConvertError {
	b.Timespan(time.Duration(rv.Int()))
	return nil
}

func encodeEndpointID(b *Builder, rv reflect.Value) *ConvertError {
	id := as[EndpointID](rv)
	if id.IsZero() {
		b.None()
	} else {
		b.String(id.String())
	}
	return nil
}
