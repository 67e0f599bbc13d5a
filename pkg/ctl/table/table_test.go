// SPDX-License-Identifier: Apache-2.0

package table

import (
	"slices"
	"testing"
)

func TestAlign(t *testing.T) {
	got := Align([][]string{{"A", "LONG", "C"}, {"äöü", "-"}, {"x", "y", "z", "more"}})
	want := []string{" A    LONG  C", " äöü  -", " x    y     z  more"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Align(nil); len(got) != 0 {
		t.Errorf("no rows: %q", got)
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		line  string
		width int
		want  string
	}{{"äöüx", 3, "äö…"}, {"äöü", 3, "äöü"}, {"abc", 0, "abc"}} {
		if got := Cut(tc.line, tc.width); got != tc.want {
			t.Errorf("%q to %d: %q, want %q", tc.line, tc.width, got, tc.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain é 漢": "plain é 漢", "a\nb": `a\nb`, "\x1b]0;x\x07": `\x1b]0;x\a`, "\xff\xfe": `\xff\xfe`, "a\u202eb": `a\u202eb`,
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{Count(1, "node", "nodes"): "1 node", Count(0, "node", "nodes"): "0 nodes", Dash(""): "-", Dash("x"): "x"} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
