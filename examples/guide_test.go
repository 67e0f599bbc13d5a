// SPDX-License-Identifier: Apache-2.0

package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a block of code in a page, with the comment above it.
var block = regexp.MustCompile("(?s)<!-- (from|prints): (\\S+) -->\n```(?:go)?\n(.*?)```\n")

// TestGuide compares the code of the guide with the programs that it is taken
// from, and the outputs with those that the programs' tests have seen.
func TestGuide(t *testing.T) {
	root := ".."
	page, err := os.ReadFile(filepath.Join(root, "docs", "endpoint.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := block.FindAllStringSubmatch(string(page), -1)
	marked, fenced := len(blocks), strings.Count(string(page), "\n```\n")
	if marked < 15 || marked != fenced-strings.Count(string(page), " -->\n```\n") {
		t.Errorf("%d blocks are marked, of %d", marked, fenced)
	}
	for _, b := range blocks {
		kind, path, text := b[1], b[2], b[3]
		file := filepath.Join(root, path)
		if kind == "prints" {
			file = filepath.Join(file, "output.txt")
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if kind == "prints" && string(source) != text {
			t.Errorf("%s has\n%s\nthe guide has\n%s", file, source, text)
		}
		if kind == "from" {
			checkQuote(t, path, flat(string(source)), text)
		}
	}
}

// checkQuote looks for the parts of a quote, which lines with an ellipsis
// separate, one after the other.
func checkQuote(t *testing.T, path, source, quote string) {
	for part := range strings.SplitSeq(quote, "// …\n") {
		_, after, found := strings.Cut(source, flat(part))
		if !found {
			t.Errorf("%s has no such lines, or not in this order:\n%s", path, part)
			return
		}
		source = after
	}
}

// flat is code without indentation and empty lines.
func flat(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
