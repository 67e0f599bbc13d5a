// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Ask and Answer are an extension: frontends of this project answer questions of those who hold no clone. The reference takes a payload
// with a number above 13 for malformed and drops it, so a question that reaches it does no harm.

// MaxValues bounds the values of an Ask and of an Answer: a value that takes one byte on the wire takes many in memory.
const MaxValues = 1 << 16

// Ask is a question, or a write, for a frontend. Fields: number u64, settled u64, session u64, operation u8, list of data.
type Ask struct {
	// Number tells the asker's questions apart and rises with each. One that is repeated keeps its number.
	Number uint64
	// Settled says that nobody waits any more for the answers up to this number.
	Settled uint64
	// Session is where the frontend counts the writes of this asker; 0 for questions, and to open one.
	Session uint64
	// Operation says what is asked, Args with what.
	Operation uint8
	Args      []data.Value
}

// Kind is KindAsk.
func (*Ask) Kind() Kind { return KindAsk }

func (c *Ask) size() int { return 8 + 8 + 8 + 1 + listSize(c.Args) }

func (c *Ask) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.Number)
	dst = binary.BigEndian.AppendUint64(dst, c.Settled)
	dst = binary.BigEndian.AppendUint64(dst, c.Session)
	return appendList(append(dst, c.Operation), c.Args)
}

func (c *Ask) parse(r *reader) {
	*c = Ask{
		Number: r.u64("number"), Settled: r.u64("settled number"), Session: r.u64("session"),
		Operation: r.u8("operation"), Args: r.list("arguments"),
	}
}

// Answer is what comes back. Fields: number u64, code u8, list of data.
type Answer struct {
	// Number is that of the question.
	Number uint64
	// Code is code.None, or why there is no other answer; numbers from 128 on are those of package store. Values then has one string
	// that says more.
	Code   code.Code
	Values []data.Value
}

// Kind is KindAnswer.
func (*Answer) Kind() Kind { return KindAnswer }

func (c *Answer) size() int { return 8 + 1 + listSize(c.Values) }

func (c *Answer) append(dst []byte) []byte {
	return appendList(append(binary.BigEndian.AppendUint64(dst, c.Number), byte(c.Code)), c.Values)
}

func (c *Answer) parse(r *reader) {
	*c = Answer{Number: r.u64("number"), Code: code.Code(r.u8("code")), Values: r.list("values")}
}

func listSize(values []data.Value) int {
	n := varbyteSize(uint32(len(values)))
	for _, v := range values {
		n += v.BinarySize()
	}
	return n
}

func appendList(dst []byte, values []data.Value) []byte {
	dst = data.AppendVarbyte(dst, uint32(len(values)))
	for _, v := range values {
		dst = v.AppendBinary(dst)
	}
	return dst
}

// list reads a list of values, of which there are at most MaxValues.
func (r *reader) list(what string) []data.Value {
	at := r.at
	n := r.count(1, what)
	if n > MaxValues {
		r.fail(at, "too many "+what)
	}
	if r.err != nil || n == 0 {
		return nil
	}
	values := make([]data.Value, n)
	for i := range values {
		if values[i] = r.value(what); r.err != nil {
			return nil
		}
	}
	return values
}
