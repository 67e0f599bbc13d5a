// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// AppendValue appends v as {"@data-type":…,"data":…}, without white space. Sets
// and tables are written in ascending order.
func AppendValue(dst []byte, v data.Value) []byte {
	var w writer
	return w.value(dst, data.Canonical(v))
}

// writer writes one value whose sets and tables ascend.
type writer struct {
	// exact asks for all decimals of timestamps.
	exact bool
	// lossy is set when a timestamp in a set or table lost some of them.
	lossy bool
	// inside says that a set or table is under way already.
	inside bool
}

func (w *writer) value(dst []byte, v data.Value) []byte {
	return append(w.members(append(dst, '{'), v), '}')
}

// members appends the two members of a value's object.
func (w *writer) members(dst []byte, v data.Value) []byte {
	dst = append(dst, `"@data-type":"`...)
	dst = append(dst, v.Kind().String()...)
	dst = append(dst, `","data":`...)
	switch v.Kind() {
	case data.KindNone:
		return append(dst, "{}"...)
	case data.KindBoolean:
		b, _ := v.AsBoolean()
		return strconv.AppendBool(dst, b)
	case data.KindCount:
		x, _ := v.AsCount()
		return strconv.AppendUint(dst, x, 10)
	case data.KindInteger:
		x, _ := v.AsInteger()
		return strconv.AppendInt(dst, x, 10)
	case data.KindReal:
		f, _ := v.AsReal()
		return appendReal(dst, f)
	case data.KindString, data.KindEnum:
		return appendString(dst, v.String())
	case data.KindSubnet:
		return appendSubnet(dst, v)
	case data.KindTimestamp:
		ns, _ := v.AsTimestampNanos()
		return w.timestamp(dst, ns)
	case data.KindTimespan:
		d, _ := v.AsTimespan()
		return appendTimespan(dst, d)
	case data.KindVector:
		return w.elements(dst, v)
	case data.KindSet, data.KindTable:
		return w.unique(dst, v)
	default: // address, port
		return append(v.AppendString(append(dst, '"')), '"')
	}
}

// unique appends a set or table. Should cutting its timestamps have made two
// elements or keys the same, nobody could read it: then they are written whole.
// That is looked at once, for the outermost set or table with all within it.
func (w *writer) unique(dst []byte, v data.Value) []byte {
	if w.inside || w.exact {
		return w.content(dst, v)
	}
	start := len(dst)
	w.inside, w.lossy = true, false
	dst = w.content(dst, v)
	w.inside = false
	if w.lossy && repeats(v.Kind(), dst[start:]) {
		exact := writer{exact: true}
		return exact.content(dst[:start], v)
	}
	return dst
}

// repeats reports whether what was written of a set or table can't be read.
func repeats(k data.Kind, content []byte) bool {
	p, err := newParser(content)
	if err != nil {
		return false
	}
	_, bad := p.payload(k, 0, 0)
	return bad != nil && bad.Class == ClassDuplicate
}

func (w *writer) content(dst []byte, v data.Value) []byte {
	if v.Kind() == data.KindTable {
		return w.entries(dst, v)
	}
	return w.elements(dst, v)
}

func (w *writer) elements(dst []byte, v data.Value) []byte {
	dst = append(dst, '[')
	first := true
	for e := range v.Elements() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = w.value(dst, e)
	}
	return append(dst, ']')
}

func (w *writer) entries(dst []byte, v data.Value) []byte {
	dst = append(dst, '[')
	first := true
	for key, value := range v.Entries() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = w.value(append(dst, `{"key":`...), key)
		dst = w.value(append(dst, `,"value":`...), value)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendReal writes six decimals, as the reference does, unless they would
// make another number of it.
func appendReal(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, `"inf"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-inf"`...)
	case math.IsNaN(f):
		return append(dst, `"nan"`...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', 6, 64)
	again, err := strconv.ParseFloat(string(dst[start:]), 64)
	if err == nil && again == f {
		return dst
	}
	return strconv.AppendFloat(dst[:start], f, 'g', -1, 64)
}

func appendSubnet(dst []byte, v data.Value) []byte {
	dst = v.AppendString(append(dst, '"'))
	if p, _ := v.AsSubnet(); !p.IsValid() || !data.Equal(data.Subnet(p), v) {
		dst = append(dst, '!')
	}
	return append(dst, '"')
}

// timestamp cuts to milliseconds, and what lies before 1970 to seconds.
func (w *writer) timestamp(dst []byte, ns int64) []byte {
	if w.exact {
		return time.Unix(0, ns).UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000000000"`)
	}
	unit := int64(time.Millisecond)
	if ns < 0 {
		unit = int64(time.Second)
	}
	if rest := ns % unit; rest != 0 {
		ns -= rest
		w.lossy = true
	}
	return time.Unix(0, ns).UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000"`)
}

// appendTimespan uses the largest unit up to seconds that loses nothing.
func appendTimespan(dst []byte, d time.Duration) []byte {
	unit, name := time.Nanosecond, "ns"
	switch {
	case d%time.Second == 0:
		unit, name = time.Second, "s"
	case d%time.Millisecond == 0:
		unit, name = time.Millisecond, "ms"
	case d%time.Microsecond == 0:
		unit, name = time.Microsecond, "us"
	}
	dst = strconv.AppendInt(append(dst, '"'), int64(d/unit), 10)
	return append(append(dst, name...), '"')
}

// rawSubnet is a subnet of exactly these bits. An IPv4 length counts from the
// address's own first bit, modulo 256.
func rawSubnet(a netip.Addr, length uint8) (data.Value, error) {
	b := a.As16()
	if a.Is4() {
		length += 96
	}
	encoded := append([]byte{byte(data.KindSubnet)}, b[:]...)
	return data.Decode(append(encoded, length))
}
