// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// statDocument is what stat prints as JSON.
type statDocument struct {
	Store   string           `json:"store,omitempty"`
	File    string           `json:"file,omitempty"`
	Masters []reportDocument `json:"masters"`
	Clones  []reportDocument `json:"clones"`
}

// Stat prints how the master of a store and its clones are.
func Stat(ctx context.Context, o Options) error {
	return o.with(ctx, func(t *target) error {
		doc := statDocument{Store: o.Name, File: o.File, Clones: []reportDocument{}}
		add := func(to *[]reportDocument, r store.Report) {
			*to = append(*to, reportDocument{ID: r.ID.String(), Node: t.names[r.ID.Endpoint], Report: r})
		}
		switch {
		case t.remote != nil:
			t.askNames(ctx)
			masters, err := t.remote.Masters(ctx, min(o.Timeout, time.Second), 0)
			if err != nil {
				return fmt.Errorf("stat: %w", err)
			}
			expected := 0
			for _, r := range masters {
				expected += r.Clones
				add(&doc.Masters, r)
			}
			clones, err := t.remote.Clones(ctx, gatherTime(o), max(expected, 1))
			if err != nil {
				return fmt.Errorf("stat: %w", err)
			}
			for _, r := range clones {
				add(&doc.Clones, r)
			}
		case t.clone != nil:
			add(&doc.Clones, store.ReportOf(t.clone.Status(), data.EntityID{}))
		default:
			if _, err := t.Size(ctx); err != nil { // and it has read what it needs to know
				return fmt.Errorf("stat: %w", err)
			}
			add(&doc.Masters, store.ReportOf(t.master.Status(), data.EntityID{}))
		}
		if o.JSON {
			return writeJSON(o.Out, doc)
		}
		doc.print(o.Out)
		return nil
	})
}

// print shows a table of the frontends, then what is worth a line of its own.
func (d *statDocument) print(out io.Writer) {
	rows := [][]string{{"ROLE", "AT", "STATE", "SINCE", "NUMBER", "LAG", "AGE", "ENTRIES", "BYTES", "CLONES"}}
	for _, r := range d.Masters {
		rows = append(rows, []string{
			r.Role, at(r), r.State, ago(r.For), number(r.Number), "-", "-", number(r.Entries), number(r.Bytes), strconv.Itoa(r.Clones),
		})
	}
	for _, r := range d.Clones {
		rows = append(rows, []string{
			r.Role, at(r), r.State, ago(r.For), number(r.Number), number(r.Lag), age(r.Age), number(r.Entries), number(r.Bytes), "-",
		})
	}
	printTable(out, rows)
	for _, r := range append(append([]reportDocument{}, d.Masters...), d.Clones...) {
		for _, line := range remarksOf(r.Report) {
			fmt.Fprintf(out, " %s at %s: %s\n", r.Role, at(r), line)
		}
	}
	if len(d.Masters) > 1 {
		fmt.Fprintf(out, " there are %d masters of this name\n", len(d.Masters))
	}
}

// at is where a frontend is.
func at(r reportDocument) string {
	if r.Report.ID.IsZero() {
		return "here"
	}
	if r.Node != "" {
		return r.Node
	}
	return r.Report.ID.Endpoint.String()
}

// remarksOf are what is not usual about a frontend, and its history.
func remarksOf(r store.Report) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if r.History != "" {
		add("history %s, epoch %d", r.History, r.Epoch)
	}
	if r.Error != "" {
		add("%s", table.Plain(r.Error))
	}
	if r.Conflict != "" {
		add("another master: %s", table.Plain(r.Conflict))
	}
	if r.NewHistory != "" {
		add("its master shows a new history %s, which nobody has confirmed yet", table.Plain(r.NewHistory))
	}
	if len(r.Stranded) > 0 {
		add("%s of C++ Broker will not follow any more: %v", table.Count(len(r.Stranded), "clone", "clones"), r.Stranded)
	}
	if r.WritesWaiting > 0 || r.WritesUnknown > 0 {
		add("%d writes wait, the outcome of %d is unknown", r.WritesWaiting, r.WritesUnknown)
	}
	return lines
}

func number[T int64 | uint64](n T) string { return fmt.Sprint(n) }

// ago is a time span in the largest units that matter.
func ago(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return d.Round(time.Second).String()
}

// age is how old a content may be.
func age(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
}
