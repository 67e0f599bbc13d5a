// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// restAfter is how long changes are recorded after the last watcher has gone, so that it may come back.
const restAfter = time.Minute

// watchers are who watches a store, and the ring of changes that they read. The frontend's goroutine adds changes; it looks at each
// watcher of the keys that changed only, and wakes those that sleep.
type watchers struct {
	limit int
	// account is the ring's part of the endpoint's memory; nil: nobody counts. counted belongs to the lock.
	account account
	counted int
	// recording belongs to the frontend's goroutine: somebody watches, or did so not long ago.
	recording bool
	// woken are the watchers that publish has to wake; it is the same goroutine's.
	woken []*watcher

	mu struct {
		sync.Mutex
		ring changeRing
		// from is the number after which the ring has everything, until the last number that is in it.
		from, until uint64
		err         error // why nothing comes any more
		lastSeen    time.Time
		watchers    map[*watcher]struct{}
		// asleep are those of everything that sleep.
		asleep []*watcher
		byKey  map[string][]*watcher
		// byPrefix has the watchers of prefixes by the prefix's length; lengths are in ascending order.
		byPrefix map[int]map[string][]*watcher
		lengths  []int
		scratch  []byte
	}
}

// watcher is one that watches. Its fields belong to the lock of watchers.
type watcher struct {
	options WatchOptions
	encoded string
	wake    chan struct{}
	// sleeping tells that the watcher has found nothing and waits to be woken.
	sleeping bool
	// next is the place in the ring from which a watcher of everything goes on; places are what others have before them.
	next   uint64
	places []uint64
	err    error
}

func newWatchers(bus Bus, limit int) *watchers {
	s := &watchers{limit: limit}
	s.mu.watchers = map[*watcher]struct{}{}
	s.mu.byKey, s.mu.byPrefix = map[string][]*watcher{}, map[int]map[string][]*watcher{}
	s.account = openAccount(bus, s.shed)
	return s
}

// start begins to record, at the number that the store is at. The frontend's goroutine calls it between two groups.
func (s *watchers) start(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.lastSeen = time.Now()
	if !s.recording {
		s.recording, s.mu.from, s.mu.until = true, number, number
	}
	s.mu.until = max(s.mu.until, number)
}

// restart forgets what is recorded: the store is at a number of another history. Whoever watches is told.
func (s *watchers) restart(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ring.forget()
	s.mu.from, s.mu.until = number, number
	for w := range s.mu.watchers {
		w.err = ErrHistoryGone
		signal(w.wake)
	}
}

// close tells all who watch that nothing more comes than what is there.
func (s *watchers) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.err = err
	for w := range s.mu.watchers {
		signal(w.wake)
	}
}

// rest stops recording when nobody has watched for some time. The frontend's goroutine calls it now and then.
func (s *watchers) rest(now time.Time) {
	if !s.recording {
		return
	}
	s.mu.Lock()
	if len(s.mu.watchers) > 0 {
		s.mu.lastSeen = now
	} else if now.Sub(s.mu.lastSeen) >= restAfter {
		s.recording = false
		s.mu.ring.forget()
	}
	growth := s.growthLocked()
	s.mu.Unlock()
	s.count(growth)
}

// stage is an empty change of the group that comes next, for the frontend's goroutine. Nobody sees it before publish.
func (s *watchers) stage() *Change {
	if s.mu.ring.full() {
		s.grow()
	}
	return s.mu.ring.stage()
}

// grow makes room in the ring.
func (s *watchers) grow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ring.floor = s.mu.ring.first
	if s.mu.ring.full() {
		s.mu.ring.resize(max(64, 2*len(s.mu.ring.slots)))
	}
}

// drop forgets the changes that were staged.
func (s *watchers) drop() {
	if s.mu.ring.unstage(); len(s.mu.ring.slots) > slotsKept {
		s.mu.Lock()
		s.shrink()
		s.mu.Unlock()
	}
}

// slotsKept is for how many changes room is kept from group to group.
const slotsKept = 1 << 16

// shrink gives up room that a large group has needed. Nothing is staged.
func (s *watchers) shrink() {
	if n := len(s.mu.ring.slots); n > slotsKept && s.mu.ring.count() <= n/4 {
		s.mu.ring.resize(n / 2)
	}
}

// publish shows the changes that were staged and wakes who waits for them. number is where the store is now.
func (s *watchers) publish(number uint64) {
	s.mu.Lock()
	r := &s.mu.ring
	for place := r.end; place < r.tail; place++ {
		c := r.at(place)
		r.bytes += c.size()
		s.offer(c, place)
	}
	if r.end != r.tail {
		for _, w := range s.mu.asleep {
			s.rouse(w)
		}
		clear(s.mu.asleep)
		s.mu.asleep = s.mu.asleep[:0]
	}
	for r.end = r.tail; r.bytes > s.limit; {
		s.mu.from = r.pop()
	}
	s.mu.until, r.floor = number, r.first
	s.shrink()
	growth := s.growthLocked()
	s.mu.Unlock()
	s.count(growth)
	for _, w := range s.woken {
		signal(w.wake)
	}
	clear(s.woken)
	s.woken = s.woken[:0]
}

// offer gives the place of a change to who watches its key.
func (s *watchers) offer(c *Change, place uint64) {
	if len(s.mu.byKey) > 0 {
		s.mu.scratch = c.Key.AppendBinary(s.mu.scratch[:0])
		s.offerTo(s.mu.byKey[string(s.mu.scratch)], c, place)
	}
	if len(s.mu.lengths) == 0 {
		return
	}
	key, ok := c.Key.AsString()
	if !ok {
		return
	}
	for _, n := range s.mu.lengths {
		if n > len(key) {
			return
		}
		s.offerTo(s.mu.byPrefix[n][key[:n]], c, place)
	}
}

func (s *watchers) offerTo(list []*watcher, c *Change, place uint64) {
	for _, w := range list {
		if w.err == nil && c.Number > w.options.After {
			w.places = append(w.places, place)
			s.limitPlaces(w)
			s.rouse(w)
		}
	}
}

// limitPlaces ends a watcher whose next change has left the ring: what it has noted would grow for ever.
func (s *watchers) limitPlaces(w *watcher) {
	if w.places[0] < s.mu.ring.first {
		w.places, w.err = nil, ErrHistoryGone
	}
}

// rouse notes that a watcher has to be woken, if it sleeps.
func (s *watchers) rouse(w *watcher) {
	if w.sleeping {
		w.sleeping = false
		s.woken = append(s.woken, w)
	}
}

// add begins to watch.
func (s *watchers) add(o WatchOptions) (*watcher, error) {
	w := &watcher{options: o, wake: make(chan struct{}, 1)}
	if o.Key != nil {
		w.encoded = string(o.Key.AppendBinary(nil))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.err != nil:
		return nil, s.mu.err
	case o.After < s.mu.from || o.After > s.mu.until:
		return nil, ErrHistoryGone
	}
	s.mu.watchers[w] = struct{}{}
	w.next = s.mu.ring.after(o.After)
	if w.everything() {
		return w, nil
	}
	for place := w.next; place < s.mu.ring.end; place++ {
		if s.mu.scratch = s.mu.ring.at(place).Key.AppendBinary(s.mu.scratch[:0]); w.wants(s.mu.ring.at(place).Key, s.mu.scratch) {
			w.places = append(w.places, place)
		}
	}
	s.register(w)
	return w, nil
}

// everything tells that no key and no prefix was asked for.
func (w *watcher) everything() bool { return w.options.Key == nil && w.options.Prefix == "" }

// wants tells whether a key is watched.
func (w *watcher) wants(key data.Value, encoded []byte) bool {
	if w.options.Key != nil {
		return w.encoded == string(encoded)
	}
	text, ok := key.AsString()
	return ok && strings.HasPrefix(text, w.options.Prefix)
}

// register makes a watcher of a key or a prefix be found by offer.
func (s *watchers) register(w *watcher) {
	if w.options.Key != nil {
		s.mu.byKey[w.encoded] = append(s.mu.byKey[w.encoded], w)
		return
	}
	n := len(w.options.Prefix)
	if s.mu.byPrefix[n] == nil {
		s.mu.byPrefix[n] = map[string][]*watcher{}
		s.mu.lengths = append(s.mu.lengths, n)
		slices.Sort(s.mu.lengths)
	}
	s.mu.byPrefix[n][w.options.Prefix] = append(s.mu.byPrefix[n][w.options.Prefix], w)
}

// remove ends watching.
func (s *watchers) remove(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.watchers, w)
	s.mu.lastSeen = time.Now()
	if w.everything() {
		s.mu.asleep = slices.DeleteFunc(s.mu.asleep, func(other *watcher) bool { return other == w })
	} else if w.options.Key != nil {
		without(s.mu.byKey, w.encoded, w)
	} else {
		n := len(w.options.Prefix)
		if without(s.mu.byPrefix[n], w.options.Prefix, w); len(s.mu.byPrefix[n]) == 0 {
			delete(s.mu.byPrefix, n)
			s.mu.lengths = slices.DeleteFunc(s.mu.lengths, func(m int) bool { return m == n })
		}
	}
}

// without takes a watcher out of a list in a map, and the list if it is empty then.
func without(lists map[string][]*watcher, name string, w *watcher) {
	i := slices.Index(lists[name], w)
	if i < 0 {
		return
	}
	if len(lists[name]) == 1 {
		delete(lists, name)
		return
	}
	lists[name] = slices.Delete(lists[name], i, i+1)
}

// take appends what comes next for a watcher, some changes at a time. None without an error means that it has to sleep.
func (s *watchers) take(w *watcher, dst []Change) ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	everything := w.everything()
	switch {
	case w.err != nil:
		return dst, w.err
	case everything && w.next < s.mu.ring.first, len(w.places) > 0 && w.places[0] < s.mu.ring.first:
		return dst, ErrHistoryGone
	}
	if everything {
		end := min(s.mu.ring.end, w.next+watchAtOnce)
		for ; w.next < end; w.next++ {
			if c := s.mu.ring.at(w.next); c.Number > w.options.After {
				dst = append(dst, *c)
			}
		}
	} else {
		n := min(len(w.places), watchAtOnce)
		for _, place := range w.places[:n] {
			dst = append(dst, *s.mu.ring.at(place))
		}
		if w.places = w.places[n:]; len(w.places) == 0 {
			w.places = nil
		}
	}
	if len(dst) > 0 {
		return dst, nil
	}
	if everything && !w.sleeping {
		s.mu.asleep = append(s.mu.asleep, w)
	}
	w.sleeping = true
	return dst, s.mu.err
}
