// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/internal/seed"
)

// TestFindingsCanBeFixed takes every finding of random meshes and gives the object that it names, and no other, a spec without fault:
// the finding is gone, so it names what has to be changed.
func TestFindingsCanBeFixed(t *testing.T) {
	fixed := make(map[v1alpha1.Reason]int)
	for _, s := range seed.Several(t, 80) {
		d := draw{rand.New(rand.NewPCG(s, 5))}
		o := d.objects()
		for i := range o.Nodes {
			if o.Nodes[i].Spec.External == nil && d.IntN(8) == 0 {
				o.Nodes[i].Spec.PodTemplate = read[v1alpha1.BrokerNode](t, []byte("spec: {podTemplate: {spec: {hostNetwork: true}}}")).Spec.PodTemplate
			}
		}
		for i := range o.Stores {
			o.Stores[i].Status = v1alpha1.DataStoreStatus{} // a status says where a master is, which no spec undoes
			o.Stores[i].Spec.StoreName = pickOf(d, "", "one")
			o.Stores[i].Spec.Master.Backend = pickOf(d, v1alpha1.BackendMemory, v1alpha1.BackendSQLite)
		}
		opt := Options{RequireStorage: true}
		for _, f := range Compile(o, opt).Findings {
			after := deepCopy(o)
			if !mend(t, &after, f) {
				continue
			}
			for _, g := range Compile(after, opt).Findings {
				if g.Kind == f.Kind && g.Name == f.Name {
					t.Fatalf("seed %d: %s of %s/%s, %s: %s\nafter the object is mended there is still %s: %s", s, f.Reason, f.Kind, f.Name, f.Field, f.Message, g.Reason, g.Message)
				}
			}
			fixed[f.Reason]++
		}
	}
	for _, reason := range []v1alpha1.Reason{
		v1alpha1.ReasonNodeMissing, v1alpha1.ReasonDuplicate, v1alpha1.ReasonTLSMismatch, v1alpha1.ReasonTwoMasters, v1alpha1.ReasonStorageMissing,
		v1alpha1.ReasonMasterNeedsOnePod, v1alpha1.ReasonUnreachable, v1alpha1.ReasonNoLinks, v1alpha1.ReasonBothOutside, v1alpha1.ReasonNoAddress,
		v1alpha1.ReasonPodTemplateRefused, v1alpha1.ReasonRunsElsewhere, CodeSelectsNothing, CodeOverlap,
	} {
		if fixed[reason] == 0 {
			t.Errorf("no random mesh has a finding %s", reason)
		}
	}
}

// mend gives the object that a finding names a spec without fault; it answers false if the mesh has no node that one could lean on.
func mend(t *testing.T, o *Objects, f Finding) bool {
	t.Helper()
	whole := slices.IndexFunc(o.Nodes, func(n v1alpha1.BrokerNode) bool { return Replicas(&n) == 1 })
	if whole < 0 {
		return false
	}
	switch f.Kind {
	case KindBrokerNode:
		i := slices.IndexFunc(o.Nodes, func(n v1alpha1.BrokerNode) bool { return n.Name == f.Name })
		if e := o.Nodes[i].Spec.External; e != nil {
			e.Address = fmt.Sprintf("only-%s.example.org:1", f.Name)
		}
		o.Nodes[i].Spec.PodTemplate = nil
	case KindPeering:
		i := slices.IndexFunc(o.Peerings, func(p v1alpha1.Peering) bool { return p.Name == f.Name })
		o.Peerings[i].Spec = v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Node: o.Nodes[whole].Name}, To: v1alpha1.PeeringTo{Address: "only-this.example.org:1"}}
	default:
		i := slices.IndexFunc(o.Stores, func(s v1alpha1.DataStore) bool { return s.Name == f.Name })
		o.Stores[i].Spec = v1alpha1.DataStoreSpec{StoreName: "only/this", Master: v1alpha1.MasterSpec{Node: o.Nodes[whole].Name}}
	}
	return true
}
