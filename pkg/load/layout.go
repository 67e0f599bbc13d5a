// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/layout"
)

// laidOut are the objects that BrokerMeshes are made of, completed and validated like those that people write: what a role says is
// a part of a BrokerNode. They have the positions of their mesh.
func (d *decoder) laidOut(all []*decoded, namespace string) []*decoded {
	var made []*decoded
	for _, r := range all {
		if r.kind != "BrokerMesh" || r.faulty {
			continue
		}
		var meshes []v1alpha1.BrokerMesh
		if err := appendTyped(&meshes, r, namespace); err != nil {
			continue // reported when it is added to its list
		}
		nodes, peerings := layout.Objects(&meshes[0])
		for i := range nodes {
			made = append(made, d.made(r, nodes[i].Name, &nodes[i]))
		}
		for i := range peerings {
			made = append(made, d.made(r, peerings[i].Name, &peerings[i]))
		}
	}
	return made
}

// made turns an object of a mesh into what was read.
func (d *decoder) made(mesh *decoded, name string, typed runtime.Object) *decoded {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		d.err = err // our own types convert
		return mesh
	}
	unstructured.RemoveNestedField(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(content, "metadata", "ownerReferences") // which a file has no UID for
	o := *mesh.object
	o.content = content
	kind, _, _ := unstructured.NestedString(content, "kind")
	return d.complete(&decoded{object: &o, kind: kind, name: name, mesh: mesh.name})
}

// declaredTwice reports the second of two objects of one name.
func (d *decoder) declaredTwice(r *decoded, first *object) {
	if r.mesh == "" {
		d.report(r, "metadata.name", fmt.Sprintf("%q: declared twice; first in %s:%d", r.name, first.file, first.line("metadata.name")))
		return
	}
	p := r.problem("metadata.name", fmt.Sprintf("a mesh has a %s %q, which is declared in %s:%d too", r.kind, r.name, first.file, first.line("metadata.name")))
	p.Kind, p.Name = "BrokerMesh", r.mesh
	d.problems = append(d.problems, p)
}
