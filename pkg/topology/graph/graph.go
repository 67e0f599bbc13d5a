// SPDX-License-Identifier: Apache-2.0

// Package graph answers what hangs on what in a graph: its parts, its distances, and the vertices and edges without which it falls
// apart. It knows numbers only; what they stand for is the business of who asks.
package graph

import "slices"

// Graph is undirected and simple: between two vertices is one edge, or none. Vertices are numbered from 0. One goroutine at a time may
// use it.
type Graph struct {
	near   [][]int
	joined map[[2]int]bool
}

// New makes a graph of so many vertices and no edges.
func New(vertices int) *Graph {
	return &Graph{near: make([][]int, vertices), joined: make(map[[2]int]bool)}
}

// Vertices are all of them, in order.
func (g *Graph) Vertices() []int {
	all := make([]int, len(g.near))
	for i := range all {
		all[i] = i
	}
	return all
}

// Near are the neighbours of a vertex, in the order in which they were joined with it. They belong to the graph.
func (g *Graph) Near(v int) []int { return g.near[v] }

// Grow adds a vertex and answers its number.
func (g *Graph) Grow() int {
	g.near = append(g.near, nil)
	return len(g.near) - 1
}

// Join adds an edge, unless there is one or both ends are the same.
func (g *Graph) Join(a, b int) {
	pair := [2]int{min(a, b), max(a, b)}
	if a == b || g.joined[pair] {
		return
	}
	g.joined[pair] = true
	g.near[a], g.near[b] = append(g.near[a], b), append(g.near[b], a)
}

// Parts are the connected parts of the graph without one vertex (-1: with all), each sorted, in the order of their first vertices.
// Only vertices that can be reached from those in from count.
func (g *Graph) Parts(from []int, without int) [][]int {
	seen := make([]bool, len(g.near))
	var out [][]int
	for _, start := range from {
		if start == without || seen[start] {
			continue
		}
		seen[start] = true
		part := []int{start}
		for i := 0; i < len(part); i++ {
			for _, next := range g.near[part[i]] {
				if next != without && !seen[next] {
					seen[next] = true
					part = append(part, next)
				}
			}
		}
		slices.Sort(part)
		out = append(out, part)
	}
	return out
}

// Hops are the distances from a vertex, -1 where no way leads.
func (g *Graph) Hops(from int) []int {
	far := make([]int, len(g.near))
	for i := range far {
		far[i] = -1
	}
	far[from] = 0
	todo := []int{from}
	for i := 0; i < len(todo); i++ {
		for _, next := range g.near[todo[i]] {
			if far[next] < 0 {
				far[next] = far[todo[i]] + 1
				todo = append(todo, next)
			}
		}
	}
	return far
}

// visit is a vertex on the way down of a depth-first search.
type visit struct{ vertex, parent, next int }

// Blocks are the largest parts that stay in one piece whichever of their vertices is taken out: a bridge is a block of two, a
// cycle is inside of one of three or more. A vertex in several blocks is what alone holds them together. The vertices of a block are in
// order. (Tarjan's algorithm, without recursion: meshes can be long.)
func (g *Graph) Blocks() [][]int {
	n := len(g.near)
	order, low := make([]int, n), make([]int, n) // 0: not seen
	var out [][]int
	var stack []int // of vertices that are not in a block yet
	clock := 0
	enter := func(v int) {
		clock++
		order[v], low[v] = clock, clock
		stack = append(stack, v)
	}
	for root := range n {
		if order[root] != 0 {
			continue
		}
		enter(root)
		path := []visit{{root, -1, 0}}
		for len(path) > 0 {
			at := &path[len(path)-1]
			if at.next < len(g.near[at.vertex]) {
				w := g.near[at.vertex][at.next]
				at.next++
				if order[w] == 0 {
					enter(w)
					path = append(path, visit{w, at.vertex, 0})
				} else if w != at.parent {
					low[at.vertex] = min(low[at.vertex], order[w])
				}
				continue
			}
			v, parent := at.vertex, at.parent
			path = path[:len(path)-1]
			if parent < 0 {
				continue
			}
			low[parent] = min(low[parent], low[v])
			if low[v] >= order[parent] {
				i := len(stack) - 1
				for stack[i] != v {
					i--
				}
				block := append(slices.Clone(stack[i:]), parent)
				stack = stack[:i]
				slices.Sort(block)
				out = append(out, block)
			}
		}
		stack = stack[:0]
	}
	return out
}
