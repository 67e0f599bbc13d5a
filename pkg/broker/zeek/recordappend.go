// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// columnKinds are the kinds of values that columns hold.
var columnKinds = map[ColumnType]data.Kind{
	ColumnBool: data.KindBoolean, ColumnInt: data.KindInteger, ColumnCount: data.KindCount, ColumnDouble: data.KindReal,
	ColumnTime: data.KindTimestamp, ColumnInterval: data.KindTimespan, ColumnString: data.KindString,
	ColumnEnum: data.KindEnum, ColumnPort: data.KindPort, ColumnAddr: data.KindAddress, ColumnSubnet: data.KindSubnet,
	ColumnSet: data.KindSet, ColumnFunc: data.KindString, ColumnFile: data.KindString, ColumnVector: data.KindVector,
}

// kindColumns are the types of elements whose type isn't given.
var kindColumns = func() map[data.Kind]ColumnType {
	columns := map[data.Kind]ColumnType{}
	for t, k := range columnKinds {
		if t != ColumnFunc && t != ColumnFile {
			columns[k] = t
		}
	}
	return columns
}()

func appendCell(dst []byte, c Cell) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.Type))
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.Subtype))
	if c.Value.IsNone() {
		return append(dst, 0), nil
	}
	want, ok := columnKinds[c.Type]
	if !ok || c.Value.Kind() != want {
		return nil, invalid("a %s for the type %s", c.Value.Kind(), c.Type)
	}
	dst = append(dst, 1)
	if want.IsContainer() {
		return appendElements(dst, c)
	}
	return appendScalar(dst, c.Value)
}

func appendScalar(dst []byte, v data.Value) ([]byte, error) {
	word := binary.BigEndian.AppendUint64
	switch v.Kind() {
	case data.KindBoolean:
		x, _ := v.AsBoolean()
		if x {
			return word(dst, 1), nil
		}
		return word(dst, 0), nil
	case data.KindInteger:
		x, _ := v.AsInteger()
		return word(dst, uint64(x)), nil
	case data.KindCount:
		x, _ := v.AsCount()
		return word(dst, x), nil
	case data.KindReal:
		x, _ := v.AsReal()
		return word(dst, math.Float64bits(x)), nil
	case data.KindTimestamp:
		ns, _ := v.AsTimestampNanos()
		return word(dst, math.Float64bits(seconds(ns))), nil
	case data.KindTimespan:
		d, _ := v.AsTimespan()
		return word(dst, math.Float64bits(seconds(int64(d)))), nil
	case data.KindPort:
		number, p, _ := v.AsPort()
		return binary.BigEndian.AppendUint32(word(dst, uint64(number)), uint32(p)), nil
	case data.KindAddress:
		a, _ := v.AsAddress()
		return appendAddress(dst, a), nil
	case data.KindSubnet:
		p, _ := v.AsSubnet()
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return nil, invalid("subnet %s", v)
		}
		bits := p.Bits()
		if p.Addr().Is4() {
			bits += mappedBits
		}
		return appendAddress(append(dst, byte(bits)), p.Addr()), nil
	default:
		s, ok := v.AsString()
		if !ok {
			s, _ = v.AsEnum()
		}
		return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...), nil
	}
}

func appendAddress(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		dst = append(dst, 4)
	} else {
		dst = append(dst, 6)
	}
	return append(dst, a.AsSlice()...)
}

func appendElements(dst []byte, c Cell) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.Value.Len()))
	var err error
	for e := range c.Value.Elements() {
		t := c.Subtype
		if t == 0 {
			t = kindColumns[e.Kind()]
		}
		if dst, err = appendCell(dst, Cell{Type: t, Value: e}); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// nanoseconds reads seconds in floating point.
func (r *recordReader) nanoseconds() int64 {
	secs := math.Float64frombits(r.number(8))
	whole, fraction := math.Modf(secs)
	if !(math.Abs(whole) < math.MaxInt64/1e9-1) {
		r.fail("a time of %g seconds", secs)
		return 0
	}
	return int64(whole)*1e9 + int64(math.Round(fraction*1e9))
}

// seconds is the number nearest to so many nanoseconds.
func seconds(ns int64) float64 {
	return float64(ns/1e9) + float64(ns%1e9)/1e9
}
