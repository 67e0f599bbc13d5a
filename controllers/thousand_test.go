// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// simulation is a mesh of a thousand nodes without an API server: the manager's own pure parts, over pods that do as they are told.
type simulation struct {
	t       *testing.T
	objects topology.Objects
	now     time.Time
	traffic int64
	verdict evidence.Verdict
	before  *view
}

func newSimulation(t *testing.T) *simulation {
	s := &simulation{t: t, now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)}
	s.node("manager", nil)
	s.node("proxy", map[string]string{"role": "proxy"}).Spec.Replicas = new(int32(3))
	for i := range 998 {
		labels := map[string]string{"role": "worker"}
		if i%10 == 0 {
			labels["site"] = "a"
		}
		s.node(fmt.Sprintf("worker-%03d", i), labels)
	}
	chosen := func(key, value string) *v1alpha1.NodeSelector {
		return &v1alpha1.NodeSelector{MatchLabels: map[string]v1alpha1.LabelValue{key: v1alpha1.LabelValue(value)}}
	}
	workers := v1alpha1.PeeringFrom{Selector: chosen("role", "worker")}
	for name, spec := range map[string]v1alpha1.PeeringSpec{
		"workers-manager": {From: workers, To: v1alpha1.PeeringTo{Node: "manager"}},
		"workers-proxies": {From: workers, To: v1alpha1.PeeringTo{Selector: chosen("role", "proxy"), Count: 2}},
		"among-proxies":   {From: v1alpha1.PeeringFrom{Node: "proxy"}, To: v1alpha1.PeeringTo{Node: "proxy"}},
	} {
		s.objects.Peerings = append(s.objects.Peerings, v1alpha1.Peering{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: 1}, Spec: spec})
	}
	s.objects.Stores = []v1alpha1.DataStore{{ObjectMeta: metav1.ObjectMeta{Name: "s", UID: "s", Generation: 1}, Spec: v1alpha1.DataStoreSpec{
		Master: v1alpha1.MasterSpec{Node: "manager"}, Clones: []v1alpha1.CloneSpec{{Selector: chosen("site", "a")}}}}}
	return s
}

// node adds a node, which is good for a change until the next is added.
func (s *simulation) node(name string, labels map[string]string) *v1alpha1.BrokerNode {
	s.objects.Nodes = append(s.objects.Nodes, v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: 1, Labels: labels}})
	return &s.objects.Nodes[len(s.objects.Nodes)-1]
}

// edit changes the spec of a node.
func (s *simulation) edit(name string, change func(*v1alpha1.BrokerNodeSpec)) {
	i := slices.IndexFunc(s.objects.Nodes, func(n v1alpha1.BrokerNode) bool { return n.Name == name })
	change(&s.objects.Nodes[i].Spec)
	s.objects.Nodes[i].Generation++
}

// look is one look of the manager at the mesh, a while after the last, when all pods have done what they are told; it names what it would
// wake: nothing else is written.
func (s *simulation) look() changes {
	s.t.Helper()
	s.now = s.now.Add(30 * time.Second)
	compiled := topology.Compile(s.objects, topology.Options{RequireStorage: true})
	s.verdict = evidence.Judge(evidence.Input{
		Objects: s.objects, Compiled: compiled, Observations: s.answers(compiled), Previous: s.verdict, Now: s.now, Started: s.now.Add(-time.Hour),
	})
	v := newView(s.objects, compiled, s.verdict, nil, rollStep{})
	found := v.changes(s.before)
	s.before = v
	for i := range s.objects.Stores { // what the controllers would have written
		s.objects.Stores[i].Status = s.verdict.Stores[s.objects.Stores[i].Name]
	}
	slices.Sort(found.nodes)
	slices.Sort(found.peerings)
	return found
}

// answers is what all pods say, with some traffic since the last time.
func (s *simulation) answers(compiled topology.Result) map[string]evidence.Observation {
	s.traffic += 1000
	all := make(map[string]*statusapi.Status)
	for _, n := range compiled.Nodes {
		for _, p := range n.Pods {
			all[p.Pod] = s.answer(p)
		}
	}
	for _, p := range compiled.Peerings {
		for _, l := range p.Links {
			from, to := all[l.From], all[l.To]
			from.Peers = append(from.Peers, statusapi.Peer{Peering: p.Name, Address: l.Address, EndpointID: to.EndpointID, Dialed: true, State: statusapi.PeerPeered})
			to.Peers = append(to.Peers, statusapi.Peer{Address: "10.0.0.1:40000", EndpointID: from.EndpointID, State: statusapi.PeerPeered})
		}
	}
	out := make(map[string]evidence.Observation, len(all))
	for pod, status := range all {
		out[pod] = evidence.Observation{Pod: evidence.PodRunning, Status: status, Received: s.now.Add(-time.Second)}
	}
	return out
}

func (s *simulation) answer(p topology.PodPlan) *statusapi.Status {
	status := &statusapi.Status{
		Instance: p.Pod, EndpointID: "id of " + p.Pod, ConfigVersions: []int{nodeconfig.Version}, Features: nodeconfig.KnownFeatures(), ConfigHash: p.Hash,
		Listeners: []statusapi.Listener{{Name: "broker", Address: "[::]:9999"}},
	}
	for _, c := range p.Config.Stores {
		t := statusapi.Store{Object: c.Object, Role: c.Role, State: statusapi.StoreServing, Epoch: 1, Entries: s.traffic}
		if c.Role == nodeconfig.RoleClone {
			t.State = statusapi.StoreSynced
		}
		status.Stores = append(status.Stores, t)
	}
	return status
}

// TestThousandNodes changes one thing at a time in a mesh of a thousand nodes, and looks whom that concerns. At rest it concerns nobody, for
// ten minutes of traffic.
func TestThousandNodes(t *testing.T) {
	s := newSimulation(t)
	if found := s.look(); len(found.nodes) != 1000 || len(found.peerings) != 3 || len(found.stores) != 1 {
		t.Fatalf("at first: %d nodes, %d peerings, %d stores", len(found.nodes), len(found.peerings), len(found.stores))
	}
	s.look() // the store's status has its master now
	if got := s.before.peerings["workers-proxies"].status.(v1alpha1.PeeringStatus).Links; got != "1996/1996" {
		t.Fatalf("links of workers to proxies: %s", got)
	}
	for range 20 {
		s.concerns("at rest", nil, nil, nil)
	}

	s.edit("worker-500", func(n *v1alpha1.BrokerNodeSpec) { n.Subscriptions = []string{"x"} })
	s.concerns("a subscription", []string{"worker-500"}, nil, nil)

	s.node("newcomer", map[string]string{"role": "worker"})
	s.concerns("a worker joins by its label", []string{"manager", "newcomer", "proxy"}, []string{"workers-manager", "workers-proxies"}, nil)

	s.objects.Nodes = s.objects.Nodes[:len(s.objects.Nodes)-1]
	s.concerns("and leaves", []string{"manager", "proxy"}, []string{"workers-manager", "workers-proxies"}, nil)

	s.edit("worker-010", func(n *v1alpha1.BrokerNodeSpec) { n.Replicas = new(int32(2)) })
	s.concerns("a replica that has a clone", []string{"manager", "proxy", "worker-010"}, []string{"workers-manager", "workers-proxies"}, []string{"s"})
	s.concerns("at rest again", nil, nil, nil)
}

// concerns wants a look to change just these.
func (s *simulation) concerns(what string, nodes, peerings, stores []string) {
	s.t.Helper()
	found := s.look()
	if !slices.Equal(found.nodes, nodes) || !slices.Equal(found.peerings, peerings) || !slices.Equal(found.stores, stores) || len(found.layouts) > 0 {
		s.t.Fatalf("%s concerns %d nodes %.8q, peerings %q, stores %q; want %q, %q, %q",
			what, len(found.nodes), found.nodes, found.peerings, found.stores, nodes, peerings, stores)
	}
}

// TestAnotherProxy adds a proxy to three: of a thousand workers only those change that take it in place of one that they had.
func TestAnotherProxy(t *testing.T) {
	s := newSimulation(t)
	s.look()
	s.look()
	old := s.before
	s.edit("proxy", func(n *v1alpha1.BrokerNodeSpec) { n.Replicas = new(int32(4)) })
	moved := 0
	for _, name := range s.look().nodes {
		if name == "proxy" {
			continue
		}
		config := s.before.nodes[name].plan.Pods[0].Config
		if !slices.ContainsFunc(config.Peers, func(p nodeconfig.Peer) bool { return p.Pod == "proxy-3" }) || s.before.nodes[name].plan.Hash == old.nodes[name].plan.Hash {
			t.Fatalf("%s changes, and has nothing to do with the new proxy: %+v", name, config.Peers)
		}
		moved++
	}
	if moved < 400 || moved > 600 { // half of them choose it among their two of four
		t.Errorf("%d of 998 workers move to the new proxy", moved)
	}
}
