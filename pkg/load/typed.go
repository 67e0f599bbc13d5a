// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// parsedField finds fields whose Go types parse their text. Durations refuse what the schema refuses; quantities do too, but may
// take hours over it (1e9999999999), so text at fault must never reach them.
var parsedField = regexp.MustCompile(`^.*?\b(?:retryInterval|staleAfter|size|limits|requests)\b`)

// repair removes the values at fault that could not be decoded, so that the rest can be looked at.
func repair(content map[string]any, errs field.ErrorList) {
	for _, e := range errs {
		if path := parsedField.FindString(e.Field); path != "" {
			remove(content, path)
		} else if e.Type == field.ErrorTypeTypeInvalid {
			remove(content, e.Field)
		}
	}
}

// remove takes the field at path out of content, if it is there.
func remove(content map[string]any, path string) {
	names := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	var at any = content
	for i, name := range names {
		switch v := at.(type) {
		case map[string]any:
			if i == len(names)-1 {
				delete(v, name)
				return
			}
			at = v[name]
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(v) {
				return
			}
			at = v[n]
		default:
			return
		}
	}
}

// add appends the typed object to its list. Peerings and stores that aren't sound are left out: what they would be said to miss
// was reported already. Nodes always stay, because others refer to them.
func (l *Loaded) add(r *decoded) error {
	switch {
	case r.kind == "BrokerNode":
		return appendTyped(&l.Nodes, r, l.Namespace)
	case r.kind == "Peering" && r.sound:
		return appendTyped(&l.Peerings, r, l.Namespace)
	case r.kind == "DataStore" && r.sound:
		return appendTyped(&l.Stores, r, l.Namespace)
	case r.kind == "BrokerMesh" && r.sound:
		return appendTyped(&l.Meshes, r, l.Namespace)
	}
	return nil
}

// appendTyped decodes the completed object into its Go type. One at fault that still can't be decoded keeps its name only.
func appendTyped[T any](list *[]T, r *decoded, namespace string) error {
	u := unstructured.Unstructured{Object: r.content}
	u.SetNamespace(namespace)
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &typed); err != nil {
		if !r.faulty {
			return fmt.Errorf("not a %s: %w", r.kind, err)
		}
		u = unstructured.Unstructured{Object: map[string]any{}}
		u.SetAPIVersion(v1alpha1.GroupVersion.String())
		u.SetKind(r.kind)
		u.SetName(r.name)
		u.SetNamespace(namespace)
		typed = *new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &typed); err != nil {
			return fmt.Errorf("not a %s: %w", r.kind, err)
		}
	}
	*list = append(*list, typed)
	return nil
}
