// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// TestLossyBusOverRestarts: the bus loses, repeats and reorders, and the master is started anew now and then with its database. Every
// write has its outcome, every increment counts once, each key is won once, and in the end all hold the same.
func TestLossyBusOverRestarts(t *testing.T) {
	for _, seed := range seed.Several(t, 5) {
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			h := &hardship{t: t, f: new(fabric), be: memory.New(), rng: rand.New(rand.NewPCG(seed, 3))}
			h.run()
		})
	}
}

type hardship struct {
	t   *testing.T
	f   *fabric
	bus *fakeBus
	be  *memory.Backend
	m   *Master

	mu  sync.Mutex
	rng *rand.Rand
}

func (h *hardship) roll(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rng.IntN(n)
}

// twist delivers once, or twice, or later.
func (h *hardship) twist(deliver func()) {
	switch h.roll(10) {
	case 0:
		deliver()
		deliver()
	case 1, 2:
		time.AfterFunc(time.Duration(h.roll(300))*time.Millisecond, deliver)
	default:
		deliver()
	}
}

func (h *hardship) restart() {
	if h.m != nil {
		must(h.t, h.m.Close())
		time.Sleep(time.Duration(h.roll(3000)) * time.Millisecond)
	}
	m, err := NewMaster(h.bus, "s", keep(h.be), MasterOptions{HistoryBytes: 20_000})
	must(h.t, err)
	h.m = m
}

func (h *hardship) run() {
	h.f.setLoss(func(_, _ *fakeBus, _ []byte) bool { return h.roll(4) == 0 })
	h.f.twist = h.twist
	h.bus = h.f.join()
	h.restart()
	var clones []*Clone
	for range 3 {
		clones = append(clones, startClone(h.t, h.f.join(), "s", CloneOptions{}))
	}
	var adds, locks []*Pending
	for i := range 200 {
		c := clones[h.roll(3)]
		switch h.roll(8) {
		case 0, 1, 2:
			adds = append(adds, c.WriteAsync(increment("n")))
		case 3:
			locks = append(locks, c.WriteAsync(WritePutUnique(str("lock"), data.Count(uint64(i)), 0)))
		case 4:
			c.PutAsync(data.Count(uint64(h.roll(10))), str(strings.Repeat("x", h.roll(500))), time.Duration(h.roll(2))*time.Second)
		case 5:
			if h.roll(4) == 0 {
				h.restart()
			}
		default:
			time.Sleep(time.Duration(h.roll(300)) * time.Millisecond)
		}
	}
	for i, p := range adds {
		if err := p.Wait(h.t.Context()); err != nil {
			h.t.Errorf("increment %d: %v", i, err)
		}
	}
	winners := 0
	for _, p := range locks {
		if must(h.t, p.Wait(h.t.Context())); p.Inserted() {
			winners++
		}
	}
	if len(locks) > 0 && winners != 1 {
		h.t.Errorf("%d of %d won", winners, len(locks))
	}
	time.Sleep(5 * time.Second) // what expires has expired
	h.f.setLoss(nil)
	time.Sleep(time.Second)
	for i, c := range clones {
		same(h.t, h.m, c)
		if s := c.Status(); s.WritesUnknown != 0 || s.State != StateSynced {
			h.t.Errorf("clone %d: %+v", i, s)
		}
	}
	if got := get(h.t, h.m, "n"); len(adds) > 0 && got != fmt.Sprint(len(adds)) {
		h.t.Errorf("n is %s after %d increments", got, len(adds))
	}
	must(h.t, h.m.Close())
}
