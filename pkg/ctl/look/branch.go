// SPDX-License-Identifier: Apache-2.0

package look

// branch is a line of a tree with those below it.
type branch struct {
	text  string
	below []*branch
}

// lines draws the tree.
func (b *branch) lines() []string {
	out := []string{b.text}
	for i, child := range b.below {
		first, rest := "├─ ", "│  "
		if i == len(b.below)-1 {
			first, rest = "└─ ", "   "
		}
		for j, line := range child.lines() {
			if j == 0 {
				out = append(out, first+line)
			} else {
				out = append(out, rest+line)
			}
		}
	}
	return out
}
