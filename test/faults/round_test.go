// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"maps"
)

// quiet lets everybody publish while the mesh stays as it is, and sees that everybody gets all that he wants and nothing else. Lines may
// be bad, but if a connection ends for that, what has been lost is not counted, and the answer is false.
func (f *fleet) quiet(when string, seed uint64) bool {
	f.t.Helper()
	return f.exchange(when, seed, order{Do: doBurst, Count: 60, Every: 5})
}

// exchange is quiet with messages of another number, pace and size.
func (f *fleet) exchange(when string, seed uint64, o order) bool {
	f.t.Helper()
	before := f.since(f.settle(when))
	earlier := f.sent
	f.sent = make([]map[string]uint64, len(f.members))
	for i, a := range f.all(func(m int) order { o.Seed = seed + uint64(m); return o }) {
		f.sent[i] = a.Published
	}
	whole := true
	poll(f.t, when+": messages", func() string {
		states := f.states()
		if !maps.Equal(before, f.since(states)) {
			whole = false
			return ""
		}
		return f.lacking(f.all(func(int) order { return order{Do: doArrivals} }), earlier)
	})
	if !whole {
		f.t.Logf("%s: a connection was lost, so messages are not counted", when)
		f.settle(when)
	}
	f.quit()
	return whole
}

// lacking names a message that a member should have got since the last count and hasn't.
func (f *fleet) lacking(got []answer, earlier []map[string]uint64) string {
	for from := range f.members {
		for to := range f.members {
			for _, topic := range topics {
				spans := got[to].Streams[f.members[from].streamName()][streamKey(f.members[from].life, topic)]
				first, last := earlier[from][topic], f.sent[from][topic]
				lost := missing(spans, first, last)
				wants := f.w.offered(from, to) && wanted(f.w.wants[to], topic)
				if wants && len(lost) > 0 {
					return fmt.Sprintf("m%d lacks %v of m%d at %s (%d to %d)", to, lost, from, topic, first+1, last)
				}
				if !wants && sum(lost) != last-first {
					f.t.Errorf("m%d got %v of m%d at %s, which it didn't want", to, spans, from, topic)
				}
			}
		}
	}
	return ""
}
