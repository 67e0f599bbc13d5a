// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func role(replicas int32) *v1alpha1.RoleSpec { return &v1alpha1.RoleSpec{Replicas: &replicas} }

func TestObjects(t *testing.T) {
	for name, c := range map[string]struct {
		spec v1alpha1.BrokerMeshSpec
		want string
	}{
		"manager alone": {v1alpha1.BrokerMeshSpec{}, "manager:1"},
		"workers":       {v1alpha1.BrokerMeshSpec{Workers: role(4)}, "manager:1 worker:4 worker-manager"},
		"all": {
			v1alpha1.BrokerMeshSpec{Loggers: role(1), Proxies: role(2), Workers: role(0)},
			"manager:1 logger:1 proxy:2 worker:0 manager-logger proxy-logger proxy-manager worker-logger worker-manager worker-proxy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha1.BrokerMesh{ObjectMeta: metav1.ObjectMeta{Name: "zeek", Namespace: "site", UID: "7"}, Spec: c.spec}
			nodes, peerings := Objects(m)
			var got []string
			for i := range nodes {
				n := &nodes[i]
				got = append(got, fmt.Sprintf("%s:%d", n.Name, *n.Spec.Replicas))
				if !Owned(n, m) || n.Namespace != "site" || n.Labels[v1alpha1.RoleLabel] != n.Name || n.Kind != "BrokerNode" {
					t.Errorf("%+v", n)
				}
			}
			for i := range peerings {
				p := &peerings[i]
				got = append(got, p.Name)
				if !Owned(p, m) || p.Name != p.Spec.From.Node+"-"+p.Spec.To.Node || p.Namespace != "site" || p.Kind != "Peering" {
					t.Errorf("%+v", p)
				}
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s\nwant %s", text, c.want)
			}
			other := m.DeepCopy()
			other.UID = "8"
			if Owned(&nodes[0], other) {
				t.Error("another mesh of the name owns the node too")
			}
		})
	}
}

// TestDefaults: a role's own field replaces the common one, whatever field it is, and what comes out is nobody else's.
func TestDefaults(t *testing.T) {
	common, own := v1alpha1.NodeDefaults{}, v1alpha1.NodeDefaults{}
	fill(reflect.ValueOf(&common).Elem(), "common")
	fill(reflect.ValueOf(&own).Elem(), "own")
	m := &v1alpha1.BrokerMesh{Spec: v1alpha1.BrokerMeshSpec{Defaults: common, Manager: own, Workers: role(1)}}
	before := m.DeepCopy()
	nodes, _ := Objects(m)
	for i, want := range []v1alpha1.NodeDefaults{own, common} {
		spec := reflect.ValueOf(nodes[i].Spec)
		wanted := reflect.ValueOf(want)
		for f := range wanted.NumField() {
			name := wanted.Type().Field(f).Name
			if got := spec.FieldByName(name); !reflect.DeepEqual(got.Interface(), wanted.Field(f).Interface()) {
				t.Errorf("%s.%s is %+v, want %+v", nodes[i].Name, name, got, wanted.Field(f))
			}
		}
	}
	nodes[0].Spec.Subscriptions[0], nodes[1].Spec.Storage.Class = "changed", nil
	if !reflect.DeepEqual(m, before) {
		t.Error("the objects share memory with their mesh")
	}
}

// fill gives every field a value that tells where it comes from.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Struct:
		if strings.HasSuffix(v.Type().PkgPath(), "/resource") {
			return
		}
		for i := range v.NumField() {
			f := v.Field(i)
			if f.CanSet() {
				fill(f, text)
			}
		}
	}
}
