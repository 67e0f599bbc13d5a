// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// hasher computes checksums; it is there for its memory.
type hasher struct{ buf []byte }

// entry is the checksum of an entry, from its encoded key and value. It is never 0, which stands for none.
func (h *hasher) entry(key, value []byte, d backend.Deadline) uint64 {
	h.buf = binary.LittleEndian.AppendUint64(h.buf[:0], uint64(d))
	h.buf = binary.LittleEndian.AppendUint32(h.buf, uint32(len(key)))
	h.buf = append(append(h.buf, key...), value...)
	sum := max(xxhash.Sum64(h.buf), 1)
	if cap(h.buf) > keptBuffer {
		h.buf = nil
	}
	return sum
}

// meta is the checksum of a meta.
func (h *hasher) meta(name string, value []byte) uint64 {
	h.buf = binary.LittleEndian.AppendUint32(append(h.buf[:0], "meta"...), uint32(len(name)))
	h.buf = append(append(h.buf, name...), value...)
	return max(xxhash.Sum64(h.buf), 1)
}

// keptBuffer is how large a buffer may be to be used again.
const keptBuffer = 4 << 20

// link is the checksum of what an index says of a row: a key's hash and a number. Sums of it are compared, so that each bit has to count
// in each.
func link(keyHash uint64, number int64) uint64 {
	return mix(keyHash ^ mix(uint64(number)+0x9e3779b97f4a7c15))
}

func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	x = hi ^ lo ^ x
	return x ^ bits.RotateLeft64(x, 29)*0x9fb21c651e98df25
}
