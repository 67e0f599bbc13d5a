// SPDX-License-Identifier: Apache-2.0

package store

import "sort"

// changeRing is a queue of changes whose places are numbered for ever. One goroutine, the writer, stages changes behind its end and
// commits them; those between first and end belong to a lock that others have as well. Staging takes no lock: nobody looks at what is
// not committed, and only the writer replaces slots, under the lock.
type changeRing struct {
	// first is the place of the oldest change, end the one behind the newest; slots[place&(len-1)] has the change of a place.
	first, end uint64
	bytes      int
	slots      []Change
	// tail is the place behind the last staged change, floor the oldest place that was in use when the writer looked last: both are
	// the writer's.
	tail, floor uint64
}

// count is the number of changes.
func (r *changeRing) count() int { return int(r.end - r.first) }

// at is the change at a place.
func (r *changeRing) at(place uint64) *Change { return &r.slots[place&uint64(len(r.slots)-1)] }

// full tells the writer that it has to grow the ring before it stages.
func (r *changeRing) full() bool { return r.tail-r.floor == uint64(len(r.slots)) }

// stage is an empty change behind all others. Only for the writer, and when the ring is not full.
func (r *changeRing) stage() *Change {
	r.tail++
	return r.at(r.tail - 1)
}

// unstage drops what is not committed.
func (r *changeRing) unstage() {
	for ; r.tail != r.end; r.tail-- {
		*r.at(r.tail - 1) = Change{}
	}
}

// resize makes room for so many changes, a power of two; those that are there stay.
func (r *changeRing) resize(slots int) {
	other := make([]Change, slots)
	for place := r.first; place < r.tail; place++ {
		other[place&uint64(slots-1)] = *r.at(place)
	}
	r.slots, r.floor = other, r.first
}

// pop removes the oldest change, and all that have its number, which it answers.
func (r *changeRing) pop() uint64 {
	number := r.at(r.first).Number
	for r.first != r.end && r.at(r.first).Number == number {
		c := r.at(r.first)
		r.bytes -= c.size()
		*c = Change{}
		r.first++
	}
	return number
}

// forget removes all changes that are committed.
func (r *changeRing) forget() {
	if r.tail == r.end {
		r.slots = nil
	}
	for place := r.first; r.slots != nil && place < r.end; place++ {
		*r.at(place) = Change{}
	}
	r.first, r.floor, r.bytes = r.end, r.end, 0
}

// after is the place of the first change behind a number of the history.
func (r *changeRing) after(number uint64) uint64 {
	return r.first + uint64(sort.Search(r.count(), func(i int) bool { return r.at(r.first+uint64(i)).Number > number }))
}
