// SPDX-License-Identifier: Apache-2.0

// Gendocs writes the page about conditions and their reasons, and the one about findings. What a reason means is the comment of its
// constant in api/v1alpha1; which condition can have it is told by pkg/evidence; the findings are the table of pkg/lint. Run it from
// the root of the repository:
//
//	go run ./hack/gendocs -o docs/conditions.md -lint docs/lint.md
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/evidence"
)

func main() {
	source := flag.String("source", "api/v1alpha1/conditions.go", "Go file with the constants")
	out := flag.String("o", "docs/conditions.md", "page to write")
	findings := flag.String("lint", "docs/lint.md", "page about findings to write")
	flag.Parse()
	err := run(*source, *out)
	if err == nil {
		err = runLint(*findings)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func run(source, out string) error {
	meanings, err := readMeanings(source)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := writePage(&page, meanings, evidence.Reasons()); err != nil {
		return err
	}
	return os.WriteFile(out, page.Bytes(), 0o644)
}

// meaning is what the comment of a constant says.
type meaning struct {
	value, text string
	helps       string // what to do about a reason that isn't what a healthy mesh shows
	reason      bool   // else a condition type
}

// readMeanings finds the constants named Reason… and Condition…, by value.
func readMeanings(file string) (map[string]meaning, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("read the constants: %w", err)
	}
	found := make(map[string]meaning)
	for _, decl := range parsed.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			m, err := readConstant(spec.(*ast.ValueSpec))
			if err != nil {
				return nil, err
			}
			found[m.value] = m
		}
	}
	return found, nil
}

// whatHelps begins the part of a comment that says what to do.
const whatHelps = "What helps: "

// well are reasons that ask for nothing.
var well = []string{"AllReady", "AllSynced", "Applied", "BackupTaken", "BothEndsAgree", "Listening", "NothingDropped", "OneSided", "Restored", "ScaledToZero", "SeenByPeers", "Serving"}

func readConstant(spec *ast.ValueSpec) (meaning, error) {
	name := spec.Names[0].Name
	if len(spec.Values) != 1 {
		return meaning{}, fmt.Errorf("%s has no value of its own", name)
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return meaning{}, fmt.Errorf("%s is not a string", name)
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return meaning{}, fmt.Errorf("%s: %w", name, err)
	}
	text := strings.Join(strings.Fields(spec.Doc.Text()), " ")
	if text = strings.TrimLeft(strings.TrimPrefix(text, name), ": "); text == "" {
		return meaning{}, fmt.Errorf("%s has no comment", name)
	}
	if !strings.HasPrefix(text, "says ") && !strings.HasPrefix(text, "is ") { // those go on after the condition's name
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	text, helps, _ := strings.Cut(text, " "+whatHelps)
	return meaning{value: value, text: text, helps: helps, reason: strings.HasPrefix(name, "Reason")}, nil
}

const intro = `<!-- Made by hack/gendocs from the comments of the constants. Don't edit. -->

# Conditions and their reasons

A condition says what the nodes of a mesh report, not what is hoped for. ` + "`kubectl get`" + ` shows it in a cluster, ` + "`brokerctl up`" + `
on a laptop, by the same code. Its status is Unknown when nothing was heard of a node for 30 seconds. The lists below are complete: the
first reason is what a healthy mesh shows, then the worst come first. ` + "`brokerctl explain KIND/NAME`" + ` shows what a condition rests on.
`

// writePage writes a section for each kind, with a table for each condition. A reason that nobody gives is an error.
func writePage(w io.Writer, meanings map[string]meaning, conditions []evidence.ConditionReasons) error {
	fmt.Fprint(w, intro)
	kind, used := "", make(map[string]bool)
	for _, c := range conditions {
		if c.Kind != kind {
			kind = c.Kind
			fmt.Fprintf(w, "\n## %s\n", kind)
		}
		about, ok := meanings[c.Type]
		if !ok {
			return fmt.Errorf("condition %s has no constant", c.Type)
		}
		fmt.Fprintf(w, "\n### %s\n\n`%s` %s\n\n| reason | meaning | what helps |\n|---|---|---|\n", c.Type, c.Type, about.text)
		for _, r := range c.Reasons {
			m, ok := meanings[string(r)]
			if !ok {
				return fmt.Errorf("reason %s has no constant", r)
			}
			used[m.value] = true
			if (m.helps == "") != slices.Contains(well, m.value) {
				return fmt.Errorf("the comment of reason %s has to say %q, unless the reason asks for nothing", r, whatHelps)
			}
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", r, cell(m.text), cell(m.helps))
		}
	}
	for _, m := range meanings {
		if m.reason && !used[m.value] {
			return fmt.Errorf("no condition ever has the reason %s", m.value)
		}
	}
	return nil
}
