// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"math"
	"sync"
	"sync/atomic"
)

// Handle is the number of an object. Numbers are never used again; 0 is none.
type Handle uint64

// object is what a handle stands for.
type object interface {
	// close ends the object; it waits for nothing, and is called once.
	close()
}

// table finds objects by their handles, without a lock. The lower half of a handle is a slot, the upper half how often it was used.
type table struct {
	slots atomic.Pointer[[]*slot]
	mu    struct {
		sync.Mutex
		free []uint32 // oldest first
	}
}

type slot struct {
	entry atomic.Pointer[entry]
	used  uint32 // guarded by the table's mutex
}

type entry struct {
	handle Handle
	object object
}

// objects are all that the library has handed out.
var objects table

// add gives an object a handle.
func (t *table) add(o object) Handle {
	t.mu.Lock()
	defer t.mu.Unlock()
	var old []*slot
	if p := t.slots.Load(); p != nil {
		old = *p
	}
	var at uint32
	if len(t.mu.free) > 0 {
		at = t.mu.free[0]
		t.mu.free = t.mu.free[1:]
	} else {
		// Readers see the array that they have loaded: what is behind its end doesn't concern them.
		at = uint32(len(old))
		old = append(old, new(slot))
		t.slots.Store(&old)
	}
	s := old[at]
	s.used++
	h := Handle(s.used)<<32 | Handle(at)
	s.entry.Store(&entry{h, o})
	return h
}

// find is the object of a handle, or nil.
func (t *table) find(h Handle) object {
	p := t.slots.Load()
	if p == nil || uint64(uint32(h)) >= uint64(len(*p)) {
		return nil
	}
	if e := (*p)[uint32(h)].entry.Load(); e != nil && e.handle == h {
		return e.object
	}
	return nil
}

// remove takes a handle back, and answers what it stood for; nil if it was taken back before.
func (t *table) remove(h Handle) object {
	o := t.find(h)
	if o == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := (*t.slots.Load())[uint32(h)]
	if e := s.entry.Load(); e == nil || e.handle != h {
		return nil
	}
	s.entry.Store(nil)
	if s.used < math.MaxUint32 {
		t.mu.free = append(t.mu.free, uint32(h))
	}
	return o
}

// find is the object of a handle, if it is of a kind.
func find[T object](h Handle) (T, error) {
	o, ok := objects.find(h).(T)
	if !ok {
		return o, errClosed
	}
	return o, nil
}

// Close closes a handle of any kind and waits for nothing. A handle that is closed stays so.
func Close(h Handle) {
	if o := objects.remove(h); o != nil {
		o.close()
	}
}
