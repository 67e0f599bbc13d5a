// SPDX-License-Identifier: Apache-2.0

package meshview

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// TableOptions say how a table looks.
type TableOptions struct {
	// Color marks what is well and what isn't.
	Color bool
	// Width cuts lines that are longer; 0 never does.
	Width int
	// Rates are messages a second by pod; nil leaves the column out.
	Rates map[string]float64
	// Hint ends the last line.
	Hint string
}

// Table shows the nodes, then one line that counts peerings and stores, then
// what doesn't hold.
func Table(s State, o TableOptions) []string {
	rows := [][]string{header(s, o)}
	for _, name := range slices.Sorted(maps.Keys(s.Verdict.Nodes)) {
		rows = append(rows, s.row(name, o))
	}
	lines := align(rows)
	lines = append(lines, s.summary(o))
	for _, m := range s.Missing() {
		lines = append(lines, "   "+m)
	}
	for i := range lines {
		lines[i] = cut(lines[i], o.Width)
		if o.Color {
			lines[i] = paint(lines[i], i, len(rows))
		}
	}
	return lines
}

func header(s State, o TableOptions) []string {
	columns := []string{"NODE", "READY", "ADDRESS"}
	if s.anyWebSocket() {
		columns = append(columns, "WEBSOCKET")
	}
	columns = append(columns, "PEERS")
	if o.Rates != nil {
		columns = append(columns, "MSG/S")
	}
	return append(columns, "STORES")
}

func (s State) anyWebSocket() bool {
	for _, st := range s.Statuses {
		if listener(st, "websocket") != "" {
			return true
		}
	}
	return false
}

func (s State) row(name string, o TableOptions) []string {
	status := s.Verdict.Nodes[name]
	pod, _ := s.pod(name)
	word, _ := ready(status.Conditions)
	cells := []string{name, word, orDash(listener(pod, "broker"))}
	if s.anyWebSocket() {
		cells = append(cells, orDash(listener(pod, "websocket")))
	}
	cells = append(cells, orDash(status.Peers))
	if o.Rates != nil {
		cells = append(cells, fmt.Sprintf("%.0f", o.Rates[pod.Pod]))
	}
	return append(cells, storesOf(pod))
}

// storesOf is what a node holds: known-hosts (master, SQLite, 3 entries).
func storesOf(s statusapi.Status) string {
	words := make([]string, 0, len(s.Stores))
	for _, t := range s.Stores {
		words = append(words, t.Object+" ("+storeWords(t)+")")
	}
	return orDash(strings.Join(words, ", "))
}

func storeWords(t statusapi.Store) string {
	if t.Role == statusapi.RoleMaster {
		if t.State != statusapi.StoreServing {
			return "master, " + t.Backend + ", " + strings.ToLower(t.State)
		}
		return fmt.Sprintf("master, %s, %s", t.Backend, count(int(t.Entries), "entry", "entries"))
	}
	if t.State == statusapi.StoreSynced {
		return "clone, in sync"
	}
	return "clone, " + strings.ToLower(t.State)
}

// summary is the line below the table.
func (s State) summary(o TableOptions) string {
	established, stores := 0, 0
	for _, p := range s.Verdict.Peerings {
		if _, ok := ready(p.Conditions); ok {
			established++
		}
	}
	for _, t := range s.Verdict.Stores {
		if _, ok := ready(t.Conditions); ok {
			stores++
		}
	}
	parts := []string{
		of(established, len(s.Verdict.Peerings), "peering", "peerings") + " established",
		of(stores, len(s.Verdict.Stores), "store", "stores") + " ready",
	}
	if s.DataDir != "" {
		parts = append(parts, "data in "+s.DataDir)
	}
	if o.Hint != "" {
		parts = append(parts, o.Hint)
	}
	return " " + strings.Join(parts, " · ")
}

// of is "9 peerings", or "3 of 9 peerings" while some are missing.
func of(n, all int, one, many string) string {
	if n == all {
		return count(n, one, many)
	}
	return fmt.Sprintf("%d of %s", n, count(all, one, many))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// align puts rows into columns.
func align(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		var b strings.Builder
		b.WriteByte(' ')
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		lines = append(lines, b.String())
	}
	return lines
}

// cut shortens a line to a width.
func cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}

const (
	bold  = "\x1b[1m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

// paint colours a line of the table: the header, the word in the second
// column, what is missing.
func paint(line string, i, rows int) string {
	switch {
	case i == 0:
		return bold + line + plain
	case i > rows:
		return red + line + plain
	case i == rows:
		return line
	}
	for _, mark := range []struct{ word, color string }{{" yes ", green}, {" no ", red}, {" unknown ", red}} {
		if before, after, ok := strings.Cut(line, mark.word); ok {
			return before + mark.color + mark.word + plain + after
		}
	}
	return line
}

// Ready reports whether every condition of the state holds, and there is at
// least one object.
func (s State) Ready() bool {
	some := len(s.Verdict.Nodes)+len(s.Verdict.Peerings)+len(s.Verdict.Stores) > 0
	return some && len(s.Missing()) == 0
}
