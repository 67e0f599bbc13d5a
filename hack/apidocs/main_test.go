// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// kindOf is a definition with one field of the spec.
func kindOf(field schema) []apiextensions.CustomResourceDefinition {
	var kind apiextensions.CustomResourceDefinition
	kind.Spec.Group = "brokermesh.dev"
	kind.Spec.Names.Kind = "Peering"
	spec := schema{Type: "object", Properties: map[string]schema{
		"outer": {Type: "array", Description: "Outer.", Items: &apiextensions.JSONSchemaPropsOrArray{Schema: &schema{
			Type: "object", Required: []string{"field"}, Properties: map[string]schema{"field": field},
		}}},
	}}
	kind.Spec.Versions = []apiextensions.CustomResourceDefinitionVersion{{Name: "v1", Schema: &apiextensions.CustomResourceValidation{
		OpenAPIV3Schema: &schema{Properties: map[string]schema{"spec": spec}},
	}}}
	return []apiextensions.CustomResourceDefinition{kind}
}

func raw(text string) *apiextensions.JSON { return &apiextensions.JSON{Raw: []byte(text)} }

func TestFields(t *testing.T) {
	most := int64(9)
	for name, c := range map[string]struct {
		field schema
		want  string // a part of the page, or of the error
		fails bool
	}{
		"example": {
			schema{Type: "string", Description: "A | B\nof <it>.", Example: raw(`"x"`), MaxLength: &most},
			"| `outer[].field` | string, required |  | `\"x\"` | A \\| B of &lt;it>. Allowed: at most 9 characters. |", false,
		},
		"default":     {schema{Type: "integer", Description: "It.", Default: raw(`3`)}, "| `outer[].field` | integer, required | `3` | `3` | It. |", false},
		"values":      {schema{Type: "string", Description: "It.", Enum: []apiextensions.JSON{*raw(`"A"`), *raw(`"B"`)}}, "`\"A\"` | It. Allowed: A, B. |", false},
		"no example":  {schema{Type: "string", Description: "It."}, "Peering.spec.outer[].field has no example", true},
		"no describe": {schema{Type: "string", Example: raw(`"x"`)}, "Peering.spec.outer[].field has no description", true},
	} {
		t.Run(name, func(t *testing.T) {
			var page bytes.Buffer
			err := write(&page, kindOf(c.field))
			got := page.String()
			if c.fails {
				if err == nil {
					t.Fatal("no error")
				}
				got, err = err.Error(), nil
			}
			if err != nil || !strings.Contains(got, c.want) {
				t.Errorf("%s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

// TestCommitted: the definitions of this tree have all that the page needs.
func TestCommitted(t *testing.T) {
	kinds, err := read("../../config/crd/bases")
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := write(&page, kinds); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"## BrokerNode", "### DataStore.status", "| `clones[].staleAfter` |"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
}
