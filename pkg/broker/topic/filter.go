// SPDX-License-Identifier: Apache-2.0

package topic

import (
	"slices"
	"strings"
)

// Filter is a set of prefixes in its smallest form: ascending by bytes, and no entry is a prefix of another. The zero Filter wants
// nothing. A Filter is never changed in place.
type Filter []string

// NewFilter makes a filter of any prefixes, in any order, with or without repetitions. It doesn't keep the argument.
func NewFilter(prefixes ...string) Filter {
	if len(prefixes) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(prefixes))
	out := sorted[:0]
	for _, p := range sorted {
		// A prefix sorts directly before everything that it covers, so looking at the last kept entry is enough.
		if len(out) == 0 || !strings.HasPrefix(p, out[len(out)-1]) {
			out = append(out, p)
		}
	}
	return Filter(slices.Clip(out))
}

// Union is the filter that wants what any of the filters wants.
func Union(filters ...Filter) Filter {
	var all []string
	for _, f := range filters {
		all = append(all, f...)
	}
	return NewFilter(all...)
}

// Public is the filter without the entries that stay on the endpoint or are internal: what peers are told.
func (f Filter) Public() Filter {
	out := make(Filter, 0, len(f))
	for _, p := range f {
		if !IsLocal(p) && !IsInternal(p) {
			out = append(out, p)
		}
	}
	return out
}

// Matches tells whether the filter wants a topic.
func (f Filter) Matches(topic string) bool {
	// The only entry that can be a prefix of the topic is the last one that doesn't sort after it: whatever sorts between a prefix
	// and the topic begins with that prefix too, and the smallest form has no such entry.
	i, found := slices.BinarySearch(f, topic)
	return found || i > 0 && strings.HasPrefix(topic, f[i-1])
}

// Equal tells whether two filters want the same.
func (f Filter) Equal(g Filter) bool { return slices.Equal(f, g) }
