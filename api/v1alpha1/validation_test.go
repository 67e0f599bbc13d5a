// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/load"
)

// api is a client of a real API server that all tests of this package share.
var api client.Client

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, `these tests need an API server: KUBEBUILDER_ASSETS="$(hack/envtest/assets)" go test ./api/...`)
		return 1
	}
	env := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	defer env.Stop() //nolint:errcheck // the server is thrown away
	cfg, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if api, err = client.New(cfg, client.Options{Scheme: scheme}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// testCase is an object of which one thing is tried.
type testCase struct {
	name string
	kind string
	// object is the name of the object; "sample" if empty.
	object string
	// spec in YAML; no spec at all if empty.
	spec string
	// want are the findings, each "field: words"; none if the object is fine.
	want []string
}

func (c testCase) manifest() string {
	if c.object == "" {
		c.object = "sample"
	}
	text := fmt.Sprintf("apiVersion: brokermesh.dev/v1alpha1\nkind: %s\nmetadata: {name: %q}\n", c.kind, c.object)
	if c.spec != "" {
		text += "spec: " + c.spec + "\n"
	}
	return text
}

func (c testCase) unstructured(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(c.manifest()), &u.Object); err != nil {
		t.Fatalf("the case is no YAML: %v\n%s", err, c.manifest())
	}
	u.SetNamespace("default")
	return u
}

// Every case goes to the API server and through package load. Both must find what the case says, in the same words, and
// must make the same of what is fine.
func TestValidation(t *testing.T) {
	for _, c := range slices.Concat(nodeCases, externalCases, podCases, webSocketCases, queueCases, peeringCases, selectorCases, storeCases, meshCases) {
		t.Run(c.kind+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			u := c.unstructured(t)
			err := api.Create(t.Context(), u, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			diff(t, "API server", findings(t, err), c.want)
			loaded, problems := loadManifest(t, c.manifest())
			diff(t, "load", problems, c.want)
			if len(c.want) == 0 && err == nil {
				compare(t, u, loaded)
			}
		})
	}
}

// diff reports findings that differ; their order doesn't matter, nor does it that the API server may say a thing twice.
func diff(t *testing.T, who string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("%s found\n\t%s\nwant\n\t%s", who, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func loadManifest(t *testing.T, manifest string) (load.Loaded, []string) {
	t.Helper()
	l, problems, err := load.Read([]string{load.Stdin}, strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range problems {
		if p.Line == 0 || p.File == "" {
			t.Errorf("%v has no place", p)
		}
		message, _, _ := strings.Cut(p.Message, "; allowed: ")
		if message != "unknown field" { // the fields there are is more than the API server says
			message = p.Message
		}
		found = append(found, p.Field+": "+message)
	}
	return l, found
}

// compare checks that load's object is what the API server would store.
func compare(t *testing.T, u *unstructured.Unstructured, l load.Loaded) {
	t.Helper()
	spec := func(into any) any {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
			t.Errorf("what the API server takes can't be decoded: %v", err)
		}
		return reflect.ValueOf(into).Elem().FieldByName("Spec").Interface()
	}
	var got, want any
	switch u.GetKind() {
	case "BrokerNode":
		got, want = l.Nodes[0].Spec, spec(&v1alpha1.BrokerNode{})
	case "Peering":
		got, want = l.Peerings[0].Spec, spec(&v1alpha1.Peering{})
	case "DataStore":
		got, want = l.Stores[0].Spec, spec(&v1alpha1.DataStore{})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("load makes\n\t%+v\nthe API server\n\t%+v", got, want)
	}
}

// findings turns the API server's answer into the form of load's problems.
func findings(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		_, path, strict := strings.Cut(err.Error(), `strict decoding error: unknown field "`)
		if !strict {
			return []string{err.Error()}
		}
		return []string{strings.TrimSuffix(path, `"`) + ": unknown field"}
	}
	var found []string
	for _, cause := range status.Status().Details.Causes {
		if strings.Contains(cause.Message, "some validation rules were not checked") || strings.HasPrefix(cause.Field, ".spec.replicas") {
			continue // the second is what the scale subresource says of what the schema has refused
		}
		found = append(found, cause.Field+": "+words(cause))
	}
	return found
}

// words are a cause's message as load writes it: without the field's path, and an enum's values as a list.
func words(cause metav1.StatusCause) string {
	msg := strings.TrimPrefix(cause.Message, "Invalid value: ")
	if cause.Type == metav1.CauseTypeTypeInvalid {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	if cause.Type == metav1.CauseTypeFieldValueNotSupported {
		msg = strings.TrimPrefix(msg, "Unsupported value: ")
		value, values, _ := strings.Cut(msg, ": supported values: ")
		msg = value + ": allowed: " + strings.ReplaceAll(values, `"`, "")
	}
	return strings.ReplaceAll(msg, cause.Field+" in body ", "")
}

// list returns a YAML list of n items made of a format for their number.
func list(n int, format string) string {
	items := make([]string, n)
	for i := range n {
		items[i] = fmt.Sprintf(format, i)
	}
	return "[" + strings.Join(items, ", ") + "]"
}
