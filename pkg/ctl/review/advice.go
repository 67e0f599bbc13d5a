// SPDX-License-Identifier: Apache-2.0

package review

import (
	"strings"
	"sync"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/docs"
	"github.com/brokermesh/brokermesh/pkg/lint"
)

// reason is a row of the page about conditions.
type reason struct{ meaning, helps string }

// reasons are all rows of the page about conditions.
var reasons = sync.OnceValue(func() map[string]reason {
	out := make(map[string]reason)
	for line := range strings.Lines(docs.Conditions) {
		cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), " | ")
		name, ok := strings.CutPrefix(cells[0], "| `")
		if ok && len(cells) == 3 {
			out[strings.TrimSuffix(name, "`")] = reason{plain(cells[1]), plain(cells[2])}
		}
	}
	return out
})

// plain is the text of a cell.
func plain(cell string) string { return strings.TrimSpace(strings.ReplaceAll(cell, `\|`, "|")) }

// meaning is what a reason means.
func meaning(r v1alpha1.Reason) string { return reasons()[string(r)].meaning }

// advice says what to do about a reason: by the page about conditions, or what lint says of a finding that no condition shows.
func advice(r v1alpha1.Reason) string {
	if words := reasons()[string(r)].helps; words != "" {
		return words
	}
	if row, ok := lint.Lookup(r); ok {
		return row.Do
	}
	return ""
}
