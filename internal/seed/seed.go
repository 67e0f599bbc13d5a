// SPDX-License-Identifier: Apache-2.0

// Package seed gives randomised tests their seeds. Each test has a fixed one of its own, so that a run says something about the code and
// not about luck; SEED=random explores, and SEED=n replays what a run has named. It is for tests only.
package seed

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// For answers the seed of a test and logs it. It fails the test if SEED is neither a number nor "random".
func For(t testing.TB) uint64 {
	t.Helper()
	seed, err := choose(os.Getenv("SEED"), t.Name())
	if err != nil {
		t.Fatalf("SEED must be a number or %q: %v", "random", err)
	}
	t.Logf("SEED=%d", seed)
	return seed
}

// Several is For for a test with n cases; a replay has one.
func Several(t testing.TB, n int) []uint64 {
	t.Helper()
	first := For(t)
	if _, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		n = 1
	}
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

func choose(env, name string) (uint64, error) {
	switch env {
	case "":
		h := fnv.New64a()
		h.Write([]byte(name))
		return h.Sum64() >> 8, nil // room for the cases that follow
	case "random":
		return rand.Uint64() >> 8, nil
	}
	return strconv.ParseUint(env, 10, 64)
}
