// SPDX-License-Identifier: Apache-2.0

package topology

import "slices"

// Rendezvous hashing, or highest random weight: each pair of names has a weight, and who chooses n of many takes the n heaviest. A
// candidate that comes takes at most one place of each chooser, one that goes leaves only the places that it had, and nothing depends on
// the order in which they came. The weights are part of what a topology means: with others, connections would move on an upgrade.

// weightOf is the hash of a pod's name: FNV-1a, stirred.
func weightOf(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return stir(h)
}

// stir is the finalizer of SplitMix64: every bit of the input changes about half of the bits of the output.
func stir(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// heaviest gives those n of the candidates that have the most weight with the one who chooses, in the order of the candidates. Who chooses
// is no candidate of its own.
func (c *compiler) heaviest(who int, candidates []int, n int) []int {
	type weighed struct {
		weight uint64
		member int
	}
	lighter := func(a, b weighed) bool { // of equal weight the later name is lighter
		return a.weight < b.weight || a.weight == b.weight && a.member > b.member
	}
	var best []weighed // a heap, the lightest first
	sink := func(i int) {
		for child := 2*i + 1; child < len(best); child = 2*i + 1 {
			if child+1 < len(best) && lighter(best[child+1], best[child]) {
				child++
			}
			if !lighter(best[child], best[i]) {
				return
			}
			best[i], best[child] = best[child], best[i]
			i = child
		}
	}
	salt := c.members[who].weight
	for _, m := range candidates {
		w := weighed{stir(salt ^ (c.members[m].weight<<1 | c.members[m].weight>>63)), m}
		switch {
		case m == who:
		case len(best) < n:
			best = append(best, w)
			if len(best) == n {
				for i := n/2 - 1; i >= 0; i-- {
					sink(i)
				}
			}
		case lighter(best[0], w):
			best[0] = w
			sink(0)
		}
	}
	chosen := make([]int, len(best))
	for i, w := range best {
		chosen[i] = w.member
	}
	slices.Sort(chosen)
	return chosen
}
