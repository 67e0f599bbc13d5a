// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// seeds are the schedules that TestRandom runs.
var seeds = []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// TestRandom runs schedules of faults. SEED=n repeats one.
func TestRandom(t *testing.T) {
	run := seeds
	if os.Getenv("SEED") != "" {
		run = seed.Several(t, len(seeds))
	}
	for _, n := range run {
		t.Run(fmt.Sprintf("SEED=%d", n), func(t *testing.T) {
			t.Parallel()
			t.Log(runSeed(t, n))
		})
	}
}

// runSeed makes a random mesh and upsets it a few times. What happens follows from the seed, but for the moments at which it does.
func runSeed(t testing.TB, seed uint64) totals {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := randomWorld(rng)
	security := []string{"", "", tlsCertificates, tlsAnonymous}[rng.IntN(4)]
	t.Logf("to repeat it: SEED=%d go test ./test/faults -run TestRandom; TLS: %q\n%v", seed, security, w)
	ids := make([]bool, len(w.kinds)) // a leaf's messages keep their order over a restart of its node only if that keeps its ID
	for m := range ids {
		ids[m] = w.kinds[m] == kindNode && w.hasLeaves(m) || rng.IntN(2) == 0
	}
	opt := secured(t, security)
	opt.Messages = pumpRoom
	if rng.IntN(3) == 0 {
		opt.Window = pumpRoom // what comes at once when a line is whole again must not be too much
	}
	f := newFleetTuned(t, w, seed, func(m int) bool { return ids[m] }, 0, func(int) order { return opt })
	f.quiet("at first", rng.Uint64())
	for round := range *roundFlag {
		when := fmt.Sprintf("round %d", round+1)
		steps := plan(rng, f.w)
		t.Logf("%s:\n%s", when, describe(steps))
		if rng.IntN(2) == 0 {
			f.badLines(rng.IntN, func() lab.Detour { return randomDetour(rng) })
		}
		u := f.upset(when, steps, rng.Uint64())
		whole := f.quiet(when+", after it", rng.Uint64())
		if whole {
			f.losses(u)
		}
		f.badLines(rng.IntN, func() lab.Detour { return randomDetour(rng) })
		f.quiet(when+", bad lines", rng.Uint64())
		f.heal()
	}
	f.settle("at last")
	f.finish()
	return f.totals
}

// secured are options for a way to protect connections.
func secured(t testing.TB, how string) order {
	o := order{TLS: how}
	if how != tlsCertificates {
		return o
	}
	now := time.Now()
	a, err := pki.NewAuthority(crand.Reader, now, "faults")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.Issue(crand.Reader, now, pki.NodeRequest("faults", "all"))
	if err != nil {
		t.Fatal(err)
	}
	o.CertPEM, o.KeyPEM, o.CAPEM = leaf.Cert, leaf.Key, a.CertPEM()
	return o
}
