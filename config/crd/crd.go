// SPDX-License-Identifier: Apache-2.0

// Package crd carries the CustomResourceDefinitions of brokermesh.dev, so that programs validate manifests by the very
// schemas that a cluster has installed. The files in bases are generated from the markers in api/v1alpha1.
package crd

import (
	"embed"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// Files holds the definitions as they are applied to a cluster, under bases.
//
//go:embed bases/*.yaml
var Files embed.FS

// All returns the definitions, sorted by name. The caller owns them.
func All() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	entries, err := Files.ReadDir("bases")
	if err != nil {
		return nil, fmt.Errorf("list embedded definitions: %w", err)
	}
	crds := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(entries))
	for _, e := range entries {
		b, err := Files.ReadFile("bases/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read embedded definition: %w", err)
		}
		d := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(b, d); err != nil {
			return nil, fmt.Errorf("decode embedded definition %s: %w", e.Name(), err)
		}
		crds = append(crds, d)
	}
	return crds, nil
}
