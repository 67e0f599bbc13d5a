// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteDOT writes the graph for Graphviz.
func (g Graph) WriteDOT(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("digraph mesh {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	for _, n := range g.Nodes {
		lines := make([]string, 0, len(n.Lines)+1)
		for _, line := range n.Lines {
			lines = append(lines, dotText(line))
		}
		if n.Why != "" {
			lines = append(lines, dotText(n.Why))
		}
		style := []string{"label=\"" + strings.Join(lines, `\n`) + "\""}
		if n.Outside {
			style = append(style, "style=dashed")
		}
		style = append(style, dotState(n.State)...)
		fmt.Fprintf(&b, "  %s [%s];\n", dotQuoted(n.ID), strings.Join(style, ", "))
	}
	for _, e := range g.Edges {
		style := []string{"tooltip=" + dotQuoted(e.Name)}
		if label := e.words(); label != "" {
			style = append(style, "label="+dotQuoted(label))
		}
		if e.Open {
			style = append(style, "style=dashed")
		}
		style = append(style, dotState(e.State)...)
		fmt.Fprintf(&b, "  %s -> %s [%s];\n", dotQuoted(e.From), dotQuoted(e.To), strings.Join(style, ", "))
	}
	b.WriteString("}\n")
	_, err := w.Write(b.Bytes())
	return err
}

// words are the label of an edge, with what is wrong with it.
func (e Edge) words() string {
	switch {
	case e.Why == "":
		return e.Label
	case e.Label == "":
		return e.Why
	}
	return e.Label + ", " + e.Why
}

func dotState(s State) []string {
	switch s {
	case Bad:
		return []string{"color=red", "fontcolor=red"}
	case Doubtful:
		return []string{"color=gray50", "fontcolor=gray50"}
	}
	return nil
}

func dotText(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }

func dotQuoted(s string) string { return `"` + dotText(s) + `"` }

// WriteMermaid writes the graph as a Mermaid flowchart. IDs there can't be any
// text, so that nodes are numbered.
func (g Graph) WriteMermaid(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("flowchart TB\n")
	number := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		number[n.ID] = i
		lines := make([]string, 0, len(n.Lines)+1)
		for _, line := range n.Lines {
			lines = append(lines, mermaidText(line))
		}
		if n.Why != "" {
			lines = append(lines, mermaidText(n.Why))
		}
		left, right := "[", "]"
		if n.Outside {
			left, right = "([", "])"
		}
		fmt.Fprintf(&b, "  n%d%s\"%s\"%s%s\n", i, left, strings.Join(lines, "<br/>"), right, mermaidClass(n.State))
	}
	var bad []string
	for i, e := range g.Edges {
		arrow := "-->"
		if e.Open {
			arrow = "-.->"
		}
		if label := e.words(); label != "" {
			arrow += "|\"" + mermaidText(label) + "\"|"
		}
		fmt.Fprintf(&b, "  n%d %s n%d\n", number[e.From], arrow, number[e.To])
		if e.State == Bad {
			bad = append(bad, fmt.Sprint(i))
		}
	}
	b.WriteString("  classDef bad stroke:#c00,color:#c00\n  classDef doubtful stroke:#888,color:#888\n")
	if len(bad) > 0 {
		fmt.Fprintf(&b, "  linkStyle %s stroke:#c00,color:#c00\n", strings.Join(bad, ","))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func mermaidClass(s State) string {
	switch s {
	case Bad:
		return ":::bad"
	case Doubtful:
		return ":::doubtful"
	}
	return ""
}

// mermaidText writes everything that could mean something to Mermaid, or to the
// page that it ends up in, by its number.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\"#<>&;`[]{}|\\", r) {
			fmt.Fprintf(&b, "#%d;", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
