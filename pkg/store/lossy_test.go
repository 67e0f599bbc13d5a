// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestLossyBus: a master and three clones change a store over a bus that loses a third of everything. In the end all of them hold the
// same, and every increment was executed once.
func TestLossyBus(t *testing.T) {
	for _, seed := range seed.Several(t, 5) {
		synctest.Test(t, func(t *testing.T) { lossy(t, seed) })
	}
}

func lossy(t *testing.T, seed uint64) {
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 2))
	roll := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	f := new(fabric)
	f.setLoss(func(_, _ *fakeBus, _ []byte) bool { return roll(3) == 0 })
	m := startMaster(t, f.join(), "s")
	var clones []*Clone
	for range 3 {
		clones = append(clones, startClone(t, f.join(), "s", CloneOptions{}))
	}
	ctx := t.Context()
	increments := make([]int, 4)
	won := make(chan bool, 1000)
	asked := 0
	for range 150 {
		who := roll(4)
		ops := m.operations
		if who < 3 {
			ops = clones[who].operations
		}
		key := data.Count(uint64(roll(10)))
		switch roll(6) {
		case 0:
			must(t, ops.Erase(ctx, key))
		case 1:
			must(t, ops.Put(ctx, key, data.Count(uint64(roll(1000))), time.Duration(roll(3))*time.Second))
		case 2:
			must(t, ops.Push(ctx, str(fmt.Sprint("order", who)), integer(int64(increments[who])), 0))
			increments[who]++
		case 3:
			asked++
			go func() {
				ok, err := ops.PutUnique(ctx, str("lock"), integer(int64(who)), 0)
				if err != nil {
					t.Error(err)
				}
				won <- ok
			}()
		default:
			time.Sleep(time.Duration(roll(300)) * time.Millisecond)
		}
	}
	winners := 0
	for range asked {
		if <-won {
			winners++
		}
	}
	if asked > 0 && winners != 1 {
		t.Errorf("%d of %d won", winners, asked)
	}
	time.Sleep(5 * time.Second) // what expires has expired
	must(t, m.AwaitIdle(ctx))
	for i, c := range clones {
		must(t, c.AwaitIdle(ctx))
		must(t, m.AwaitIdle(ctx))
		if s := c.Status(); s.State != StateSynced || s.WritesUnknown > 0 || s.Entries != m.Status().Entries {
			t.Errorf("clone %d: %+v", i, s)
		}
		content, err := m.be.Snapshot()
		must(t, err)
		for e := range content.Entries() {
			if v, err := c.Get(ctx, e.Key); err != nil || !data.Equal(v, e.Value) {
				t.Errorf("clone %d: %v is %v (%v), at the master %v", i, e.Key, v, err, e.Value)
			}
		}
	}
	for who, n := range increments {
		want := make([]data.Value, n)
		for i := range want {
			want[i] = integer(int64(i))
		}
		if got := get(t, m, fmt.Sprint("order", who)); n > 0 && got != data.Vector(want...).String() {
			t.Errorf("writes of %d: %s", who, got)
		}
	}
}
