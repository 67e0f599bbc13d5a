// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// schema is what a definition says of a field.
type schema = apiextensions.JSONSchemaProps

// page writes the table of a kind's spec or status.
type page struct {
	w          io.Writer
	kind, part string
	examples   bool // each field needs one
}

// elsewhere are fields that Kubernetes documents.
var elsewhere = map[string]string{
	"resources":        "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
	"imagePullSecrets": "https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/",
	"podTemplate":      "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/",
	"selector":         "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
	"conditions":       "conditions.md",
}

func (p page) section(s schema) error {
	fmt.Fprintf(p.w, "\n### %s.%s\n\n", p.kind, p.part)
	if text := line(s.Description); text != "" {
		fmt.Fprintf(p.w, "%s\n\n", text)
	}
	fmt.Fprintf(p.w, "| field | type | default | example | |\n|---|---|---|---|---|\n")
	return p.fields("", s)
}

// fields writes a row for each field of an object, and behind it those of what is in it. It names all that lack something.
func (p page) fields(prefix string, s schema) (faults error) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		field, path := s.Properties[name], prefix+name
		if field.Description == "" {
			faults = errors.Join(faults, fmt.Errorf("%s.%s.%s has no description", p.kind, p.part, path))
		}
		link, other := elsewhere[name]
		inner, bracket := field, ""
		if field.Items != nil && field.Items.Schema != nil {
			inner, bracket = *field.Items.Schema, "[]"
		}
		leaf := len(inner.Properties) == 0 || other
		if leaf && p.examples && !other && example(field) == "" {
			faults = errors.Join(faults, fmt.Errorf("%s.%s.%s has no example, no default and no list of values: give it a +kubebuilder:example", p.kind, p.part, path))
		}
		text := line(field.Description)
		if other {
			text += " [More](" + link + ")."
		}
		if words := allowed(inner); words != "" {
			text += " Allowed: " + words + "."
		}
		required := ""
		if slices.Contains(s.Required, name) && p.part == "spec" {
			required = ", required"
		}
		fmt.Fprintf(p.w, "| `%s` | %s%s | %s | %s | %s |\n", path+bracket, typeOf(field), required, quoted(field.Default), quoteText(example(field)), text)
		if !leaf {
			faults = errors.Join(faults, p.fields(path+bracket+".", inner))
		}
	}
	return faults
}

// typeOf is a field's type in a word.
func typeOf(s schema) string {
	switch {
	case s.XIntOrString:
		return "quantity"
	case s.Format == "date-time":
		return "time"
	case s.Type == "array" && s.Items != nil && s.Items.Schema != nil:
		return "list of " + typeOf(*s.Items.Schema) + "s"
	case s.Type == "object" && s.AdditionalProperties != nil:
		return "map"
	}
	return s.Type
}

// example is what the field may hold: its example, or the default, or the first of its values.
func example(s schema) string {
	switch {
	case s.Example != nil:
		return string(s.Example.Raw)
	case s.Default != nil && string(s.Default.Raw) != "{}":
		return string(s.Default.Raw)
	case len(s.Enum) > 0:
		return string(s.Enum[0].Raw)
	case s.Type == "boolean":
		return "true"
	case s.Items != nil && s.Items.Schema != nil && example(*s.Items.Schema) != "":
		return "[" + example(*s.Items.Schema) + "]"
	}
	return ""
}

func quoted(j *apiextensions.JSON) string {
	if j == nil {
		return ""
	}
	return quoteText(string(j.Raw))
}

func quoteText(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// allowed says in words what a schema demands, as far as the description doesn't have to.
func allowed(s schema) string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, strings.Trim(string(v.Raw), `"`))
		}
		add("%s", strings.Join(values, ", "))
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		add("%s to %s", number(*s.Minimum), number(*s.Maximum))
	case s.Minimum != nil:
		add("at least %s", number(*s.Minimum))
	case s.Maximum != nil:
		add("at most %s", number(*s.Maximum))
	}
	if s.MaxLength != nil && !s.XIntOrString {
		add("at most %d characters", *s.MaxLength)
	}
	if s.MaxItems != nil {
		add("at most %d", *s.MaxItems)
	}
	return strings.Join(words, "; ")
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
