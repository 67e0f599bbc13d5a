// SPDX-License-Identifier: Apache-2.0

package inspect

import "unicode/utf8"

// What a list in an answer may have: entries, and prefixes in all lists of
// prefixes together, each of so many bytes.
const (
	maxList     = 2000
	maxPrefixes = 20000
	maxPrefix   = 200
)

// bound shortens the lists of a report, and counts what is left out.
func (r *Report) bound() {
	r.Truncated += cut(&r.Peers) + cut(&r.Consumers) + cut(&r.Flows) + cut(&r.Mesh)
	left := maxPrefixes
	for i := range r.Peers {
		p := &r.Peers[i]
		p.LastErrorText = shorten(p.LastErrorText, maxReason)
		r.Truncated += prefixes(&p.Filter, &left)
	}
	for i := range r.Consumers {
		r.Truncated += prefixes(&r.Consumers[i].Prefixes, &left)
	}
	for i := range r.Flows {
		r.Truncated += prefixes(&r.Flows[i].Prefixes, &left)
	}
	leaves := maxList
	for i := range r.Mesh {
		n := &r.Mesh[i]
		r.Truncated += prefixes(&n.Wants, &left)
		if over := len(n.Leaves) - leaves; over > 0 {
			n.Leaves = n.Leaves[:leaves]
			r.Truncated += over
		}
		leaves -= len(n.Leaves)
		for j := range n.Leaves {
			r.Truncated += prefixes(&n.Leaves[j].Wants, &left)
		}
	}
}

// cut shortens a list, and answers by how much.
func cut[T any](list *[]T) int {
	over := len(*list) - maxList
	if over <= 0 {
		return 0
	}
	*list = (*list)[:maxList]
	return over
}

// prefixes takes a list of prefixes out of what is left for all, and answers
// how many it had to leave out. The list is changed in place.
func prefixes(list *[]string, left *int) int {
	over := max(0, len(*list)-*left)
	*list = (*list)[:len(*list)-over]
	*left -= len(*list)
	for i, p := range *list {
		(*list)[i] = shorten(p, maxPrefix)
	}
	return over
}

// shorten is text of at most n bytes; an ellipsis stands for the rest.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
