// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Problem is one finding about a manifest.
type Problem struct {
	// File and Line are the place; Line is 0 if the problem is the file as a whole.
	File string
	Line int
	// Kind and Name tell the object, as far as it has them.
	Kind, Name string
	// Field is the path at fault, such as spec.clones[1].node; empty if it is the object as a whole.
	Field string
	// Message says what was found and what is allowed.
	Message string

	order int // position of the file among all files read
}

// String returns the problem as one line: FILE:LINE: kind/name: field: message.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Kind != "" {
		b.WriteString(strings.ToLower(p.Kind))
		if p.Name != "" {
			b.WriteString("/" + p.Name)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// sortProblems puts problems in the order in which a reader of the files meets them.
func sortProblems(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line))
	})
}

// describe renders a validation error of the API server: its words without the repetition of the field's path, and an
// enum's values as a plain list.
func describe(e *field.Error) string {
	body := e.ErrorBody()
	switch e.Type {
	case field.ErrorTypeNotSupported:
		value, values, _ := strings.Cut(strings.TrimPrefix(body, "Unsupported value: "), ": supported values: ")
		return value + ": allowed: " + strings.ReplaceAll(values, `"`, "")
	case field.ErrorTypeTypeInvalid:
		body = e.Detail // the value that the body begins with is the name of a type, and in the detail already
	}
	body = strings.TrimPrefix(body, "Invalid value: ")
	return strings.ReplaceAll(body, e.Field+" in body ", "")
}

// fieldOf returns the path of a validation error, empty for the object as a whole.
func fieldOf(e *field.Error) string {
	if e.Field == "<nil>" {
		return ""
	}
	return e.Field
}
