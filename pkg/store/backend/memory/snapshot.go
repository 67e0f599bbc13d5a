// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"hash/maphash"
	"iter"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// snapshot is the content of a Backend at one moment.
type snapshot struct {
	content
	seed maphash.Seed
}

// Snapshot is the content as of the last Commit.
func (b *Backend) Snapshot() (backend.Snapshot, error) {
	s := &snapshot{content: content{b.table.share(), b.bytes}, seed: b.seed}
	for _, u := range slices.Backward(b.undo) {
		if err := s.takeBack(u); err != nil {
			return nil, backend.Failure("memory", "take a snapshot", err)
		}
	}
	return s, nil
}

// takeBack undoes one change.
func (s *snapshot) takeBack(u undo) error {
	if u.cleared != nil {
		generation := s.table.generation
		s.table = u.cleared.table
		s.table.dir, s.table.generation = slices.Clone(s.table.dir), generation
		s.bytes = u.cleared.bytes
		return nil
	}
	key := []byte(u.record.key())
	h := hash(maphash.Bytes(s.seed, key))
	g, i := s.table.find(h, key)
	switch {
	case u.inserted:
		old := s.table.remove(g, i, h)
		s.bytes -= int64(len(old.data))
		return nil
	case i >= 0:
		old := s.table.replace(g, i, u.record)
		s.bytes += int64(len(u.record.data) - len(old.data))
		return nil
	default:
		s.bytes += int64(len(u.record.data))
		return s.table.insert(g, h, u.record)
	}
}

// Entries are all entries in any order.
func (s *snapshot) Entries() iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for g := range s.table.groups {
			for i := range g.recs[:g.n] {
				r := &g.recs[i]
				key, err := data.ViewString(r.key())
				if err != nil {
					yield(backend.Entry{}, backend.Failure("memory", "read all", err))
					return
				}
				if e, _, err := entry(key, r); !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// Get answers what was stored under a key.
func (s *snapshot) Get(key data.Value) (backend.Entry, bool, error) {
	encoded := key.AppendBinary(nil)
	g, i := s.table.find(hash(maphash.Bytes(s.seed, encoded)), encoded)
	if i < 0 {
		return backend.Entry{}, false, nil
	}
	return entry(key, &g.recs[i])
}

// Size tells how much there was.
func (s *snapshot) Size() backend.Size {
	return backend.Size{Entries: int64(s.table.count), Bytes: s.bytes}
}

// Close lets go of the content.
func (s *snapshot) Close() error {
	s.content = content{table: newTable()}
	return nil
}
