// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// nodeMissing is the finding for a reference to a BrokerNode that isn't there; nil if it is.
func (c *compiler) nodeMissing(kind, name, field, node string) *Finding {
	if c.nodes[node] != nil {
		return nil
	}
	return c.find(Finding{Kind: kind, Name: name, Field: field, Reason: v1alpha1.ReasonNodeMissing, Message: c.missing(node)})
}

// missing says that there is no such node, and which one was probably meant.
func (c *compiler) missing(node string) string {
	message := fmt.Sprintf("no BrokerNode %q in this namespace", node)
	if near := nearest(node, c.names); near != "" {
		message += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return message
}

// nearest is the name that was probably meant: at most a third of the letters differ. Of several it is the first.
func nearest(name string, names []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap with their neighbour to make one name of the other.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
