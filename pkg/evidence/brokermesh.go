// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/layout"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// meshReasons are those of a BrokerMesh that isn't ready, worst first.
var meshReasons = ranked{v1alpha1.ReasonConflict, v1alpha1.ReasonApplying, v1alpha1.ReasonNodesNotReady, v1alpha1.ReasonPeeringsNotReady}

// mesh sums up what was judged of a mesh's nodes and peerings.
func (j *judge) mesh(m *v1alpha1.BrokerMesh) v1alpha1.BrokerMeshStatus {
	previous, ok := j.in.Previous.Meshes[m.Name]
	if !ok {
		previous = m.Status
	}
	nodes, peerings := layout.Objects(m)
	var w worst
	if words := j.in.MeshFaults[m.Name]; words != "" {
		w.add(meshReasons, no(v1alpha1.ReasonConflict, words))
	}
	status := v1alpha1.BrokerMeshStatus{ObservedGeneration: m.Generation}
	well := 0
	for i := range nodes {
		name := nodes[i].Name
		r := j.part(m, topology.KindBrokerNode, name, j.nodes[name] != nil && layout.Owned(j.nodes[name], m))
		if r.status == metav1.ConditionTrue {
			r = firstNotTrue(v1alpha1.ReasonNodesNotReady, topology.KindBrokerNode, name, j.out.Nodes[name].Conditions, v1alpha1.ConditionReady, v1alpha1.ConditionConfigured)
			if name == layout.Worker {
				status.WorkerSelector = j.out.Nodes[name].Selector
				if pods := j.out.Nodes[name].Replicas; pods != nil {
					status.Workers = *pods
				}
			}
		}
		if r.status == metav1.ConditionTrue {
			well++
		}
		w.add(meshReasons, r)
	}
	status.Nodes = fmt.Sprintf("%d/%d", well, len(nodes))
	well = 0
	for i := range peerings {
		name := peerings[i].Name
		r := j.part(m, topology.KindPeering, name, j.peerings[name] != nil && layout.Owned(j.peerings[name], m))
		if r.status == metav1.ConditionTrue {
			r = firstNotTrue(v1alpha1.ReasonPeeringsNotReady, topology.KindPeering, name, j.out.Peerings[name].Conditions, v1alpha1.ConditionReady)
		}
		if r.status == metav1.ConditionTrue {
			well++
		}
		w.add(meshReasons, r)
	}
	status.Peerings = fmt.Sprintf("%d/%d", well, len(peerings))
	ready := yes(v1alpha1.ReasonAllReady, fmt.Sprintf("%d nodes and %d peerings are ready", len(nodes), len(peerings)))
	if w.found {
		ready = w.ruling
	}
	status.Conditions = []metav1.Condition{j.condition(v1alpha1.ConditionReady, previous.Conditions, m.Generation, ready)}
	return status
}

// part looks whether an object of a mesh is there.
func (j *judge) part(m *v1alpha1.BrokerMesh, kind, name string, owned bool) ruling {
	there := kind == topology.KindBrokerNode && j.nodes[name] != nil || kind == topology.KindPeering && j.peerings[name] != nil
	switch {
	case owned:
		return ruling{status: metav1.ConditionTrue}
	case there:
		return no(v1alpha1.ReasonConflict, fmt.Sprintf("%s %q exists and is not of BrokerMesh %q; annotate it brokermesh.dev/adopt=true to hand it over, or remove it", kind, name, m.Name))
	}
	return no(v1alpha1.ReasonApplying, fmt.Sprintf("%s %q is not there yet", kind, name))
}

// firstNotTrue is the first of an object's conditions that isn't True.
func firstNotTrue(reason v1alpha1.Reason, kind, name string, conditions []metav1.Condition, types ...string) ruling {
	for _, t := range types {
		c := apimeta.FindStatusCondition(conditions, t)
		switch {
		case c == nil:
			return unknown(reason, fmt.Sprintf("%s %q has no condition %s yet", kind, name, t))
		case c.Status != metav1.ConditionTrue:
			return ruling{status: c.Status, reason: reason, message: fmt.Sprintf("%s %q: %s is %s: %s", kind, name, c.Type, c.Status, c.Reason)}
		}
	}
	return ruling{status: metav1.ConditionTrue}
}
