// SPDX-License-Identifier: Apache-2.0

package jsonwire

import "fmt"

// Class says what kind of fault an [Error] is, as far as the protocol's answers
// tell them apart.
type Class uint8

// The classes.
const (
	// ClassSyntax: the input isn't JSON.
	ClassSyntax Class = iota
	// ClassObject: it is JSON, but of another type than asked for.
	ClassObject
	// ClassTopic: a message has no topic, or one that isn't a string.
	ClassTopic
	// ClassValue: somewhere there is no valid value.
	ClassValue
	// ClassDuplicate: a set holds an element twice, or a table a key.
	ClassDuplicate
)

// Error says where the input is at fault, and what is allowed there.
type Error struct {
	Class Class
	// Path leads to the place from the top of the document, which is $:
	// $.data[2].data. Faults of syntax have none.
	Path string
	// Offset is the index of the byte where the fault is or begins.
	Offset int
	// Msg says what is wrong and what is allowed.
	Msg string
}

// Error is the message with the path, or for faults of syntax the offset.
func (e *Error) Error() string {
	if e.Class == ClassSyntax {
		return fmt.Sprintf("json: offset %d: %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("json: %s: %s", e.Path, e.Msg)
}
