// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"fmt"
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// NewBatch is a message of messages, which may be batches too.
func NewBatch(messages ...data.Value) data.Value {
	return message(TypeBatch, messages...)
}

// Messages are the messages that a value consists of: those within a batch, and
// within batches in it, in their order; itself if it is no batch. They are not
// checked one by one: a batch that isn't valid as a whole is answered as it is.
func Messages(v data.Value) iter.Seq[data.Value] {
	return func(yield func(data.Value) bool) {
		messages, err := ParseBatch(v)
		if err != nil {
			yield(v)
			return
		}
		eachMessage(messages, yield)
	}
}

// eachMessage goes through the content of a valid batch.
func eachMessage(messages data.Value, yield func(data.Value) bool) bool {
	for m := range messages.Elements() {
		if TypeOf(m) == TypeBatch {
			inner, _ := m.Index(2)
			if !eachMessage(inner, yield) {
				return false
			}
		} else if !yield(m) {
			return false
		}
	}
	return true
}

// ParseBatch reads a batch: a vector of messages, each of them valid by the
// rules of its type. One that isn't makes the whole batch invalid.
func ParseBatch(v data.Value) (messages data.Value, err error) {
	if _, err := content(v, TypeBatch, 0); err != nil {
		return data.Value{}, err
	}
	messages, _ = v.Index(2)
	i := 0
	for m := range messages.Elements() {
		if _, err := Validate(m); err != nil {
			return data.Value{}, fmt.Errorf("message %d of a batch: %w", i, err)
		}
		i++
	}
	return messages, nil
}
