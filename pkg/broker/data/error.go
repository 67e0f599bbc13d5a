// SPDX-License-Identifier: Apache-2.0

package data

import "strconv"

// SyntaxError says that bytes, or a text, are not a value, and where.
type SyntaxError struct {
	// Offset is the index of the byte at fault, counted from the start of
	// the input; the input's length if it ends too early.
	Offset int
	// Msg says what is wrong there.
	Msg string
}

// Error is the message with its offset.
func (e *SyntaxError) Error() string {
	return "data: offset " + strconv.Itoa(e.Offset) + ": " + e.Msg
}

// The messages of a SyntaxError.
const (
	msgTruncated = "input ends inside a value"
	msgTrailing  = "bytes after the value"
	msgKind      = "unknown type tag"
	msgProtocol  = "unknown port protocol"
	msgVarbyte   = "size does not fit 32 bits"
	msgCount     = "more elements than the input has bytes for"
	msgDepth     = "nested too deeply"
	msgDuplicate = "set or table holds an element or key twice"
)
