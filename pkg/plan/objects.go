// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Act is what becomes of an object, a node, a connection or a store.
type Act string

// The acts on objects.
const (
	Added   Act = "Added"
	Changed Act = "Changed"
	Removed Act = "Removed"
)

// ObjectChange is a change of one object.
type ObjectChange struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Act  Act    `json:"act"`
	// Fields are what changes of a Changed one.
	Fields []FieldChange `json:"fields,omitempty"`
}

// FieldChange is a field with its values as JSON; one that isn't set has none.
type FieldChange struct {
	Path string `json:"path"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

func objectChanges(before, after topology.Objects) []ObjectChange {
	list := diff(topology.KindBrokerNode, before.Nodes, after.Nodes, func(n *v1alpha1.BrokerNode) (*metav1.ObjectMeta, any) { return &n.ObjectMeta, n.Spec })
	list = append(list, diff(topology.KindPeering, before.Peerings, after.Peerings, func(p *v1alpha1.Peering) (*metav1.ObjectMeta, any) { return &p.ObjectMeta, p.Spec })...)
	list = append(list, diff(topology.KindBrokerMesh, before.Meshes, after.Meshes, func(m *v1alpha1.BrokerMesh) (*metav1.ObjectMeta, any) { return &m.ObjectMeta, m.Spec })...)
	return append(list, diff(topology.KindDataStore, before.Stores, after.Stores, func(s *v1alpha1.DataStore) (*metav1.ObjectMeta, any) { return &s.ObjectMeta, s.Spec })...)
}

// diff compares the specs, the labels and our own annotations of the objects of one kind.
func diff[T any](kind string, before, after []T, parts func(*T) (*metav1.ObjectMeta, any)) []ObjectChange {
	was, now := flatAll(before, parts), flatAll(after, parts)
	var out []ObjectChange
	for name, fields := range was {
		if now[name] == nil {
			out = append(out, ObjectChange{Kind: kind, Name: name, Act: Removed})
		} else if changes := fieldChanges(fields, now[name]); len(changes) > 0 {
			out = append(out, ObjectChange{Kind: kind, Name: name, Act: Changed, Fields: changes})
		}
	}
	for name := range now {
		if was[name] == nil {
			out = append(out, ObjectChange{Kind: kind, Name: name, Act: Added})
		}
	}
	slices.SortFunc(out, func(a, b ObjectChange) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// flatAll gives each object's fields by their paths.
func flatAll[T any](list []T, parts func(*T) (*metav1.ObjectMeta, any)) map[string]map[string]string {
	out := make(map[string]map[string]string, len(list))
	for i := range list {
		meta, spec := parts(&list[i])
		fields := make(map[string]string)
		for k, v := range meta.Labels {
			fields["metadata.labels["+k+"]"] = fmt.Sprintf("%q", v)
		}
		for k, v := range meta.Annotations {
			if strings.HasPrefix(k, v1alpha1.GroupVersion.Group+"/") {
				fields["metadata.annotations["+k+"]"] = fmt.Sprintf("%q", v)
			}
		}
		if b, err := json.Marshal(spec); err == nil { // plain types
			var v any
			if json.Unmarshal(b, &v) == nil {
				flatten("spec", v, fields)
			}
		}
		out[meta.Name] = fields
	}
	return out
}

// flatten goes down into objects, and into lists of them; other lists are values. An empty object is a value, too, unless it is the whole
// spec: that it is there can mean something.
func flatten(path string, v any, into map[string]string) {
	if m, ok := v.(map[string]any); ok && (len(m) > 0 || path == "spec") {
		for k, v := range m {
			flatten(path+"."+k, v, into)
		}
		return
	}
	if l, ok := v.([]any); ok && len(l) > 0 {
		if _, objects := l[0].(map[string]any); objects {
			for i, item := range l {
				flatten(fmt.Sprintf("%s[%d]", path, i), item, into)
			}
			return
		}
	}
	b, err := json.Marshal(v)
	if err == nil {
		into[path] = string(b)
	}
}

func fieldChanges(was, now map[string]string) []FieldChange {
	paths := maps.Clone(was)
	maps.Copy(paths, now)
	var out []FieldChange
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if was[path] != now[path] {
			out = append(out, FieldChange{Path: path, Old: was[path], New: now[path]})
		}
	}
	return out
}
