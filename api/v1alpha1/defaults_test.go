// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/config/crd"
)

// What is left out comes back with its default.
func TestDefaults(t *testing.T) {
	create := func(c testCase, into client.Object) {
		t.Helper()
		u := c.unstructured(t)
		if err := api.Create(t.Context(), u, client.DryRunAll); err != nil {
			t.Fatal(err)
		}
		if err := api.Scheme().Convert(u, into, nil); err != nil {
			t.Fatal(err)
		}
	}
	var n v1alpha1.BrokerNode
	create(testCase{kind: "BrokerNode"}, &n)
	if s := n.Spec; s.Replicas == nil || *s.Replicas != 1 || s.Listen.Port != 9999 || s.WebSocket != nil || s.Forward != v1alpha1.ForwardMesh || s.TLS.Mode != v1alpha1.TLSMesh ||
		s.LogLevel != v1alpha1.LogInfo || s.Storage != nil || s.Image != "" {
		t.Errorf("BrokerNode: %+v", s)
	}
	create(testCase{kind: "BrokerNode", spec: "{webSocket: {}}"}, &n)
	if n.Spec.WebSocket == nil || n.Spec.WebSocket.Port != 9997 {
		t.Errorf("BrokerNode with a WebSocket port: %+v", n.Spec.WebSocket)
	}
	var p v1alpha1.Peering
	create(testCase{kind: "Peering", spec: "{from: {node: a}, to: {node: b}}"}, &p)
	if p.Spec.RetryInterval == nil || p.Spec.RetryInterval.Duration != 10*time.Second {
		t.Errorf("Peering: %+v", p.Spec)
	}
	var d v1alpha1.DataStore
	create(testCase{kind: "DataStore", spec: "{master: {node: a}}"}, &d)
	if d.Spec.Master.Backend != v1alpha1.BackendMemory || d.Spec.Master.SQLite != nil || d.Spec.StoreName != "" {
		t.Errorf("DataStore: %+v", d.Spec)
	}
	create(testCase{kind: "DataStore", spec: "{master: {node: a, backend: SQLite, sqlite: {}}, clones: [{node: b}]}"}, &d)
	if q := d.Spec.Master.SQLite; q.Synchronous != "Full" || q.JournalMode != "Delete" || d.Spec.Clones[0].StaleAfter != nil {
		t.Errorf("DataStore with SQLite: %+v, clone %+v", q, d.Spec.Clones[0])
	}
}

// `kubectl get` shows what the design says, and its short names work.
func TestNamesAndColumns(t *testing.T) {
	want := map[string]struct {
		short   string
		columns []string // those of -o wide in parentheses
	}{
		"BrokerNode": {"bn", []string{"Ready", "Replicas", "Peers", "Stores", "(Image)", "(Version)", "(Endpoint ID)", "Age"}},
		"Peering":    {"bp", []string{"From", "To", "Ready", "Reason", "Links", "Since", "Age"}},
		"BrokerMesh": {"bm", []string{"Ready", "Reason", "Nodes", "Peerings", "Workers", "Age"}},
		"DataStore":  {"bds", []string{"Store", "Master", "Backend", "Clones", "Ready", "Reason", "Age"}},
	}
	crds, err := crd.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(crds) != len(want) {
		t.Errorf("%d definitions", len(crds))
	}
	for _, d := range crds {
		w, names := want[d.Spec.Names.Kind], d.Spec.Names
		if len(names.ShortNames) != 1 || names.ShortNames[0] != w.short || d.Spec.Scope != apiextensionsv1.NamespaceScoped {
			t.Errorf("%s: short names %v, scope %s", names.Kind, names.ShortNames, d.Spec.Scope)
		}
		var columns []string
		for _, c := range d.Spec.Versions[0].AdditionalPrinterColumns {
			name := c.Name
			if c.Priority > 0 {
				name = "(" + name + ")"
			}
			columns = append(columns, name)
		}
		diff(t, names.Kind, columns, w.columns)
	}
}

// Every string, list and map that a user or the operator writes has a maximum. What Kubernetes' own types leave open is
// bounded by rules, which the cases of TestValidation try.
func TestEverythingIsBounded(t *testing.T) {
	open := map[string]bool{
		"spec.imagePullSecrets[].name": true, "spec.resources.claims": true, "spec.resources.claims[].name": true,
		"spec.resources.claims[].request": true, "spec.resources.limits": true, "spec.resources.requests": true,
		"spec.resources.limits[]": true, "spec.resources.requests[]": true,
	}
	crds, err := crd.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range crds {
		for _, part := range []string{"spec", "status"} {
			schema := d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties[part]
			for _, path := range unbounded(part, &schema) {
				if part := strings.SplitN(path, ".", 3); d.Spec.Names.Kind == "BrokerMesh" && len(part) == 3 {
					path = part[0] + "." + part[2] // of a role: it becomes a part of a BrokerNode, which has the rules
				}
				if !open[path] {
					t.Errorf("%s: %s has no maximum", d.Spec.Names.Kind, path)
				}
			}
		}
	}
}

// unbounded returns the paths of all strings, lists and maps without a maximum.
func unbounded(path string, s *apiextensionsv1.JSONSchemaProps) []string {
	var found []string
	text := s.Type == "string" || s.XIntOrString
	if text && s.MaxLength == nil && len(s.Enum) == 0 && s.Format != "date-time" {
		found = append(found, path)
	}
	if s.Items != nil {
		if s.MaxItems == nil {
			found = append(found, path)
		}
		found = append(found, unbounded(path+"[]", s.Items.Schema)...)
	}
	if s.AdditionalProperties != nil {
		if s.MaxProperties == nil {
			found = append(found, path)
		}
		found = append(found, unbounded(path+"[]", s.AdditionalProperties.Schema)...)
	}
	for name, p := range s.Properties {
		found = append(found, unbounded(path+"."+name, &p)...)
	}
	return found
}
