// SPDX-License-Identifier: Apache-2.0

package sqlite

import "math/bits"

const (
	// bitsPerKey makes about one look-up in a hundred go to the file in vain.
	bitsPerKey = 12
	// filterFirst is how many keys the first layer of a filter takes, filterLimit how large all layers get together.
	filterFirst = 1 << 14
	filterLimit = 24 << 20
	probes      = 6
)

// filter tells of most keys that are not in the file that they are not: a Bloom filter, whose bits for one key are in one cache line. It
// grows by layers. What was erased stays in it.
type filter struct {
	layers []layer
	bytes  int
	// full tells that there are more keys than it may spend memory on: it says "perhaps" to everything.
	full bool
}

type layer struct {
	blocks [][8]uint64
	room   int
}

// newFilter has room for a number of keys.
func newFilter(keys int64) filter {
	var f filter
	f.grow(max(int(min(keys+keys/4, filterLimit)), filterFirst))
	return f
}

func (f *filter) grow(keys int) {
	blocks := keys*bitsPerKey/512 + 1
	if f.bytes+blocks*64 > filterLimit {
		*f = filter{full: true}
		return
	}
	f.bytes += blocks * 64
	f.layers = append(f.layers, layer{blocks: make([][8]uint64, blocks), room: blocks * 512 / bitsPerKey})
}

// add puts the hash of a key into it.
func (f *filter) add(hash uint64) {
	if f.full {
		return
	}
	last := &f.layers[len(f.layers)-1]
	if last.room == 0 {
		f.grow(2 * len(last.blocks) * 512 / bitsPerKey)
		f.add(hash)
		return
	}
	last.room--
	block := last.block(hash)
	for i := range probes {
		bit := hash >> (9 * i) & 511
		block[bit/64] |= 1 << (bit % 64)
	}
}

// mayContain is false only for keys that were never added.
func (f *filter) mayContain(hash uint64) bool {
	if f.full {
		return true
	}
	for i := range f.layers {
		if f.layers[i].contains(hash) {
			return true
		}
	}
	return false
}

func (l *layer) contains(hash uint64) bool {
	block := l.block(hash)
	for i := range probes {
		bit := hash >> (9 * i) & 511
		if block[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

func (l *layer) block(hash uint64) *[8]uint64 {
	i, _ := bits.Mul64(mix(hash), uint64(len(l.blocks)))
	return &l.blocks[i]
}
