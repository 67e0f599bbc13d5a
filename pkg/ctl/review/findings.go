// SPDX-License-Identifier: Apache-2.0

// Package review is what `brokerctl lint`, `plan` and `explain` say of a mesh:
// what is wrong with its objects, what a change of them would do, and why a
// condition is what it is. It renders; the judgements come from pkg/lint,
// pkg/plan and the conditions themselves.
package review

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/lint"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Invalid is the code of what an API server would refuse.
const Invalid = "Invalid"

// Finding is a finding as programs read it.
type Finding struct {
	Code     string            `json:"code"`
	Severity topology.Severity `json:"severity"`
	// File and Line are set for objects from files.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
	// Field is the path at fault.
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// String is the finding as one line: PLACE: SEVERITY CODE: kind/name: field: message.
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s %s: ", strings.ToLower(f.Severity.String()), f.Code)
	if f.Kind != "" {
		b.WriteString(object(f.Kind, f.Name) + ": ")
	}
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	return b.String() + f.Message
}

// object names an object as commands take it.
func object(kind, name string) string {
	if name == "" {
		return strings.ToLower(kind)
	}
	return strings.ToLower(kind) + "/" + name
}

// Findings are all of a mesh: what its manifests say wrongly, and what lint
// finds, in the order of the files, or the worst first.
func Findings(m meshobjects.Mesh) []Finding {
	var out []Finding
	for _, p := range m.Problems {
		out = append(out, Finding{Code: Invalid, File: p.File, Line: p.Line, Kind: p.Kind, Name: p.Name, Field: p.Field, Message: p.Message})
	}
	for _, p := range m.Place(lint.Check(m.Objects, m.Options())) {
		out = append(out, findingOf(p))
	}
	return out
}

func findingOf(p meshobjects.Placed) Finding {
	return Finding{Code: string(p.Reason), Severity: p.Severity, File: p.File, Line: p.Line,
		Kind: p.Kind, Name: p.Name, Field: p.Field, Message: p.Message}
}

// LintDocument is what `brokerctl lint -o json` writes.
type LintDocument struct {
	Findings []Finding `json:"findings"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Infos    int       `json:"infos"`
}

// LintOptions say what is shown.
type LintOptions struct {
	// Least is the least severe finding that is shown; all are counted.
	Least topology.Severity
	JSON  bool
	Out   io.Writer
}

// Lint shows the findings of a mesh. An error among them makes it fail.
func Lint(m meshobjects.Mesh, o LintOptions) error {
	d := LintDocument{Findings: []Finding{}}
	for _, f := range Findings(m) {
		switch f.Severity {
		case topology.Error:
			d.Errors++
		case topology.Warning:
			d.Warnings++
		default:
			d.Infos++
		}
		if f.Severity <= o.Least {
			d.Findings = append(d.Findings, f)
		}
	}
	if err := d.write(o); err != nil {
		return err
	}
	if d.Errors > 0 {
		return &ctl.Error{Code: ctl.ExitFailure}
	}
	return nil
}

func (d LintDocument) write(o LintOptions) error {
	if o.JSON {
		return writeJSON(o.Out, d)
	}
	var failures []error
	for _, f := range d.Findings {
		_, err := fmt.Fprintln(o.Out, f)
		failures = append(failures, err)
	}
	_, err := fmt.Fprintf(o.Out, "%s, %s, %s\n", meshobjects.Count(d.Errors, "error"), meshobjects.Count(d.Warnings, "warning"), meshobjects.Count(d.Infos, "info"))
	return errors.Join(append(failures, err)...)
}

// writeJSON writes a document for programs that people can read, too.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
