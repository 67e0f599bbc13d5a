// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"errors"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// begun are writes of a clone that were begun, by the number that they push.
type begun []*store.Pending

func (b *begun) push(c *store.Clone, n int) {
	for range n {
		*b = append(*b, c.WriteAsync(store.WriteAdd(str("pushed"), data.Count(uint64(len(*b))), data.KindVector, 0)))
	}
}

// TestForeignMasterOverKill: a master in Python, which keeps nothing, is killed under a clone of ours that writes, and comes back on another
// endpoint, or as one that looks like the one before and counts anew. The clone takes over what the new one has. A write is there once if
// it was acknowledged by the new one, and not there if nobody can tell what became of it; nobody waits for ever.
func TestForeignMasterOverKill(t *testing.T) {
	for name, args := range map[string][]string{"another endpoint": nil, "the same identity": {"--id", largeID}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, broker.Options{}, smallID)
			first := start(t, args...)
			first.do(command{"do": "master", "store": "s"})
			first.do(command{"do": "put", "store": "s", "key": "first", "value": 1})
			peered(t, e, first)
			c := newClone(t, e)
			first.wait("clone_established")
			var writes begun
			writes.push(c, 10)
			for _, w := range writes {
				ok(t, w.Wait(within(t)))
			}
			ok(t, c.AwaitIdle(within(t)))
			writes.push(c, 20) // some of them arrive
			first.kill()
			until(t, e, "the connection is gone", func(peers []broker.PeerInfo) bool { return len(peers) == 0 })
			writes.push(c, 10)

			second := start(t, args...)
			second.do(command{"do": "master", "store": "s"})
			second.do(command{"do": "put", "store": "s", "key": "second", "value": 2})
			peered(t, e, second)
			second.wait("clone_established")
			late := len(writes)
			writes.push(c, 10)
			var unknown []int
			for i, w := range writes {
				if err := w.Wait(within(t)); errors.Is(err, store.ErrUnknown) && i < late {
					unknown = append(unknown, i)
				} else if err != nil {
					t.Fatalf("write %d: %v", i, err)
				}
			}
			ok(t, c.AwaitIdle(within(t)))
			same(t, "after the restart", c, c.Keys, second)
			v, err := c.Get(within(t), str("pushed"))
			ok(t, err)
			got := numbers(t, v)
			for i := 1; i < len(got); i++ {
				if got[i] <= got[i-1] {
					t.Errorf("write %d comes after write %d: %v", got[i], got[i-1], got)
				}
			}
			for i := late; i < len(writes); i++ {
				if !slices.Contains(got, i) {
					t.Errorf("write %d was acknowledged by the new master and is not there: %v", i, got)
				}
			}
			for _, i := range unknown {
				if slices.Contains(got, i) {
					t.Errorf("write %d was given up and is there: %v", i, got)
				}
			}
			if s := c.Status(); s.State != store.StateSynced || s.WritesUnknown != uint64(len(unknown)) {
				t.Errorf("%d writes are unknown: %+v", len(unknown), s)
			}
			t.Logf("%d writes unknown, %v at the new master", len(unknown), got)
		})
	}
}
