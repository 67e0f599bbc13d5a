// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ColumnType is the type of a log's column, numbered as in Zeek 5.0 and later.
type ColumnType uint32

// The types of columns, with what a [Cell] of them holds. Others exist in Zeek
// but not in logs.
const (
	ColumnBool     ColumnType = 1  // boolean
	ColumnInt      ColumnType = 2  // integer
	ColumnCount    ColumnType = 3  // count
	ColumnDouble   ColumnType = 4  // real
	ColumnTime     ColumnType = 5  // timestamp
	ColumnInterval ColumnType = 6  // timespan
	ColumnString   ColumnType = 7  // string
	ColumnEnum     ColumnType = 9  // enum value
	ColumnPort     ColumnType = 10 // port
	ColumnAddr     ColumnType = 11 // address
	ColumnSubnet   ColumnType = 12 // subnet
	ColumnSet      ColumnType = 14 // set (Zeek's number for tables)
	ColumnFunc     ColumnType = 17 // string
	ColumnFile     ColumnType = 18 // string
	ColumnVector   ColumnType = 19 // vector
)

var columnNames = map[ColumnType]string{
	ColumnBool: "bool", ColumnInt: "int", ColumnCount: "count", ColumnDouble: "double", ColumnTime: "time",
	ColumnInterval: "interval", ColumnString: "string", ColumnEnum: "enum", ColumnPort: "port", ColumnAddr: "addr",
	ColumnSubnet: "subnet", ColumnSet: "set", ColumnFunc: "func", ColumnFile: "file", ColumnVector: "vector",
}

// String is the type's name in Zeek.
func (t ColumnType) String() string {
	if name, ok := columnNames[t]; ok {
		return name
	}
	return fmt.Sprintf("type(%d)", uint32(t))
}

// Column describes a column of a log.
type Column struct {
	Name string
	// Secondary is a second name, which logs don't use.
	Secondary *string
	Type      ColumnType
	// Subtype is the type of a set's or vector's elements, else 0.
	Subtype  ColumnType
	Optional bool
}

// WriterInfo is the configuration of a log writer.
type WriterInfo struct {
	// Path is the log's name, such as conn.
	Path string
	// RotationBase, RotationInterval and NetworkTime are in seconds.
	RotationBase, RotationInterval, NetworkTime float64
	Config                                      map[string]string
	// PostProcessor is the function called after a rotation, if not empty.
	PostProcessor string
}

// NewLogCreate announces a log stream's writer, of names such as Conn::LOG and
// Log::WRITER_ASCII.
func NewLogCreate(stream, writer string, info WriterInfo, columns []Column) (LogCreate, error) {
	l := LogCreate{Stream: stream, Writer: writer}
	var err error
	if l.Info, err = data.Marshal(&info); err != nil {
		return LogCreate{}, fmt.Errorf("info of a log writer: %w", err)
	}
	if l.Fields, err = data.Marshal(columns); err != nil {
		return LogCreate{}, fmt.Errorf("columns of a log: %w", err)
	}
	return l, nil
}

// WriterInfo reads Info.
func (l LogCreate) WriterInfo() (info WriterInfo, err error) {
	if err := data.Unmarshal(l.Info, &info); err != nil {
		return WriterInfo{}, invalid("info of a log writer: %w", err)
	}
	return info, nil
}

// Columns reads Fields.
func (l LogCreate) Columns() (columns []Column, err error) {
	if err := data.Unmarshal(l.Fields, &columns); err != nil {
		return nil, invalid("columns of a log: %w", err)
	}
	return columns, nil
}
