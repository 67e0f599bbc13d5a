// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	schemaobjectmeta "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/meta"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/config/crd"
)

// kinds are the kinds that a mesh is made of, in the order in which messages name them.
var kinds = []string{"BrokerNode", "Peering", "DataStore", "BrokerMesh"}

// schemas holds a kind's compiled definition, made when the first object of the kind comes: CEL programs are costly.
var schemas = func() map[string]func() (*kindSchema, error) {
	m := map[string]func() (*kindSchema, error){}
	for _, kind := range kinds {
		m[kind] = sync.OnceValues(func() (*kindSchema, error) { return compile(kind) })
	}
	return m
}()

// kindSchema is what the API server makes of a definition. It is immutable, and safe for concurrent use.
type kindSchema struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	cel        *cel.Validator
}

func compile(kind string) (*kindSchema, error) {
	crds, err := crd.All()
	if err != nil {
		return nil, err
	}
	for _, d := range crds {
		if d.Spec.Names.Kind != kind {
			continue
		}
		for _, v := range d.Spec.Versions {
			if v.Name == v1alpha1.GroupVersion.Version {
				return compileSchema(v.Schema.OpenAPIV3Schema)
			}
		}
	}
	return nil, fmt.Errorf("no definition of %s %s is embedded", v1alpha1.GroupVersion, kind)
}

func compileSchema(props *apiextensionsv1.JSONSchemaProps) (*kindSchema, error) {
	var in apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, &in, nil); err != nil {
		return nil, fmt.Errorf("convert schema: %w", err)
	}
	s := &kindSchema{}
	var err error
	if s.structural, err = structuralschema.NewStructural(&in); err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	if s.validator, _, err = validation.NewSchemaValidator(&in); err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	s.cel = cel.NewValidator(s.structural, true, celconfig.PerCallLimit)
	return s, nil
}

// complete does what the API server does with a new object before it validates it: defaults are filled in, what the schema
// doesn't know is removed and returned as paths, and so is the status. It changes content.
func (s *kindSchema) complete(content map[string]any) (unknown []string, errs field.ErrorList) {
	defaulting.Default(content, s.structural)
	objectMeta, found, unknown, err := schemaobjectmeta.GetObjectMetaWithOptions(content,
		schemaobjectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return nil, field.ErrorList{asFieldError(err)}
	}
	unknown = append(unknown, pruning.PruneWithOptions(content, s.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	defaulting.PruneNonNullableNullsWithoutDefaults(content, s.structural)
	if found {
		if err := schemaobjectmeta.SetObjectMeta(content, objectMeta); err != nil {
			return unknown, field.ErrorList{asFieldError(err)}
		}
	}
	delete(content, "status")
	return unknown, nil
}

func asFieldError(err error) *field.Error {
	var fe *field.Error
	if errors.As(err, &fe) {
		return fe
	}
	return field.Invalid(field.NewPath("metadata"), field.OmitValueType{}, err.Error())
}

// validate returns everything that the API server finds wrong with a completed object.
func (s *kindSchema) validate(ctx context.Context, content map[string]any) field.ErrorList {
	accessor, err := meta.Accessor(&unstructured.Unstructured{Object: content})
	if err != nil {
		return field.ErrorList{asFieldError(err)}
	}
	errs := metavalidation.ValidateObjectMetaAccessor(accessor, true, metavalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	errs = append(errs, validation.ValidateCustomResource(nil, content, s.validator)...)
	errs = append(errs, schemaobjectmeta.Validate(ctx, nil, content, s.structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, content)...)
	return append(errs, s.validateRules(ctx, content, errs)...)
}

// validateRules runs the CEL rules. The API server leaves them out as soon as the schema has found one thing of several kinds;
// here they are left out only where a rule could miss what it looks at, so that one run shows as much as possible.
func (s *kindSchema) validateRules(ctx context.Context, content map[string]any, found field.ErrorList) field.ErrorList {
	blocked := map[string]bool{} // fields of which the API server would look no further
	for _, e := range found {
		switch e.Type {
		case field.ErrorTypeRequired, field.ErrorTypeTypeInvalid:
			return nil
		case field.ErrorTypeNotSupported, field.ErrorTypeTooLong, field.ErrorTypeTooMany:
			blocked[e.Field] = true
		}
	}
	errs, _ := s.cel.Validate(ctx, nil, s.structural, content, nil, celconfig.RuntimeCELCostBudget)
	if len(blocked) == 0 {
		return errs
	}
	return slices.DeleteFunc(errs, func(e *field.Error) bool {
		return blocked[e.Field] || strings.Contains(e.Detail, "evaluating rule:") // what was found before may be why it couldn't be
	})
}
