// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/binary"
	"iter"
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// AckClone is the handshake of the channel from a master to a clone, with everything that the store holds.
type AckClone struct {
	// Offset is the number before the first event, Interval the ticks between heartbeats.
	Offset   uint64
	Interval uint16
	State    Snapshot
}

// Kind is KindAckClone.
func (*AckClone) Kind() Kind { return KindAckClone }

func (c *AckClone) size() int { return 8 + 2 + varbyteSize(c.State.count) + len(c.State.entries) }

func (c *AckClone) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.Offset)
	dst = binary.BigEndian.AppendUint16(dst, c.Interval)
	return append(data.AppendVarbyte(dst, c.State.count), c.State.entries...)
}

func (c *AckClone) parse(r *reader) {
	c.Offset, c.Interval = r.u64("offset"), r.u16("heartbeat interval")
	n := r.count(2, "snapshot")
	start := r.at
	for range n {
		r.value("key")
		r.value("value")
		if r.err != nil {
			return
		}
	}
	c.State = Snapshot{count: uint32(n), entries: r.b[start:r.at]}
}

// Snapshot is the content of a store in the form of the wire: pairs of key and value in any order. What a peer sent may hold keys
// twice: the later entry counts. The zero Snapshot is empty.
type Snapshot struct {
	count   uint32
	entries []byte
}

// Add appends an entry. A copy of the snapshot taken before must not be added to as well.
func (s *Snapshot) Add(key, value data.Value) {
	s.entries = value.AppendBinary(key.AppendBinary(s.entries))
	s.count++
}

// Grow makes room for entries of so many bytes in all.
func (s *Snapshot) Grow(bytes int) { s.entries = slices.Grow(s.entries, bytes) }

// Len is the number of entries.
func (s *Snapshot) Len() int { return int(s.count) }

// Size is the number of bytes of the entries.
func (s *Snapshot) Size() int { return len(s.entries) }

// Entries are the entries in the order in which they came. Keys and values share memory with the snapshot.
func (s *Snapshot) Entries() iter.Seq2[data.Value, data.Value] {
	return func(yield func(key, value data.Value) bool) {
		for rest := s.entries; len(rest) > 0; {
			key, n, err := data.DecodePrefix(rest)
			if err != nil {
				return
			}
			value, m, err := data.DecodePrefix(rest[n:])
			if err != nil || !yield(key, value) {
				return
			}
			rest = rest[n+m:]
		}
	}
}
