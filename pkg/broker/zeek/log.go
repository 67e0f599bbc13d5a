// SPDX-License-Identifier: Apache-2.0

package zeek

import "github.com/brokermesh/brokermesh/pkg/broker/data"

// LogCreate announces a log stream's writer before its first record.
type LogCreate struct {
	// Stream and Writer are names such as Conn::LOG and Log::WRITER_ASCII.
	Stream, Writer string
	// Info is the writer's configuration, a vector of six as Zeek makes it.
	Info data.Value
	// Fields describes the columns, a vector of vectors of five.
	Fields data.Value
}

// Message is the announcement as a message.
func (l LogCreate) Message() data.Value {
	return message(TypeLogCreate, data.Enum(l.Stream), data.Enum(l.Writer), l.Info, l.Fields)
}

// ParseLogCreate reads the announcement of a log writer. Info and Fields may be
// anything; Zeek itself relies on what [LogCreate] says of them.
func ParseLogCreate(v data.Value) (LogCreate, error) {
	r, err := content(v, TypeLogCreate, 4)
	if err != nil {
		return LogCreate{}, err
	}
	f := fields{r: r}
	l := LogCreate{
		Stream: f.text("log stream", data.KindEnum),
		Writer: f.text("log writer", data.KindEnum),
	}
	if f.err != nil {
		return LogCreate{}, f.err
	}
	l.Info, _ = f.r.Next()
	l.Fields, _ = f.r.Next()
	return l, nil
}

// LogWrite is one record of a log.
type LogWrite struct {
	// Stream and Writer are names such as Conn::LOG and Log::WRITER_ASCII.
	Stream, Writer string
	// Path is the log's name, such as conn.
	Path string
	// Record is the record's columns in Zeek's own serialisation.
	Record string
}

// Message is the record as a message. Zeek sends those only inside a batch.
func (l LogWrite) Message() data.Value {
	return message(TypeLogWrite, data.Enum(l.Stream), data.Enum(l.Writer), data.String(l.Path), data.String(l.Record))
}

// ParseLogWrite reads a record of a log.
func ParseLogWrite(v data.Value) (LogWrite, error) {
	r, err := content(v, TypeLogWrite, 4)
	if err != nil {
		return LogWrite{}, err
	}
	f := fields{r: r}
	l := LogWrite{
		Stream: f.text("log stream", data.KindEnum),
		Writer: f.text("log writer", data.KindEnum),
		Path:   f.text("log path", data.KindString),
		Record: f.text("log record", data.KindString),
	}
	if f.err != nil {
		return LogWrite{}, f.err
	}
	return l, nil
}
