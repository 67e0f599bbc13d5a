// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// rulesOf gives the rules of a role file as verbs by "group/resource".
func rulesOf(t *testing.T, file string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(b, &role); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	out := make(map[string][]string)
	for _, rule := range role.Rules {
		if len(rule.NonResourceURLs)+len(rule.ResourceNames) > 0 {
			t.Errorf("%s: a rule that the table has no room for: %+v", file, rule)
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				name := strings.TrimPrefix(group+"/"+resource, "/")
				out[name] = append(out[name], rule.Verbs...)
				slices.Sort(out[name])
			}
		}
	}
	return out
}

var rightsRow = regexp.MustCompile("(?m)^\\| `([a-z0-9./-]+)` \\| ([a-z, ]+) \\| (.+) \\|$")

// TestRightsAreListed compares what the manager may do with the table that gives the reasons, and with the role of the install that looks
// at one namespace.
func TestRightsAreListed(t *testing.T) {
	rules := rulesOf(t, "../config/rbac/role.yaml")
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]string)
	for _, row := range rightsRow.FindAllStringSubmatch(string(page), -1) {
		listed[row[1]] = row[2]
		if len(row[3]) < 10 {
			t.Errorf("%s: %q is no reason", row[1], row[3])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if want := strings.Join(rules[name], ", "); listed[name] != want {
			t.Errorf("docs/security.md, What the manager may do, needs a row with a reason: | `%s` | %s | …; it has %q", name, want, listed[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if rules[name] == nil {
			t.Errorf("docs/security.md lists %s, which the manager has no right to", name)
		}
	}
	if one := rulesOf(t, "../config/namespaced/role.yaml"); !reflect.DeepEqual(one, rules) {
		t.Errorf("config/namespaced/role.yaml isn't config/rbac/role.yaml as a Role: copy the rules")
	}
}

// TestRightsAreFew holds the role to what nobody should get by accident.
func TestRightsAreFew(t *testing.T) {
	for name, verbs := range rulesOf(t, "../config/rbac/role.yaml") {
		what := fmt.Sprintf("%s: %s", name, verbs)
		if strings.Contains(what, "*") || slices.Contains(verbs, "deletecollection") || slices.Contains(verbs, "impersonate") {
			t.Errorf("%s: too much", what)
		}
		for _, never := range []string{"pods/exec", "pods/portforward", "nodes", "namespaces", "rbac.authorization.k8s.io/", "serviceaccounts/token", "apiextensions.k8s.io/"} {
			if strings.HasPrefix(name, never) {
				t.Errorf("%s: a node or a mesh never needs that", what)
			}
		}
		if name == "secrets" && slices.Contains(verbs, "delete") {
			t.Errorf("%s: keys are never deleted, their owners are", what)
		}
	}
}

// TestNamespacedRights runs a manager that has rights in its own namespace only.
func TestNamespacedRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user = "system:serviceaccount:" + w.namespace + ":brokermesh-manager"
	for _, file := range []string{"../config/namespaced/role.yaml", "../config/namespaced/role_binding.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(strings.ReplaceAll(string(b), "brokermesh-system", w.namespace)), &o.Object); err != nil {
			t.Fatal(err)
		}
		w.create(&o)
	}
	w.start()
	w.triangle()
}
