// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// snapshot is the content of a Backend at one moment.
type snapshot struct {
	entries  map[string]data.Value
	expiring map[string]backend.Deadline
	size     backend.Size
}

func (s *snapshot) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for encoded, value := range s.entries {
			key, err := data.Decode([]byte(encoded))
			if !yield(backend.Entry{Key: key, Value: value, Deadline: s.deadline(encoded)}, err) {
				return
			}
		}
	}
}

func (s *snapshot) Get(key data.Value) (backend.Entry, bool, error) {
	encoded := string(key.AppendBinary(nil))
	value, ok := s.entries[encoded]
	if !ok {
		return backend.Entry{}, false, nil
	}
	return backend.Entry{Key: key, Value: value, Deadline: s.deadline(encoded)}, true, nil
}

func (s *snapshot) Size() backend.Size { return s.size }

func (s *snapshot) Close() error {
	s.entries, s.expiring = nil, nil
	return nil
}

func (s *snapshot) deadline(encoded string) backend.Deadline {
	if d, ok := s.expiring[encoded]; ok {
		return d
	}
	return backend.Never
}
