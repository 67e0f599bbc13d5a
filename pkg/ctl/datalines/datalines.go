// SPDX-License-Identifier: Apache-2.0

// Package datalines is what `brokerctl data` does: values in and out of their
// binary form (spec/data.md 2.1 and spec/wire.md 4), in hexadecimal digits,
// one a line, for looking at captures and databases by hand.
//
// Every function reads lines to the end of its input and writes one line for
// each, as soon as it knows it and no further input is at hand. The exception
// is [Sort], which has to see all of them.
package datalines

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

// ErrBadLine says that a line of the input was not what the command takes.
var ErrBadLine = errors.New("bad input line")

// fault is what stands in the output for a line that has no result.
type fault struct {
	Error  string `json:"error"`
	Offset *int   `json:"offset,omitempty"`
}

// decoded is the output for a binary value.
type decoded struct {
	Text string `json:"text"`
	JSON string `json:"json"`
}

// Decode reads binary values in hexadecimal digits and writes JSON objects:
// {"text":…,"json":…}, both as strings, or {"error":…,"offset":…} with the
// index of the byte at fault. Bytes of text that are not UTF-8 come out as
// U+FFFD, since JSON can't carry them; the json form can.
func Decode(r io.Reader, w io.Writer) error {
	return eachLine(r, w, func(line []byte, out *bufio.Writer) error {
		v, f := parseHex(line)
		if f != nil {
			return writeJSON(out, f)
		}
		return writeJSON(out, decoded{Text: v.String(), JSON: string(jsonwire.AppendValue(nil, v))})
	})
}

// Encode reads values in the JSON form of the WebSocket protocol and writes
// their binary form in hexadecimal digits. For a line that is no value it
// writes {"error":…} and goes on; the error at the end wraps [ErrBadLine].
func Encode(r io.Reader, w io.Writer) error {
	bad := badLines{}
	err := eachLine(r, w, func(line []byte, out *bufio.Writer) error {
		bad.line++
		v, err := jsonwire.ParseValue(line)
		if err != nil {
			bad.note()
			return writeJSON(out, fault{Error: err.Error()})
		}
		return writeHex(out, v)
	})
	return errors.Join(err, bad.err())
}

// Sort reads binary values in hexadecimal digits and writes them in ascending
// order, each once. If a line is no value nothing is written, and the error
// wraps [ErrBadLine] and names the first such line.
func Sort(r io.Reader, w io.Writer) error {
	var values []data.Value
	number := 0
	err := eachLine(r, io.Discard, func(line []byte, _ *bufio.Writer) error {
		number++
		v, f := parseHex(line)
		if f != nil {
			return fmt.Errorf("%w: line %d: %s", ErrBadLine, number, f.Error)
		}
		values = append(values, v)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(values, data.Compare)
	values = slices.CompactFunc(values, data.Equal)
	out := bufio.NewWriter(w)
	for _, v := range values {
		if err := writeHex(out, v); err != nil {
			return err
		}
	}
	return out.Flush()
}

// badLines remembers which lines were at fault.
type badLines struct{ line, first, count int }

func (b *badLines) note() {
	if b.count++; b.count == 1 {
		b.first = b.line
	}
}

func (b *badLines) err() error {
	if b.count == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d in all, the first is line %d", ErrBadLine, b.count, b.first)
}

// eachLine calls do for each line, and flushes before it has to wait.
func eachLine(r io.Reader, w io.Writer, do func(line []byte, out *bufio.Writer) error) error {
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return errors.Join(fmt.Errorf("read: %w", err), out.Flush())
		}
		if len(line) > 0 {
			if err := do(bytes.TrimSpace(line), out); err != nil {
				return errors.Join(err, out.Flush())
			}
		}
		if err == io.EOF || in.Buffered() == 0 {
			if flushErr := out.Flush(); flushErr != nil {
				return fmt.Errorf("write: %w", flushErr)
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// parseHex reads one binary value.
func parseHex(line []byte) (data.Value, *fault) {
	raw := make([]byte, hex.DecodedLen(len(line)))
	n, err := hex.Decode(raw, line)
	if err != nil {
		return data.Value{}, &fault{Error: "not hexadecimal: " + err.Error(), Offset: &n}
	}
	v, err := data.View(raw)
	if err == nil {
		return v, nil
	}
	f := &fault{Error: err.Error()}
	var syntax *data.SyntaxError
	if errors.As(err, &syntax) {
		f.Error, f.Offset = syntax.Msg, &syntax.Offset
	}
	return data.Value{}, f
}

func writeHex(out *bufio.Writer, v data.Value) error {
	_, err := out.Write(append(hex.AppendEncode(nil, v.AppendBinary(nil)), '\n'))
	return err
}

func writeJSON(out *bufio.Writer, doc any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}
