// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// Measures of a picture, in pixels.
const (
	charWidth  = 7
	lineHeight = 16
	padding    = 10
	gapX       = 36
	gapY       = 70
	margin     = 24
	// mostBends is how many bends a picture may have; with more of them edges
	// go straight, and beneath the boxes in between.
	mostBends = 80
	// widest is how many boxes stand beside each other before a layer gets
	// another row.
	widest = 12
)

// box is where a node is drawn.
type box struct{ x, y, w, h int }

// layout is where everything is.
type layout struct {
	boxes []box // by node, then the gaps that edges go through
	// bends are the gaps that an edge goes through, from row to row downwards.
	bends         [][]int // by edge
	width, height int
}

// place puts nodes into rows: who dials stands above whom it dials, as far as
// cycles allow, and in a row near those that it is peered with.
func (g Graph) place() layout {
	at := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		at[n.ID] = i
	}
	out, near := make([][]int, len(g.Nodes)), make([][]int, len(g.Nodes))
	for _, e := range g.Edges {
		a, b := at[e.From], at[e.To]
		if a != b {
			out[a] = append(out[a], b)
			near[a], near[b] = append(near[a], b), append(near[b], a)
		}
	}
	rows := split(layers(out))
	bends, rows, near := g.bend(at, rows, near)
	order(rows, near)
	l := g.arrange(rows, len(near))
	l.bends = bends
	return l
}

// bend makes a gap in every row that an edge has to cross.
func (g Graph) bend(at map[string]int, rows [][]int, near [][]int) (bends, newRows, newNear [][]int) {
	row := make([]int, len(g.Nodes))
	for r, list := range rows {
		for _, v := range list {
			row[v] = r
		}
	}
	bends = make([][]int, len(g.Edges))
	crossings := 0
	for _, e := range g.Edges {
		crossings += max(0, max(row[at[e.From]], row[at[e.To]])-min(row[at[e.From]], row[at[e.To]])-1)
	}
	if crossings > mostBends {
		return bends, rows, near
	}
	for i, e := range g.Edges {
		top, bottom := at[e.From], at[e.To]
		if row[top] > row[bottom] {
			top, bottom = bottom, top
		}
		last := top
		for r := row[top] + 1; r < row[bottom]; r++ {
			gap := len(near)
			near = append(near, []int{last})
			near[last] = append(near[last], gap)
			rows[r] = append(rows[r], gap)
			bends[i] = append(bends[i], gap)
			last = gap
		}
		if last != top {
			near[last], near[bottom] = append(near[last], bottom), append(near[bottom], last)
		}
	}
	return bends, rows, near
}

// layers gives each node the row after the last one that dials it. Edges that
// would close a cycle don't count: those that lead back in a depth-first walk.
func layers(out [][]int) [][]int {
	n := len(out)
	incoming := make([]int, n)
	forward := acyclic(out)
	for _, targets := range forward {
		for _, b := range targets {
			incoming[b]++
		}
	}
	row := make([]int, n)
	var todo []int
	for v := range n {
		if incoming[v] == 0 {
			todo = append(todo, v)
		}
	}
	last := 0
	for i := 0; i < len(todo); i++ {
		for _, b := range forward[todo[i]] {
			row[b] = max(row[b], row[todo[i]]+1)
			last = max(last, row[b])
			if incoming[b]--; incoming[b] == 0 {
				todo = append(todo, b)
			}
		}
	}
	rows := make([][]int, last+1)
	for v := range n {
		rows[row[v]] = append(rows[row[v]], v)
	}
	return rows
}

// acyclic leaves out the edges that lead back to a node on the way.
func acyclic(out [][]int) [][]int {
	const fresh, open, done = 0, 1, 2
	state := make([]int, len(out))
	kept := make([][]int, len(out))
	type step struct{ v, next int }
	for root := range out {
		if state[root] != fresh {
			continue
		}
		state[root] = open
		for path := []step{{root, 0}}; len(path) > 0; {
			at := &path[len(path)-1]
			if at.next == len(out[at.v]) {
				state[at.v] = done
				path = path[:len(path)-1]
				continue
			}
			b := out[at.v][at.next]
			at.next++
			if state[b] == open {
				continue
			}
			kept[at.v] = append(kept[at.v], b)
			if state[b] == fresh {
				state[b] = open
				path = append(path, step{b, 0})
			}
		}
	}
	return kept
}

// split breaks rows that are too long.
func split(rows [][]int) [][]int {
	var out [][]int
	for _, row := range rows {
		if len(row) == 0 {
			continue
		}
		pieces := (len(row) + widest - 1) / widest
		for piece := range slices.Chunk(row, (len(row)+pieces-1)/pieces) {
			out = append(out, slices.Clone(piece)) // rows grow
		}
	}
	return out
}

// order moves nodes within their rows to the middle of their neighbours, a few
// times.
func order(rows [][]int, near [][]int) {
	place := make([]float64, len(near))
	number := func(row []int) {
		for i, v := range row {
			place[v] = float64(2*i-len(row)) / 2
		}
	}
	for _, row := range rows {
		number(row)
	}
	for range 6 {
		for _, row := range rows {
			middle := make(map[int]float64, len(row))
			for _, v := range row {
				middle[v] = place[v]
				for _, n := range near[v] {
					middle[v] += place[n]
				}
				middle[v] /= float64(1 + len(near[v]))
			}
			slices.SortStableFunc(row, func(a, b int) int { return cmp.Or(cmp.Compare(middle[a], middle[b]), cmp.Compare(a, b)) })
			number(row)
		}
	}
}

// arrange gives every box, and every gap, its place; rows are centred.
func (g Graph) arrange(rows [][]int, all int) layout {
	l := layout{boxes: make([]box, all)}
	widths := make([]int, len(rows))
	for r, row := range rows {
		widths[r] = gapX * (len(row) - 1)
		for _, v := range row {
			if v < len(g.Nodes) {
				l.boxes[v].w, l.boxes[v].h = g.Nodes[v].size()
			}
			widths[r] += l.boxes[v].w
		}
		l.width = max(l.width, widths[r])
	}
	l.width += 2 * margin
	y := margin
	for r, row := range rows {
		x, tallest := (l.width-widths[r])/2, 0
		for _, v := range row {
			l.boxes[v].x, l.boxes[v].y = x, y
			x += l.boxes[v].w + gapX
			tallest = max(tallest, l.boxes[v].h)
		}
		for _, v := range row {
			if v >= len(g.Nodes) {
				l.boxes[v].h = tallest
			}
		}
		y += tallest + gapY
	}
	l.height = max(y-gapY, margin) + margin
	return l
}

// size is how large a node's box must be.
func (n Node) size() (w, h int) {
	longest := utf8.RuneCountInString(n.Why)
	for _, line := range n.Lines {
		longest = max(longest, utf8.RuneCountInString(line))
	}
	lines := len(n.Lines)
	if n.Why != "" {
		lines++
	}
	return charWidth*longest + 2*padding, lineHeight*lines + 2*padding
}
