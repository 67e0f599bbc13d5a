// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
)

const svgStyle = `text{font:12px ui-monospace,monospace;fill:#222}` +
	`.box{fill:#f6f8fa;stroke:#57606a}.outside{fill:#fff;stroke:#57606a;stroke-dasharray:5 3}` +
	`.name{font-weight:bold}.edge{fill:none;stroke:#57606a}.open{stroke-dasharray:5 3}` +
	`.label{font-size:10px;paint-order:stroke;stroke:#fff;stroke-width:3px}` +
	`rect.bad,path.bad{stroke:#c00}text.bad{fill:#c00}rect.doubtful,path.doubtful{stroke:#999}text.doubtful{fill:#999}`

// WriteSVG draws the graph. Names of peerings and what is wrong with them are
// titles, which browsers show under the pointer.
func (g Graph) WriteSVG(w io.Writer) error {
	l := g.place()
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">`+"\n", l.width, l.height, l.width, l.height)
	fmt.Fprintf(&b, "<style>%s</style>\n", svgStyle)
	b.WriteString(`<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="#57606a"/></marker></defs>` + "\n")
	at := make(map[string]box, len(g.Nodes))
	for i, n := range g.Nodes {
		at[n.ID] = l.boxes[i]
	}
	for i, e := range g.Edges {
		var through []box
		for _, gap := range l.bends[i] {
			through = append(through, l.boxes[gap])
		}
		e.draw(&b, at[e.From], at[e.To], through)
	}
	for i, n := range g.Nodes {
		n.draw(&b, l.boxes[i])
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (s State) class() string {
	switch s {
	case Bad:
		return " bad"
	case Doubtful:
		return " doubtful"
	}
	return ""
}

func (n Node) draw(b *bytes.Buffer, at box) {
	kind := "box"
	if n.Outside {
		kind = "outside"
	}
	fmt.Fprintf(b, `<rect class="%s%s" x="%d" y="%d" width="%d" height="%d" rx="5"/>`+"\n", kind, n.State.class(), at.x, at.y, at.w, at.h)
	lines := n.Lines
	if n.Why != "" {
		lines = append(lines[:len(lines):len(lines)], n.Why)
	}
	for i, line := range lines {
		class := "line"
		if i == 0 {
			class = "name"
		}
		if n.Why != "" && i == len(lines)-1 {
			class += n.State.class()
		}
		fmt.Fprintf(b, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, at.x+padding, at.y+padding+lineHeight*i+12, escaped(line))
	}
}

// draw draws an edge from box to box: down or up from row to row through the
// gaps that it has there, in an arc within one row.
func (e Edge) draw(b *bytes.Buffer, from, to box, through []box) {
	x1, x2 := from.x+from.w/2, to.x+to.w/2
	var path string
	var midX, midY int
	switch {
	case from == to:
		x, y := from.x+from.w, from.y+from.h/2
		path = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x, y-6, x+gapX, y-16, x+gapX, y+16, x, y+6)
		midX, midY = x+gapX/2, y-18
	case from.y == to.y:
		y := from.y
		midX, midY = (x1+x2)/2, y-gapY/3
		path = fmt.Sprintf("M%d %dQ%d %d %d %d", x1, y, midX, y-gapY*2/3, x2, y)
	default:
		path, midX, midY = down(from, to, through)
	}
	class := "edge" + e.State.class()
	if e.Open {
		class += " open"
	}
	title := e.Name
	if words := e.words(); words != "" {
		title += ": " + words
	}
	fmt.Fprintf(b, `<path class="%s" marker-end="url(#arrow)" d="%s"><title>%s</title></path>`+"\n", class, path, escaped(title))
	if words := e.words(); words != "" {
		fmt.Fprintf(b, `<text class="label%s" text-anchor="middle" x="%d" y="%d">%s</text>`+"\n", e.State.class(), midX, midY, escaped(words))
	}
}

// down is the path between boxes of different rows, and where its label stands.
func down(from, to box, through []box) (path string, midX, midY int) {
	up := from.y > to.y
	if up {
		through = slices.Clone(through)
		slices.Reverse(through)
	}
	// ends of a box as the path meets them: where it comes in, where it goes out.
	in := func(b box) (x, y int) {
		if up {
			return b.x + b.w/2, b.y + b.h
		}
		return b.x + b.w/2, b.y
	}
	out := func(b box) (x, y int) {
		if up {
			return b.x + b.w/2, b.y
		}
		return b.x + b.w/2, b.y + b.h
	}
	x, y := out(from)
	path = fmt.Sprintf("M%d %d", x, y)
	for i, next := range append(through, to) {
		nx, ny := in(next)
		half := (y + ny) / 2
		path += fmt.Sprintf("C%d %d %d %d %d %d", x, half, nx, half, nx, ny)
		if i == 0 {
			midX, midY = (x+nx)/2, half
		}
		if i < len(through) {
			x, y = out(next)
			path += fmt.Sprintf("L%d %d", x, y)
		}
	}
	return path, midX, midY
}

func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
