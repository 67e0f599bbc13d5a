// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// BenchmarkJudge judges a mesh of 4,000 workers around one node, all well, with clones on a hundred.
func BenchmarkJudge(b *testing.B) {
	in := Input{Now: noon, Observations: make(map[string]Observation)}
	sel := &v1alpha1.NodeSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": "worker"}}
	in.Objects.Nodes = []v1alpha1.BrokerNode{{ObjectMeta: meta("hub")}}
	store := v1alpha1.DataStore{ObjectMeta: meta("s"), Spec: v1alpha1.DataStoreSpec{Master: v1alpha1.MasterSpec{Node: "hub"}}}
	for i := range 4000 {
		n := v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("w%d", i), Labels: map[string]string{"role": "worker"}}}
		in.Objects.Nodes = append(in.Objects.Nodes, n)
		if i < 100 {
			store.Spec.Clones = append(store.Spec.Clones, v1alpha1.CloneSpec{Node: n.Name})
		}
	}
	in.Objects.Peerings = []v1alpha1.Peering{{ObjectMeta: meta("star"), Spec: v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Selector: sel}, To: v1alpha1.PeeringTo{Node: "hub"}}}}
	in.Objects.Stores = []v1alpha1.DataStore{store}
	in.Compiled = topology.Compile(in.Objects, topology.Options{})
	hub := &statusapi.Status{EndpointID: "hub-0", ConfigVersions: []int{1}, Listeners: []statusapi.Listener{{Name: "broker"}}}
	for _, n := range in.Compiled.Nodes {
		s := hub
		if n.Node != "hub" {
			s = &statusapi.Status{EndpointID: n.Node, ConfigVersions: []int{1}, Listeners: hub.Listeners}
			for _, p := range n.Pods[0].Config.Peers {
				s.Peers = append(s.Peers, statusapi.Peer{Peering: p.Name, Address: p.Address, EndpointID: "hub-0", Dialed: true, State: statusapi.PeerPeered})
			}
			hub.Peers = append(hub.Peers, statusapi.Peer{EndpointID: n.Node, State: statusapi.PeerPeered})
		}
		s.ConfigHash = n.Pods[0].Hash
		for _, t := range n.Pods[0].Config.Stores {
			s.Stores = append(s.Stores, statusapi.Store{Object: t.Object, Role: t.Role, State: map[string]string{"Master": statusapi.StoreServing, "Clone": statusapi.StoreSynced}[t.Role]})
		}
		in.Observations[n.Pods[0].Pod] = Observation{Pod: PodRunning, Received: noon, Status: s}
	}
	b.ReportAllocs()
	for b.Loop() {
		in.Previous = Judge(in)
		if got := in.Previous.Peerings["star"].Links; got != "4000/4000" {
			b.Fatal(got)
		}
	}
	if got := in.Previous.Stores["s"].ClonesSynced; got != "100/100" {
		b.Fatal(got)
	}
}
