// SPDX-License-Identifier: Apache-2.0

package store

import "sort"

// changeRing is a queue of changes whose places are numbered for ever.
type changeRing struct {
	// first is the place of the oldest change; slots[place&(len-1)] has the change of a place.
	first uint64
	count int
	bytes int
	slots []Change
}

// end is the place behind the newest change.
func (r *changeRing) end() uint64 { return r.first + uint64(r.count) }

// at is the change at a place between first and end.
func (r *changeRing) at(place uint64) *Change { return &r.slots[place&uint64(len(r.slots)-1)] }

// push adds a change and answers its place.
func (r *changeRing) push(c *Change) uint64 {
	if r.count == len(r.slots) {
		r.grow()
	}
	place := r.end()
	r.count++
	*r.at(place) = *c
	r.bytes += c.size()
	return place
}

func (r *changeRing) grow() {
	bigger := make([]Change, max(64, 2*len(r.slots)))
	for place := r.first; place < r.end(); place++ {
		bigger[place&uint64(len(bigger)-1)] = *r.at(place)
	}
	r.slots = bigger
}

// pop removes the oldest change, and all that have its number, which it answers.
func (r *changeRing) pop() uint64 {
	number := r.at(r.first).Number
	for r.count > 0 && r.at(r.first).Number == number {
		c := r.at(r.first)
		r.bytes -= c.size()
		*c = Change{}
		r.first++
		r.count--
	}
	return number
}

// after is the place of the first change behind a number of the history.
func (r *changeRing) after(number uint64) uint64 {
	return r.first + uint64(sort.Search(r.count, func(i int) bool { return r.at(r.first+uint64(i)).Number > number }))
}
