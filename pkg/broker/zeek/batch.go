// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// NewBatch is a message of messages, which may be batches too.
func NewBatch(messages ...data.Value) data.Value {
	return message(TypeBatch, messages...)
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
