// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
)

// counted is an object that counts how often it is closed.
type counted struct{ closed atomic.Int32 }

func (c *counted) close() { c.closed.Add(1) }

func TestHandles(t *testing.T) {
	var table table
	if table.find(0) != nil || table.find(1) != nil || table.remove(7) != nil {
		t.Error("an empty table has something")
	}
	seen := make(map[Handle]bool)
	var last Handle
	for range 3 {
		for range 5 {
			o := new(counted)
			last = table.add(o)
			if last == 0 || seen[last] {
				t.Fatalf("handle %d was there before", last)
			}
			seen[last] = true
			if table.find(last) != object(o) {
				t.Fatalf("handle %d is something else", last)
			}
		}
		for h := range seen {
			table.remove(h)
			if table.find(h) != nil || table.remove(h) != nil {
				t.Fatalf("handle %d is still there", h)
			}
		}
	}
	if n := len(*table.slots.Load()); n != 5 {
		t.Errorf("%d slots for 5 objects at a time", n)
	}
	if table.find(last|math.MaxUint32) != nil {
		t.Error("a slot that isn't there has something")
	}
	// A slot that has been used as often as a handle can tell is used no more.
	h := table.add(new(counted))
	(*table.slots.Load())[uint32(h)].used = math.MaxUint32
	table.remove(h)
	for range 10 {
		if got := table.add(new(counted)); uint32(got) == uint32(h) {
			t.Fatalf("handle %d uses slot %d again", got, uint32(h))
		}
	}
}

// TestHandlesAtOnce closes each object once, whoever comes first.
func TestHandlesAtOnce(t *testing.T) {
	var all [200]counted
	handles := make([]Handle, len(all))
	for i := range all {
		handles[i] = objects.add(&all[i])
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, h := range handles {
				_, _ = find[*counted](h)
				Close(objects.add(new(counted)))
				Close(h)
			}
		})
	}
	wg.Wait()
	for i := range all {
		if n := all[i].closed.Load(); n != 1 {
			t.Errorf("object %d was closed %d times", i, n)
		}
	}
	if _, err := find[*endpoint](objects.add(new(counted))); err == nil {
		t.Error("something else was found as an endpoint")
	}
}
