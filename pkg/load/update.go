// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// Update is an object as it was and as it would be: pointers to two of the same kind and name.
type Update struct {
	Kind, Name string
	Was, Now   any
}

// CheckUpdates returns what the API server would refuse of changes because of what the objects were before: what can't change, or not in
// that direction. What is wrong with an object whatever it was before is not looked at.
func CheckUpdates(updates []Update) ([]Problem, error) {
	var out []Problem
	for _, u := range updates {
		s, err := schemas[u.Kind]()
		if err != nil {
			return nil, err
		}
		was, err := completed(s, u.Was)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", u.Kind, u.Name, err)
		}
		now, err := completed(s, u.Now)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", u.Kind, u.Name, err)
		}
		anyway := make(map[string]bool)
		ctx := context.Background()
		alone, _ := s.cel.Validate(ctx, nil, s.structural, now, nil, celconfig.RuntimeCELCostBudget)
		for _, e := range alone {
			anyway[e.Error()] = true
		}
		errs, _ := s.cel.Validate(ctx, nil, s.structural, now, was, celconfig.RuntimeCELCostBudget)
		for _, e := range errs {
			if !anyway[e.Error()] {
				out = append(out, Problem{Kind: u.Kind, Name: u.Name, Field: fieldOf(e), Message: describe(e)})
			}
		}
	}
	return out, nil
}

// completed is an object as the API server has it, with its status.
func completed(s *kindSchema, object any) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	status := content["status"]
	if _, errs := s.complete(content); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	content["status"] = status
	return content, nil
}
