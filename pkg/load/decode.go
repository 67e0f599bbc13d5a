// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// decoded is an object that was completed and validated.
type decoded struct {
	*object
	kind, name, namespace string
	// faulty tells that validation found something; sound that nothing is missing or of a wrong type, so that who looks at
	// the rest isn't misled.
	faulty, sound bool
	// mesh is the BrokerMesh that the object was made of; empty if it was written.
	mesh string
}

// decoder validates objects and collects what is wrong with them.
type decoder struct {
	problems []Problem
	err      error // a definition that can't be compiled: our own fault
}

// decode completes and validates one object. It returns nil for what isn't part of a mesh, whether that is a problem or not.
func (d *decoder) decode(o *object) *decoded {
	r := &decoded{object: o}
	r.kind, _, _ = unstructured.NestedString(o.content, "kind")
	r.name, _, _ = unstructured.NestedString(o.content, "metadata", "name")
	for _, dup := range findRepeated(o.node, "") {
		d.add(r, dup.path, dup.line, fmt.Sprintf("set twice; first on line %d", o.offset+dup.first))
	}
	if !d.known(r) {
		return nil
	}
	return d.complete(r)
}

// complete fills in an object's defaults and validates it.
func (d *decoder) complete(r *decoded) *decoded {
	o := r.object
	s, err := schemas[r.kind]()
	if err != nil {
		d.err = err
		return nil
	}
	unknown, errs := s.complete(o.content)
	for _, path := range unknown {
		d.report(r, path, unknownField(s.structural, path))
	}
	r.namespace, _, _ = unstructured.NestedString(o.content, "metadata", "namespace")
	if len(errs) == 0 {
		if r.namespace == "" {
			(&unstructured.Unstructured{Object: o.content}).SetNamespace(DefaultNamespace)
		}
		errs = s.validate(context.Background(), o.content)
	}
	d.reportAll(r, errs)
	repair(o.content, errs)
	return r
}

// known tells whether the object is of a kind that this package reads, and reports it otherwise; Namespace objects are
// passed over in silence, because manifests often bring their namespace along.
func (d *decoder) known(r *decoded) bool {
	apiVersion, _, _ := unstructured.NestedString(r.content, "apiVersion")
	gv, err := schema.ParseGroupVersion(apiVersion)
	allowed := fmt.Sprintf("allowed: %s", v1alpha1.GroupVersion)
	switch {
	case apiVersion == "v1" && r.kind == "Namespace":
		return false
	case apiVersion == "":
		d.report(r, "apiVersion", "Required value; "+allowed)
		return false
	case err != nil || gv.Group == v1alpha1.GroupVersion.Group && gv != v1alpha1.GroupVersion:
		d.report(r, "apiVersion", fmt.Sprintf("%q: %s", apiVersion, allowed))
		return false
	}
	allowed = "allowed: " + strings.Join(kinds, ", ")
	switch {
	case r.kind == "":
		d.report(r, "kind", "Required value; "+allowed)
	case gv != v1alpha1.GroupVersion:
		d.report(r, "apiVersion", fmt.Sprintf("%q: not part of a mesh; allowed: %s with the kinds %s, and Namespace, which is skipped",
			apiVersion, v1alpha1.GroupVersion, strings.Join(kinds, ", ")))
	case !slices.Contains(kinds, r.kind):
		d.report(r, "kind", fmt.Sprintf("%q: %s%s", r.kind, allowed, didYouMean(r.kind, kinds)))
	default:
		return true
	}
	return false
}

// reportAll reports validation errors, and notes what they mean for the object as a whole.
func (d *decoder) reportAll(r *decoded, errs field.ErrorList) {
	r.faulty, r.sound = len(errs) > 0, true
	seen := map[string]bool{} // the API server says some things twice
	for _, e := range errs {
		if e.Type == field.ErrorTypeRequired || e.Type == field.ErrorTypeTypeInvalid {
			r.sound = false
		}
		if key := e.Error(); !seen[key] {
			seen[key] = true
			d.report(r, fieldOf(e), describe(e))
		}
	}
}

func (d *decoder) report(r *decoded, path, message string) {
	d.problems = append(d.problems, r.problem(path, message))
}

func (d *decoder) add(r *decoded, path string, line int, message string) {
	p := r.problem(path, message)
	p.Line = r.offset + line
	d.problems = append(d.problems, p)
}

func (r *decoded) problem(path, message string) Problem {
	return Problem{File: r.file, Line: r.line(path), Kind: r.kind, Name: r.name, Field: path, Message: message, order: r.order}
}

// unknownField says what is wrong with a field that the schema doesn't have.
func unknownField(s *structuralschema.Structural, path string) string {
	parent, name := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	var allowed []string
	if at := descend(s, parent); parent == "metadata" {
		allowed = []string{"annotations", "labels", "name", "namespace"} // what people write, of what there is
	} else if at != nil {
		allowed = slices.Collect(maps.Keys(at.Properties))
	}
	if parent == "" {
		allowed = slices.DeleteFunc(allowed, func(name string) bool { return name == "status" })
	}
	if len(allowed) == 0 {
		return "unknown field"
	}
	slices.Sort(allowed)
	return fmt.Sprintf("unknown field; allowed: %s%s", strings.Join(allowed, ", "), didYouMean(name, allowed))
}

// descend returns the schema at a path, nil if the path leads out of it.
func descend(s *structuralschema.Structural, path string) *structuralschema.Structural {
	if path == "" {
		return s
	}
	for name := range strings.SplitSeq(path, ".") {
		name, index, _ := strings.Cut(name, "[")
		next, ok := s.Properties[name]
		if !ok {
			return nil
		}
		s = &next
		if index != "" {
			if s = s.Items; s == nil {
				return nil
			}
		}
	}
	return s
}
