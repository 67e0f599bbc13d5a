// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// groupSize is how many entries a group has room for; a multiple of eight. A larger one makes splits rarer, and the first change after
// a snapshot dearer.
const groupSize = 32

// A directory of more places than leastCrowded has at most placesPerEntry for each entry.
const (
	leastCrowded   = 1 << 16
	placesPerEntry = 8
)

// errCrowded can't happen with hashes that are worth the name: so many keys begin with the same bits that the directory grows for
// nothing.
var errCrowded = errors.New("too many keys have the same hash")

// table is a hash table that grows group by group (extendible hashing): the first bits of a key's hash are its place in the directory,
// where the group is that holds it. A full group is split in two, and the directory doubled when it can't tell the two apart. So no
// change takes long, and what a snapshot needs to stay as it is is a copy of the directory: a group is copied before it is changed for
// the first time after that.
type table struct {
	dir []*group
	// depth is how many bits of a hash are a place in dir.
	depth uint8
	// generation is that of the groups that belong to this table alone.
	generation uint64
	count      int
}

// group holds the entries whose hashes begin with the same depth bits.
type group struct {
	generation uint64
	depth, n   uint8
	// expiring is how many of the entries have a deadline.
	expiring uint8
	// tags are seven bits of each hash, looked at before anything else.
	tags [groupSize]byte
	recs [groupSize]record
}

// record is an entry.
type record struct {
	// data is the encoded key, then the encoded value. Nobody changes it.
	data     string
	deadline int64
	hash     uint32
	keySize  uint32
}

func (r *record) key() string   { return r.data[:r.keySize] }
func (r *record) value() string { return r.data[r.keySize:] }

func newTable() table { return table{dir: []*group{{}}} }

// hash is what the table uses of a key's hash.
type hash uint64

func (h hash) tag() byte { return byte(h) | 0x80 }

// prefix are the bits that records keep.
func (h hash) prefix() uint32 { return uint32(h >> 32) }

func (t *table) place(prefix uint32) int { return int(uint64(prefix) >> (32 - t.depth)) }

// find is the group that holds a key or would, and the key's place in it, or -1.
func (t *table) find(h hash, key []byte) (*group, int) {
	g := t.dir[t.place(h.prefix())]
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	pattern := ones * uint64(h.tag())
	for at := 0; at < int(g.n); at += 8 {
		x := binary.LittleEndian.Uint64(g.tags[at:]) ^ pattern
		for match := (x - ones) &^ x & highs; match != 0; match &= match - 1 {
			i := at + bits.TrailingZeros64(match)/8
			if r := &g.recs[i]; i < int(g.n) && r.hash == h.prefix() && r.key() == string(key) {
				return g, i
			}
		}
	}
	return g, -1
}

// own answers a group that may be changed in the place of one that a snapshot may share. place is one of its places.
func (t *table) own(g *group, place int) *group {
	if g.generation == t.generation {
		return g
	}
	c := *g
	c.generation = t.generation
	t.put(&c, t.first(g, place))
	return &c
}

// first is the first place of a group in the directory, of which place is one.
func (t *table) first(g *group, place int) int { return place &^ (1<<(t.depth-g.depth) - 1) }

// put writes a group into all its places, of which the first is given.
func (t *table) put(g *group, first int) {
	for i := range 1 << (t.depth - g.depth) {
		t.dir[first+i] = g
	}
}

// insert adds a record whose key is not there to the group that find has answered.
func (t *table) insert(g *group, h hash, r record) error {
	r.hash = h.prefix()
	for g.n == groupSize {
		if g.depth == t.depth && len(t.dir) >= max(leastCrowded, placesPerEntry*t.count) {
			return errCrowded
		}
		t.split(g)
		g = t.dir[t.place(r.hash)]
	}
	g = t.own(g, t.place(r.hash))
	g.add(r, h.tag())
	t.count++
	return nil
}

func (g *group) add(r record, tag byte) {
	g.tags[g.n], g.recs[g.n] = tag, r
	g.n++
	if r.deadline != never {
		g.expiring++
	}
}

// split makes two groups of a full one.
func (t *table) split(g *group) {
	if g.depth == t.depth {
		bigger := make([]*group, 2*len(t.dir))
		for i, g := range t.dir {
			bigger[2*i], bigger[2*i+1] = g, g
		}
		t.dir = bigger
		t.depth++
	}
	halves := [2]*group{{generation: t.generation, depth: g.depth + 1}, {generation: t.generation, depth: g.depth + 1}}
	for i := range g.recs[:g.n] {
		r := &g.recs[i]
		halves[r.hash>>(31-g.depth)&1].add(*r, g.tags[i])
	}
	first := t.first(g, t.place(g.recs[0].hash))
	t.put(halves[0], first)
	t.put(halves[1], first+1<<(t.depth-g.depth-1))
}

// replace puts a record in the place of one with the same key, which it answers.
func (t *table) replace(g *group, i int, r record) (old record) {
	r.hash = g.recs[i].hash
	g = t.own(g, t.place(r.hash))
	old = g.recs[i]
	g.recs[i] = r
	if old.deadline != never {
		g.expiring--
	}
	if r.deadline != never {
		g.expiring++
	}
	return old
}

// remove takes out a record, which it answers.
func (t *table) remove(g *group, i int, h hash) (old record) {
	g = t.own(g, t.place(h.prefix()))
	old = g.recs[i]
	g.n--
	g.recs[i], g.tags[i] = g.recs[g.n], g.tags[g.n]
	g.recs[g.n], g.tags[g.n] = record{}, 0
	if old.deadline != never {
		g.expiring--
	}
	t.count--
	return old
}

// share answers a table with the same content, which stays as it is.
func (t *table) share() table {
	t.generation++
	return table{dir: append([]*group(nil), t.dir...), depth: t.depth, generation: t.generation + 1<<63, count: t.count}
}

// groups calls yield for each group once.
func (t *table) groups(yield func(*group) bool) {
	for i := 0; i < len(t.dir); {
		g := t.dir[i]
		if !yield(g) {
			return
		}
		i += 1 << (t.depth - g.depth)
	}
}
