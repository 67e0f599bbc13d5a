// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"time"
)

// Unmarshal stores a value in what into points to, by the rules of [Marshal] the
// other way around: kinds must fit exactly, numbers must fit their Go type, and
// none is only for what can be nothing (see the package comment). Slices that
// are large enough and pointers that aren't nil are used again; maps are made
// anew. Strings share the value's memory. The error is a [*ConvertError]; then
// into may have been changed in part.
func Unmarshal(v Value, into any) error {
	if unmarshalScalar(v, into) {
		return nil
	}
	rv := reflect.ValueOf(into)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return foundGo(fmt.Sprintf("Go type %T", into), "a pointer that isn't nil")
	}
	if err := planOf(rv.Type().Elem(), 0).decode(decoder{}, v, rv.Elem()); err != nil {
		return err
	}
	return nil
}

// unmarshalScalar saves the commonest types the way through reflection; it is
// not done when something needs an error.
func unmarshalScalar(v Value, into any) (done bool) {
	switch p := into.(type) {
	case *Value:
		if done = p != nil; done {
			*p = v
		}
	case *string:
		if done = p != nil && v.Kind() == KindString; done {
			*p = v.s
		}
	case *uint64:
		if done = p != nil && v.Kind() == KindCount; done {
			*p = v.n
		}
	case *int64:
		if done = p != nil && v.Kind() == KindInteger; done {
			*p = int64(v.n)
		}
	case *bool:
		if done = p != nil && v.Kind() == KindBoolean; done {
			*p = v.n != 0
		}
	}
	return done
}

// decoder stores values in Go values.
type decoder struct {
	steps int
}

// enter is the decoder one step further inward.
func (d decoder) enter(v Value) (decoder, *ConvertError) {
	if d.steps >= maxSteps {
		return d, found(v, "nesting of at most %d steps", maxSteps)
	}
	d.steps++
	return d, nil
}

func decodeBool(_ decoder, v Value, rv reflect.Value) *ConvertError {
	x, ok := v.AsBoolean()
	if !ok {
		return found(v, "boolean")
	}
	rv.SetBool(x)
	return nil
}

func decodeFloat(_ decoder, v Value, rv reflect.Value) *ConvertError {
	x, ok := v.AsReal()
	switch {
	case !ok:
		return found(v, "real")
	case rv.OverflowFloat(x):
		return found(v, "a real that fits %s", rv.Type())
	}
	rv.SetFloat(x)
	return nil
}

func decodeInteger(_ decoder, v Value, rv reflect.Value) *ConvertError {
	x, ok := v.AsInteger()
	switch {
	case v.Kind() == KindCount:
		return found(v, "integer (or tag option count)")
	case !ok:
		return found(v, "integer")
	}
	return setNumber(v, rv, x, x >= 0, uint64(x))
}

func decodeCount(_ decoder, v Value, rv reflect.Value) *ConvertError {
	x, ok := v.AsCount()
	switch {
	case v.Kind() == KindInteger:
		return found(v, "count (or tag option integer)")
	case !ok:
		return found(v, "count")
	case !rv.CanUint() && x > math.MaxInt64:
		return found(v, "a number that fits %s", rv.Type())
	}
	return setNumber(v, rv, int64(x), true, x)
}

// setNumber stores a number, given in both forms, if it fits.
func setNumber(v Value, rv reflect.Value, signed int64, isUnsigned bool, unsigned uint64) *ConvertError {
	switch {
	case rv.CanUint() && isUnsigned && !rv.OverflowUint(unsigned):
		rv.SetUint(unsigned)
	case rv.CanInt() && !rv.OverflowInt(signed):
		rv.SetInt(signed)
	default:
		return found(v, "a number that fits %s", rv.Type())
	}
	return nil
}

// textOf is a value's text if it is of kind k, string or enum.
func textOf(v Value, k Kind) (string, *ConvertError) {
	switch {
	case v.Kind() == k:
		return v.s, nil
	case v.Kind() == KindEnum:
		return "", found(v, "string (or tag option enum)")
	default:
		return "", found(v, "%s", k)
	}
}

func decodeText(k Kind) func(decoder, Value, reflect.Value) *ConvertError {
	return func(_ decoder, v Value, rv reflect.Value) *ConvertError {
		s, err := textOf(v, k)
		if err == nil {
			rv.SetString(s)
		}
		return err
	}
}

func decodeBytes(k Kind) func(decoder, Value, reflect.Value) *ConvertError {
	return func(_ decoder, v Value, rv reflect.Value) *ConvertError {
		s, err := textOf(v, k)
		if err == nil {
			rv.SetBytes(append(rv.Bytes()[:0], s...))
		}
		return err
	}
}

func decodeByteArray(k Kind) func(decoder, Value, reflect.Value) *ConvertError {
	return func(_ decoder, v Value, rv reflect.Value) *ConvertError {
		s, err := textOf(v, k)
		if err == nil && len(s) != rv.Len() {
			err = found(v, "%s of %d bytes", k, rv.Len())
		}
		if err == nil {
			reflect.Copy(rv, reflect.ValueOf(s))
		}
		return err
	}
}

func decodeUnmarshalerText(o option) func(decoder, Value, reflect.Value) *ConvertError {
	k := textKind(o)
	return func(_ decoder, v Value, rv reflect.Value) *ConvertError {
		s, bad := textOf(v, k)
		if bad != nil {
			return bad
		}
		if err := rv.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return &ConvertError{Found: describe(v), Want: rv.Type().String(), Err: err}
		}
		return nil
	}
}

func decodeUnmarshaler(_ decoder, v Value, rv reflect.Value) *ConvertError {
	if err := rv.Addr().Interface().(Unmarshaler).UnmarshalData(v); err != nil {
		return &ConvertError{Found: describe(v), Want: rv.Type().String(), Err: err}
	}
	return nil
}

func decodeValue(_ decoder, v Value, rv reflect.Value) *ConvertError {
	*rv.Addr().Interface().(*Value) = v
	return nil
}

func decodePort(_ decoder, v Value, rv reflect.Value) *ConvertError {
	number, p, ok := v.AsPort()
	if !ok {
		return found(v, "port")
	}
	*rv.Addr().Interface().(*PortNumber) = PortNumber{Number: number, Protocol: p}
	return nil
}

func decodeAddr(_ decoder, v Value, rv reflect.Value) *ConvertError {
	a, ok := v.AsAddress()
	if !ok {
		return found(v, "address")
	}
	*rv.Addr().Interface().(*netip.Addr) = a
	return nil
}

func decodePrefix(_ decoder, v Value, rv reflect.Value) *ConvertError {
	p, ok := v.AsSubnet()
	switch {
	case !ok:
		return found(v, "subnet")
	case !v.plainSubnet():
		return found(v, "a subnet without host bits and of a length that it can have")
	}
	*rv.Addr().Interface().(*netip.Prefix) = p
	return nil
}

func decodeTime(_ decoder, v Value, rv reflect.Value) *ConvertError {
	t, ok := v.AsTimestamp()
	if !ok {
		return found(v, "timestamp")
	}
	*rv.Addr().Interface().(*time.Time) = t
	return nil
}

func decodeDuration(_ decoder, v Value, rv reflect.Value) *ConvertError {
	x, ok := v.AsTimespan()
	if !ok {
		return found(v, "timespan")
	}
	rv.SetInt(int64(x))
	return nil
}

// decodeEndpointID reads none as nobody's ID, as it is written.
func decodeEndpointID(_ decoder, v Value, rv reflect.Value) *ConvertError {
	if v.IsNone() {
		rv.SetZero()
		return nil
	}
	s, bad := textOf(v, KindString)
	if bad != nil {
		return bad
	}
	id, err := ParseEndpointID(s)
	if err != nil {
		return &ConvertError{Found: describe(v), Want: "an endpoint ID", Err: err}
	}
	*rv.Addr().Interface().(*EndpointID) = id
	return nil
}
