// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Cell is one column's value in a log record.
type Cell struct {
	Type ColumnType
	// Subtype is the type of a set's or vector's elements; Zeek leaves it 0 in
	// records.
	Subtype ColumnType
	// Value is of the kind that belongs to Type, none if the column is unset.
	Value data.Value
}

// Cells reads Record.
func (l LogWrite) Cells() ([]Cell, error) { return ParseRecord(l.Record) }

// NewLogWrite is a record of a log.
func NewLogWrite(stream, writer, path string, cells []Cell) (LogWrite, error) {
	record, err := AppendRecord(nil, cells)
	if err != nil {
		return LogWrite{}, err
	}
	return LogWrite{Stream: stream, Writer: writer, Path: path, Record: string(record)}, nil
}

// ParseRecord reads the columns of a log record in Zeek's own serialisation.
// Times are seconds in floating point there; they are rounded to nanoseconds.
func ParseRecord(record string) ([]Cell, error) {
	r := recordReader{rest: record}
	n := r.uint32()
	if r.err != nil {
		return nil, r.err
	}
	if uint64(n)*minCell > uint64(len(r.rest)) {
		return nil, invalid("log record claims %d columns in %d bytes", n, len(record))
	}
	cells := make([]Cell, n)
	for i := range cells {
		cells[i] = r.cell(0)
		if r.err != nil {
			return nil, invalid("column %d of a log record: %w", i, r.err)
		}
	}
	if r.rest != "" {
		return nil, invalid("%d bytes after a log record", len(r.rest))
	}
	return cells, nil
}

// minCell is the least that a value takes: types and whether it is there.
const minCell = 9

// recordReader reads values; after an error it reads zeros.
type recordReader struct {
	rest string
	err  error
}

func (r *recordReader) take(n uint64) string {
	if r.err == nil && n > uint64(len(r.rest)) {
		r.err = invalid("it ends too early")
	}
	if r.err != nil {
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *recordReader) number(size uint64) (x uint64) {
	for _, c := range []byte(r.take(size)) {
		x = x<<8 | uint64(c)
	}
	return x
}

func (r *recordReader) uint32() uint32 { return uint32(r.number(4)) }

func (r *recordReader) cell(depth int) Cell {
	c := Cell{Type: ColumnType(r.uint32()), Subtype: ColumnType(r.uint32())}
	if r.number(1) == 1 && r.err == nil {
		c.Value = r.value(c, depth)
	}
	return c
}

func (r *recordReader) value(c Cell, depth int) data.Value {
	switch c.Type {
	case ColumnBool:
		return data.Boolean(r.number(8) != 0)
	case ColumnInt:
		return data.Integer(int64(r.number(8)))
	case ColumnCount:
		return data.Count(r.number(8))
	case ColumnDouble:
		return data.Real(math.Float64frombits(r.number(8)))
	case ColumnTime:
		return data.TimestampNanos(r.nanoseconds())
	case ColumnInterval:
		return data.Timespan(time.Duration(r.nanoseconds()))
	case ColumnString, ColumnFile, ColumnFunc:
		return data.String(r.take(r.number(4)))
	case ColumnEnum:
		return data.Enum(r.take(r.number(4)))
	case ColumnPort:
		return r.port()
	case ColumnAddr:
		return data.Address(r.address())
	case ColumnSubnet:
		return r.subnet()
	case ColumnSet, ColumnVector:
		return r.elements(c, depth)
	default:
		r.fail("a value of %s", c.Type)
		return data.Value{}
	}
}

func (r *recordReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = invalid(format, args...)
	}
}

func (r *recordReader) port() data.Value {
	number, protocol := r.number(8), r.uint32()
	if number > math.MaxUint16 || protocol > uint32(data.ProtocolICMP) {
		r.fail("port %d of protocol %d", number, protocol)
	}
	return data.Port(uint16(number), data.Protocol(protocol))
}

func (r *recordReader) address() netip.Addr {
	size := uint64(0)
	switch family := r.number(1); family {
	case 4:
		size = 4
	case 6:
		size = 16
	default:
		r.fail("address family %d", family)
	}
	a, _ := netip.AddrFromSlice([]byte(r.take(size)))
	return a.Unmap()
}

// subnet reads a network. The length of an IPv4 one is counted over 128 bits
// where the logging framework has written it.
func (r *recordReader) subnet() data.Value {
	bits := int(r.number(1))
	a := r.address()
	if a.Is4() && bits >= mappedBits {
		bits -= mappedBits
	}
	p := netip.PrefixFrom(a, bits)
	if !p.IsValid() {
		r.fail("subnet %s with length %d", a, bits)
	}
	return data.Subnet(p)
}

// mappedBits precede the bits of an IPv4 address in its IPv6 form.
const mappedBits = 96

func (r *recordReader) elements(c Cell, depth int) data.Value {
	n := r.number(8)
	switch {
	case n > uint64(len(r.rest))/minCell:
		r.fail("a %s claims %d elements in %d bytes", c.Type, n, len(r.rest))
		return data.Value{}
	case depth >= data.MaxDepth-8:
		r.fail("sets and vectors are nested too deeply")
		return data.Value{}
	}
	list := make([]data.Value, 0, n)
	for range n {
		e := r.cell(depth + 1)
		if c.Subtype != 0 && e.Type != c.Subtype {
			r.fail("an element of type %s in a %s of %s", e.Type, c.Type, c.Subtype)
		}
		list = append(list, e.Value)
	}
	if c.Type == ColumnSet {
		return data.Set(list...)
	}
	return data.Vector(list...)
}

// AppendRecord appends a log record in Zeek's own serialisation. The kind of
// each value must be that of its column; elements of sets and vectors must be of
// the column's Subtype, or of one type that is known from them.
func AppendRecord(dst []byte, cells []Cell) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(cells)))
	var err error
	for i, c := range cells {
		if dst, err = appendCell(dst, c); err != nil {
			return nil, invalid("column %d of a log record: %w", i, err)
		}
	}
	return dst, nil
}
