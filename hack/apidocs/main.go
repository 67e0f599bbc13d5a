// SPDX-License-Identifier: Apache-2.0

// Apidocs writes the reference of the API from the definitions of its kinds: every field with its type, default, example and what is
// allowed. What a field means is its comment in api/v1alpha1, its example the marker +kubebuilder:example. Run it from the root of the
// repository, after `make manifests`:
//
//	go run ./hack/apidocs -o docs/api.md
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	source := flag.String("source", "config/crd/bases", "folder with the definitions")
	out := flag.String("o", "docs/api.md", "page to write")
	flag.Parse()
	if err := run(*source, *out); err != nil {
		fmt.Fprintln(os.Stderr, "apidocs:", err)
		os.Exit(1)
	}
}

func run(source, out string) error {
	kinds, err := read(source)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := write(&page, kinds); err != nil {
		return err
	}
	return os.WriteFile(out, page.Bytes(), 0o644)
}

// order is that of the page: from what a mesh is made of to what is made of it.
var order = []string{"BrokerMesh", "BrokerNode", "Peering", "DataStore"}

// read finds the definitions of a folder, in the page's order.
func read(folder string) ([]apiextensions.CustomResourceDefinition, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var kinds []apiextensions.CustomResourceDefinition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var kind apiextensions.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &kind); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !slices.Contains(order, kind.Spec.Names.Kind) {
			return nil, fmt.Errorf("%s: kind %s has no place on the page", file, kind.Spec.Names.Kind)
		}
		kinds = append(kinds, kind)
	}
	if len(kinds) == 0 {
		return nil, fmt.Errorf("%s holds no definitions", folder)
	}
	slices.SortFunc(kinds, func(a, b apiextensions.CustomResourceDefinition) int {
		return slices.Index(order, a.Spec.Names.Kind) - slices.Index(order, b.Spec.Names.Kind)
	})
	return kinds, nil
}

const intro = `<!-- Made by hack/apidocs from the definitions of the kinds. Don't edit. -->

# API reference

Every field of the API group ` + "`brokermesh.dev`" + `, as ` + "`kubectl explain`" + ` shows them too. Durations are written as ` + "`30s`" + ` or ` + "`1h30m`" + `, sizes as quantities such
as ` + "`64Mi`" + `. What a condition's reason means, and what to do about it, is said in [conditions](conditions.md).
`

// write writes the page. A field without a word about it is an error, and so is one of a spec that can be set and has no example.
func write(w io.Writer, kinds []apiextensions.CustomResourceDefinition) (faults error) {
	fmt.Fprint(w, intro)
	for _, kind := range kinds {
		names := kind.Spec.Names
		for _, version := range kind.Spec.Versions {
			schema := version.Schema.OpenAPIV3Schema
			fmt.Fprintf(w, "\n## %s\n\n%s\n\n`apiVersion: %s/%s`", names.Kind, line(schema.Description), kind.Spec.Group, version.Name)
			if len(names.ShortNames) > 0 {
				fmt.Fprintf(w, ", `kubectl get %s`", names.ShortNames[0])
			}
			fmt.Fprintln(w, ".")
			for _, part := range []string{"spec", "status"} {
				p := page{w: w, kind: names.Kind, part: part, examples: part == "spec"}
				faults = errors.Join(faults, p.section(schema.Properties[part]))
			}
		}
	}
	return faults
}

// line is a description in one line of a table.
func line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text)
}
