// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// printTable prints aligned rows.
func printTable(out io.Writer, rows [][]string) {
	for _, line := range table.Align(rows) {
		io.WriteString(out, strings.TrimRight(line, " ")+"\n")
	}
}

// reportDocument is a report with who sent it.
type reportDocument struct {
	ID   string `json:"id"`
	Node string `json:"node,omitempty"`
	store.Report
}

type comparisonDocument struct {
	Store  string          `json:"store"`
	Equal  bool            `json:"equal"`
	Master reportDocument  `json:"master"`
	Clones []cloneDocument `json:"clones"`
}

type cloneDocument struct {
	ID       string         `json:"id"`
	Node     string         `json:"node,omitempty"`
	Entries  int            `json:"entries"`
	Number   uint64         `json:"number"`
	Equal    bool           `json:"equal"`
	Differ   int            `json:"differ"`
	Unstable int            `json:"unstable,omitempty"`
	Error    string         `json:"error,omitempty"`
	Keys     []diffDocument `json:"keys,omitempty"`
}

type diffDocument struct {
	Key    json.RawMessage `json:"key"`
	In     string          `json:"in"`
	Master json.RawMessage `json:"master,omitempty"`
	Clone  json.RawMessage `json:"clone,omitempty"`
	Left   json.RawMessage `json:"left,omitempty"`
	Right  json.RawMessage `json:"right,omitempty"`
}

func (t *target) comparisonDocument(master store.Report, list []comparison, keys, values bool) comparisonDocument {
	doc := comparisonDocument{
		Store: t.o.Name, Equal: true, Master: reportDocument{ID: master.ID.String(), Node: t.names[master.ID.Endpoint], Report: master}, Clones: []cloneDocument{},
	}
	for i := range list {
		c := &list[i]
		d := cloneDocument{
			ID: c.clone.ID.String(), Node: t.names[c.clone.ID.Endpoint], Entries: c.entries, Number: c.number,
			Equal: c.err == nil && len(c.diffs) == 0 && c.unstable == 0, Differ: len(c.diffs), Unstable: c.unstable,
		}
		if c.err != nil {
			d.Error = c.err.Error()
		}
		for _, diff := range c.diffs {
			if !keys {
				break
			}
			d.Keys = append(d.Keys, diffOf(diff, values, "master", "clone"))
		}
		doc.Equal = doc.Equal && d.Equal
		doc.Clones = append(doc.Clones, d)
	}
	return doc
}

// diffOf is a difference between two sides, which have these names.
func diffOf(d keyDiff, values bool, left, right string) diffDocument {
	doc := diffDocument{Key: raw(d.key), In: "both"}
	if d.clone == nil {
		doc.In = left
	} else if d.master == nil {
		doc.In = right
	}
	if !values {
		return doc
	}
	for name, v := range map[string]*data.Value{left: d.master, right: d.clone} {
		switch {
		case v == nil:
		case name == "master":
			doc.Master = raw(*v)
		case name == "clone":
			doc.Clone = raw(*v)
		case name == "left":
			doc.Left = raw(*v)
		default:
			doc.Right = raw(*v)
		}
	}
	return doc
}
