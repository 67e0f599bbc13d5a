// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/layout"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// meshOf is a judge that has found all parts of a mesh with workers well.
func meshOf() (*judge, *v1alpha1.BrokerMesh) {
	two := int32(2)
	m := &v1alpha1.BrokerMesh{ObjectMeta: metav1.ObjectMeta{Name: "zeek", UID: "7", Generation: 5}, Spec: v1alpha1.BrokerMeshSpec{Workers: &v1alpha1.RoleSpec{Replicas: &two}}}
	nodes, peerings := layout.Objects(m)
	j := newJudge(Input{Objects: topology.Objects{Nodes: nodes, Peerings: peerings, Meshes: []v1alpha1.BrokerMesh{*m}}, Now: noon})
	good := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}, {Type: v1alpha1.ConditionConfigured, Status: metav1.ConditionTrue}}
	for _, n := range nodes {
		j.out.Nodes[n.Name] = v1alpha1.BrokerNodeStatus{Conditions: slices.Clone(good), Replicas: n.Spec.Replicas, Selector: "brokermesh.dev/node=" + n.Name}
	}
	for _, p := range peerings {
		j.out.Peerings[p.Name] = v1alpha1.PeeringStatus{Conditions: slices.Clone(good)}
	}
	return j, m
}

func TestMeshes(t *testing.T) {
	seen := make(map[v1alpha1.Reason]bool)
	for name, c := range map[string]struct {
		change                   func(j *judge, m *v1alpha1.BrokerMesh)
		status                   metav1.ConditionStatus
		reason                   v1alpha1.Reason
		message, nodes, peerings string
	}{
		"well": {
			func(*judge, *v1alpha1.BrokerMesh) {},
			metav1.ConditionTrue, v1alpha1.ReasonAllReady, "2 nodes and 1 peerings are ready", "2/2", "1/1",
		},
		"not made yet": {
			func(j *judge, _ *v1alpha1.BrokerMesh) { delete(j.nodes, "worker") },
			metav1.ConditionFalse, v1alpha1.ReasonApplying, `BrokerNode "worker" is not there yet`, "1/2", "1/1",
		},
		"somebody else's node": {
			func(j *judge, _ *v1alpha1.BrokerMesh) { j.nodes["worker"].OwnerReferences = nil },
			metav1.ConditionFalse, v1alpha1.ReasonConflict, `BrokerNode "worker" exists and is not of BrokerMesh "zeek"`, "1/2", "1/1",
		},
		"an earlier mesh's peering": {
			func(j *judge, _ *v1alpha1.BrokerMesh) { j.peerings["worker-manager"].OwnerReferences[0].UID = "6" },
			metav1.ConditionFalse, v1alpha1.ReasonConflict, `Peering "worker-manager" exists`, "2/2", "0/1",
		},
		"refused by the API server": {
			func(j *judge, _ *v1alpha1.BrokerMesh) {
				j.in.MeshFaults = map[string]string{"zeek": "it can't become that"}
			},
			metav1.ConditionFalse, v1alpha1.ReasonConflict, "it can't become that", "2/2", "1/1",
		},
		"node without its config": {
			func(j *judge, _ *v1alpha1.BrokerMesh) {
				c := &j.out.Nodes["manager"].Conditions[1]
				c.Status, c.Reason = metav1.ConditionFalse, "Rejected"
			},
			metav1.ConditionFalse, v1alpha1.ReasonNodesNotReady, `BrokerNode "manager": Configured is False: Rejected`, "1/2", "1/1",
		},
		"node not judged yet": {
			func(j *judge, _ *v1alpha1.BrokerMesh) { delete(j.out.Nodes, "manager") },
			metav1.ConditionUnknown, v1alpha1.ReasonNodesNotReady, `BrokerNode "manager" has no condition Ready yet`, "1/2", "1/1",
		},
		"peering not known": {
			func(j *judge, _ *v1alpha1.BrokerMesh) {
				c := &j.out.Peerings["worker-manager"].Conditions[0]
				c.Status, c.Reason = metav1.ConditionUnknown, "EvidenceTooOld"
			},
			metav1.ConditionUnknown, v1alpha1.ReasonPeeringsNotReady, `Peering "worker-manager": Ready is Unknown: EvidenceTooOld`, "2/2", "0/1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			j, m := meshOf()
			c.change(j, m)
			got := j.mesh(m)
			ready := got.Conditions[0]
			seen[v1alpha1.Reason(ready.Reason)] = true
			if ready.Status != c.status || ready.Reason != string(c.reason) || !strings.Contains(ready.Message, c.message) || got.Nodes != c.nodes ||
				got.Peerings != c.peerings || ready.ObservedGeneration != 5 {
				t.Errorf("%+v", got)
			}
			if name == "well" && (got.Workers != 2 || got.WorkerSelector != "brokermesh.dev/node=worker") {
				t.Errorf("workers %d, selector %q", got.Workers, got.WorkerSelector)
			}
		})
	}
	for _, c := range Reasons() {
		for _, r := range c.Reasons {
			if c.Kind == topology.KindBrokerMesh && !seen[r] {
				t.Errorf("no case has %s", r)
			}
		}
	}
}
