// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"strings"
)

// didYouMean returns a hint at the candidate that differs least from what was found, empty if none is near.
func didYouMean(found string, candidates []string) string {
	const longest = 64 // nobody misspells a longer name, and the effort grows with the square
	if len(found) > longest {
		return ""
	}
	best, least := "", 1+len(found)/3
	for _, c := range candidates {
		if d := distance(strings.ToLower(found), strings.ToLower(c)); d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is the Levenshtein distance of two strings in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
