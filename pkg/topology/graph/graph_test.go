// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"math/rand/v2"
	"testing"

	"github.com/brokermesh/brokermesh/internal/seed"
)

// TestBlocks compares the blocks of random graphs with what a slower definition says: a vertex is in several blocks exactly if the
// graph has more parts without it, an edge is a block of its own exactly if the graph has more parts without that edge.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 0))
	for range 300 {
		n := 1 + r.IntN(12)
		g := New(n)
		for range r.IntN(2 * n) {
			g.Join(r.IntN(n), r.IntN(n))
		}
		in, bridges := make([]int, n), make(map[[2]int]bool)
		for _, block := range g.Blocks() {
			for _, v := range block {
				in[v]++
			}
			if len(block) == 2 {
				bridges[[2]int{block[0], block[1]}] = true
			}
		}
		all := g.Vertices()
		parts := len(g.Parts(all, -1))
		for v := range n {
			// Taking out a vertex with neighbours takes out no part; one without takes out its own.
			more := len(g.Parts(all, v)) > parts && len(g.near[v]) > 0
			if (in[v] > 1) != more {
				t.Fatalf("vertex %d of %v is in %d blocks, and without it there are more parts: %v", v, g.near, in[v], more)
			}
		}
		for pair := range g.joined {
			if cut := len(without(g, pair).Parts(all, -1)) > parts; bridges[pair] != cut {
				t.Fatalf("edge %v of %v: bridge %v, but without it there are more parts: %v", pair, g.near, bridges[pair], cut)
			}
		}
	}
}

func without(g *Graph, edge [2]int) *Graph {
	out := New(len(g.near))
	for pair := range g.joined {
		if pair != edge {
			out.Join(pair[0], pair[1])
		}
	}
	return out
}
