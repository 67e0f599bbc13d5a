// SPDX-License-Identifier: Apache-2.0

package review

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// WriteJSON writes the explanation for programs.
func (x Explanation) WriteJSON(w io.Writer) error { return writeJSON(w, x) }

// WriteText writes the explanation for people.
func (x Explanation) WriteText(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(object(x.Kind, x.Name) + "\n")
	list(&b, "", x.Facts)
	section(&b, "conditions", len(x.Conditions))
	for i, c := range x.Conditions {
		if same := slices.IndexFunc(x.Conditions[:i], func(d Condition) bool { d.Type = c.Type; return d == c }); same >= 0 {
			fmt.Fprintf(&b, "  %s is %s: as %s\n", c.Type, c.Status, x.Conditions[same].Type)
			continue
		}
		fmt.Fprintf(&b, "  %s is %s: %s", c.Type, c.Status, c.Reason)
		if c.Message != "" {
			b.WriteString(": " + c.Message)
		}
		b.WriteByte('\n')
		if c.Meaning != "" {
			fmt.Fprintf(&b, "      means: %s\n", c.Meaning)
		}
		if c.Next != "" {
			fmt.Fprintf(&b, "      next:  %s\n", c.Next)
		}
	}
	list(&b, "what is reported", x.Evidence)
	section(&b, "what it rests on", len(x.Related))
	for _, r := range x.Related {
		fmt.Fprintf(&b, "  %s: %s\n", r.Object, r.State)
	}
	section(&b, "findings", len(x.Findings))
	for _, f := range x.Findings {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	list(&b, "note", x.Notes)
	_, err := w.Write(b.Bytes())
	return err
}

func list(b *bytes.Buffer, title string, lines []string) {
	if title != "" {
		section(b, title, len(lines))
	}
	for _, line := range lines {
		fmt.Fprintf(b, "  %s\n", line)
	}
}
