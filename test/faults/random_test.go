// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// seeds are the schedules that TestRandom runs.
var seeds = []uint64{1, 2, 3, 4, 5, 6, 7, 8}

// TestRandom runs schedules of faults. -seed=N runs that one alone.
func TestRandom(t *testing.T) {
	run := seeds
	if *seedFlag != 0 {
		run = []uint64{*seedFlag}
	}
	for _, seed := range run {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			runSeed(t, seed)
		})
	}
}

// runSeed makes a random mesh and upsets it a few times. What happens follows from the seed, but for the moments at which it does.
func runSeed(t testing.TB, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := randomWorld(rng)
	t.Logf("seed %d; to repeat it: go test ./test/faults -run TestRandom -seed %d\n%v", seed, seed, w)
	ids := make([]bool, len(w.kinds)) // a leaf's messages keep their order over a restart of its node only if that keeps its ID
	for m := range ids {
		ids[m] = w.kinds[m] == kindNode && w.hasLeaves(m) || rng.IntN(2) == 0
	}
	f := newFleet(t, w, seed, func(m int) bool { return ids[m] })
	f.quiet("at first", rng.Uint64())
	for round := range *roundFlag {
		when := fmt.Sprintf("round %d", round+1)
		steps := plan(rng, f.w)
		t.Logf("%s:\n%s", when, describe(steps))
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
}

// TestSoak runs random schedules for -soak, some at a time, and writes what they were to -soaklog.
func TestSoak(t *testing.T) {
	if *soakFlag == 0 {
		return // make soak sets it
	}
	first := *seedFlag
	if first == 0 {
		first = rand.Uint64() >> 32
	}
	var out io.Writer = os.Stdout
	if *soakLog != "" {
		file, err := os.Create(*soakLog)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		out = io.MultiWriter(file, os.Stdout)
	}
	start := time.Now()
	fmt.Fprintf(out, "%s soak for %v, %d abreast, seeds from %d\n", start.UTC().Format(time.RFC3339), *soakFlag, *abreast, first)
	var next, passed, failed atomic.Uint64
	var all sync.WaitGroup
	for range *abreast {
		all.Go(func() {
			for time.Since(start) < *soakFlag {
				seed := first + next.Add(1) - 1
				began := time.Now()
				result, count := "ok", &passed
				if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runSeed(t, seed) }) {
					result, count = "FAILED", &failed
				}
				count.Add(1)
				fmt.Fprintf(out, "%s seed %d %s after %.0f s\n", time.Now().UTC().Format(time.RFC3339), seed, result, time.Since(began).Seconds())
			}
		})
	}
	all.Wait()
	fmt.Fprintf(out, "%s %d schedules in %v: %d passed, %d failed\n", time.Now().UTC().Format(time.RFC3339), passed.Load()+failed.Load(),
		time.Since(start).Round(time.Second), passed.Load(), failed.Load())
}
