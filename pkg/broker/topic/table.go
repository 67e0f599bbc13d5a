// SPDX-License-Identifier: Apache-2.0

package topic

import (
	"slices"
	"strings"
)

// Entry is one prefix and who wants it.
type Entry[D any] struct {
	Prefix string
	Dest   D
}

// Table finds the destinations of a topic. It is immutable: whoever owns the entries makes a new table when they change, and any
// number of goroutines may read one.
//
// Entries are grouped by prefix. For a topic of n bytes only prefixes of at most n bytes can match, one for each length that occurs,
// so a look-up takes one probe for each distinct length, however many entries there are.
type Table[D any] struct {
	lengths []int
	byText  map[string][]D
}

// NewTable makes a table. A destination that appears with several prefixes of one topic is found once for each of them: give each
// destination a Filter, whose entries never overlap. Destinations of one prefix are found in the order of the entries.
func NewTable[D any](entries []Entry[D]) *Table[D] {
	t := &Table[D]{byText: make(map[string][]D, len(entries))}
	for _, e := range entries {
		if _, ok := t.byText[e.Prefix]; !ok {
			t.lengths = append(t.lengths, len(e.Prefix))
		}
		prefix := strings.Clone(e.Prefix)
		t.byText[prefix] = append(t.byText[prefix], e.Dest)
	}
	slices.Sort(t.lengths)
	t.lengths = slices.Compact(t.lengths)
	return t
}

// AppendMatches appends the destinations that want a topic, those of shorter prefixes first. It allocates only if dst is too small.
func (t *Table[D]) AppendMatches(dst []D, topic []byte) []D {
	for _, n := range t.lengths {
		if n > len(topic) {
			break
		}
		dst = append(dst, t.byText[string(topic[:n])]...)
	}
	return dst
}

// Empty tells whether nobody wants anything.
func (t *Table[D]) Empty() bool { return len(t.lengths) == 0 }
