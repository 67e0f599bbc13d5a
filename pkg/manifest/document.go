// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
)

// Document gives the fields that an object really sets, as a server-side apply sends them: without status, without nulls and without
// the empty values that Go's types write for fields that nobody set.
func Document(o runtime.Object) (map[string]any, error) {
	doc, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("convert object: %w", err)
	}
	delete(doc, "status")
	return prune(doc), nil
}

// meaningful are the fields whose empty value says something: an emptyDir without options is still an emptyDir, and an empty selector
// selects everything.
var meaningful = map[string]bool{"emptyDir": true, "labelSelector": true, "namespaceSelector": true}

func prune(m map[string]any) map[string]any {
	for key, v := range m {
		switch v := v.(type) {
		case nil:
			delete(m, key)
		case map[string]any:
			if key == "status" || len(prune(v)) == 0 && !meaningful[key] {
				delete(m, key)
			}
		case []any:
			if len(v) == 0 {
				delete(m, key)
			}
			for _, item := range v {
				if item, ok := item.(map[string]any); ok {
					prune(item)
				}
			}
		}
	}
	return m
}
