// SPDX-License-Identifier: Apache-2.0

package meshview

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
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
		rows = append(rows, s.rows(name, o)...)
	}
	lines := table.Align(rows)
	lines = append(lines, s.summary(o))
	for _, m := range s.Missing() {
		lines = append(lines, "   "+m)
	}
	for i := range lines {
		lines[i] = table.Cut(lines[i], o.Width)
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

// rows are one for a node with one pod. Several have a row each, below one for the node.
func (s State) rows(name string, o TableOptions) [][]string {
	status := s.Verdict.Nodes[name]
	word, _ := ready(status.Conditions)
	if len(status.Pods) == 1 || len(status.Pods) == 0 && status.Replicas != nil && *status.Replicas > 0 || status.Selector == "" {
		pod, _ := s.pod(name)
		return [][]string{s.row(name, word, status.Peers, pod, o)}
	}
	whole := []string{name, word, table.Count(len(status.Pods), "pod", "pods")}
	if s.anyWebSocket() {
		whole = append(whole, "")
	}
	whole = append(whole, table.Dash(status.Peers))
	if o.Rates != nil {
		whole = append(whole, "")
	}
	rows := [][]string{append(whole, "")}
	for _, p := range status.Pods {
		rows = append(rows, s.row("  "+p.Name, "", "", s.Statuses[p.Name], o))
	}
	return rows
}

func (s State) row(name, word, peers string, pod statusapi.Status, o TableOptions) []string {
	cells := []string{name, word, table.Dash(listener(pod, "broker"))}
	if s.anyWebSocket() {
		cells = append(cells, table.Dash(listener(pod, "websocket")))
	}
	if word != "" {
		peers = table.Dash(peers)
	}
	cells = append(cells, peers)
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
	return table.Dash(strings.Join(words, ", "))
}

func storeWords(t statusapi.Store) string {
	if t.Role == statusapi.RoleMaster {
		if t.State != statusapi.StoreServing {
			return "master, " + t.Backend + ", " + strings.ToLower(t.State)
		}
		return fmt.Sprintf("master, %s, %s", t.Backend, table.Count(int(t.Entries), "entry", "entries"))
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
		return table.Count(n, one, many)
	}
	return fmt.Sprintf("%d of %s", n, table.Count(all, one, many))
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
// least one object. Who runs elsewhere may come later: nodes without pods, and
// the peerings that begin at them, aren't waited for.
func (s State) Ready() bool {
	some := len(s.Verdict.Nodes)+len(s.Verdict.Peerings)+len(s.Verdict.Stores) > 0
	return some && !slices.ContainsFunc(s.conditions(), func(c condition) bool { return !c.holds() && !s.elsewhere(c) })
}

// elsewhere tells whether a condition is up to somebody outside alone.
func (s State) elsewhere(c condition) bool {
	kind, name, _ := strings.Cut(c.object, "/")
	if kind == "peering" {
		name = s.Verdict.Peerings[name].From
	} else if kind != "brokernode" || c.Type != v1alpha1.ConditionReady {
		return false
	}
	return slices.ContainsFunc(s.Verdict.Nodes[name].Conditions, func(c metav1.Condition) bool {
		return c.Reason == string(v1alpha1.ReasonRunsElsewhere)
	})
}
