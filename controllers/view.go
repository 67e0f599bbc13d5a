// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// view is what a mesh looks like at one moment: what there is, what it compiles to and how it is. It is immutable.
type view struct {
	objects   topology.Objects
	nodes     map[string]nodeView
	peerings  map[string]reportView
	stores    map[string]reportView
	layouts   map[string]reportView // of BrokerMeshes
	revisions map[string]int64      // highest revision that a pod of the node has reported
	trust     []podTrust            // what the pods that are on a machine say of their certificates
}

// identity tells whether two views of an object are about the same spec.
type identity struct {
	uid        types.UID
	generation int64
}

type nodeView struct {
	identity
	plan topology.NodePlan
	// callers are let in by the node's NetworkPolicy, if it wants one.
	callers topology.Callers
	facts   evidence.Facts // those that the status is judged with
	status  v1alpha1.BrokerNodeStatus
	// roll is the pod to be replaced now; waiting is why the node's old pods are not replaced yet. old is true if there are any.
	roll    *rollPod
	flight  flight
	down    string // what goes down with it
	old     bool
	waiting string
	// skew has the pods that may not get the document compiled for them.
	skew map[string]skew
}

// setSkews is part of making a view.
func (v *view) setSkews(all map[string]skew) {
	for name, nv := range v.nodes {
		if nv.skew = skewsOf(nv.plan, all); nv.skew != nil {
			v.nodes[name] = nv
		}
	}
}

// reportView is what there is to say of a Peering, a DataStore or a BrokerMesh.
type reportView struct {
	identity
	status     any                // of the kind's status type
	conditions []metav1.Condition // those of the status
	// deleting: the object waits to be deleted; removal: for files to be removed. awaited are the pods that have not yet, with words.
	deleting, removal bool
	awaited           []string
}

func sameReport(a, b reportView) bool {
	return a.identity == b.identity && a.deleting == b.deleting && a.removal == b.removal && slices.Equal(a.awaited, b.awaited) && equality.Semantic.DeepEqual(a.status, b.status)
}

func (v *view) empty() bool {
	return len(v.nodes)+len(v.peerings)+len(v.stores)+len(v.layouts) == 0
}

// changes are the names of objects to look at, by kind.
type changes struct{ nodes, peerings, stores, layouts []string }

// changes names the objects for which the new view says something else than the old one (nil at first).
func (v *view) changes(old *view) changes {
	if old == nil {
		old = &view{}
	}
	nodes := changed(v.nodes, old.nodes, func(a, b nodeView) bool {
		return a.identity == b.identity && a.plan.Hash == b.plan.Hash && slices.Equal(a.plan.BackupClaims, b.plan.BackupClaims) && (a.plan.Fault == nil) == (b.plan.Fault == nil) &&
			a.facts == b.facts && a.old == b.old && a.waiting == b.waiting && maps.Equal(a.skew, b.skew) && uidOf(a.roll) == uidOf(b.roll) && sameCallers(a.callers, b.callers) && equality.Semantic.DeepEqual(a.status, b.status)
	})
	return changes{
		nodes: nodes, peerings: changed(v.peerings, old.peerings, sameReport), stores: changed(v.stores, old.stores, sameReport),
		layouts: changed(v.layouts, old.layouts, sameReport),
	}
}

func sameCallers(a, b topology.Callers) bool {
	return a.Anybody == b.Anybody && slices.Equal(a.Nodes, b.Nodes)
}

func uidOf(p *rollPod) types.UID {
	if p == nil {
		return ""
	}
	return p.UID
}

func changed[V any](now, before map[string]V, same func(a, b V) bool) []string {
	var names []string
	for name, value := range now {
		if was, ok := before[name]; !ok || !same(value, was) {
			names = append(names, name)
		}
	}
	return names
}
