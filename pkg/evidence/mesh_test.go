// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// mesh is an input that tests change: worker-1 peers with manager and with an endpoint outside; manager masters a store
// that worker-1 clones. All is well, and was heard a second ago.
type mesh struct {
	Input
	opt topology.Options
}

func newMesh() *mesh {
	m := &mesh{}
	m.Now, m.Started = noon, noon.Add(-time.Hour)
	m.Objects.Nodes = []v1alpha1.BrokerNode{
		{ObjectMeta: meta("manager"), Spec: v1alpha1.BrokerNodeSpec{Storage: &v1alpha1.StorageSpec{}}},
		{ObjectMeta: meta("worker-1"), Spec: v1alpha1.BrokerNodeSpec{WebSocket: &v1alpha1.WebSocketSpec{Port: 9997}}},
	}
	m.Objects.Peerings = []v1alpha1.Peering{
		{ObjectMeta: meta("worker-1-manager"), Spec: v1alpha1.PeeringSpec{
			From: v1alpha1.PeeringFrom{Node: "worker-1"}, To: v1alpha1.PeeringTo{Node: "manager"}}},
		{ObjectMeta: meta("worker-1-outside"), Spec: v1alpha1.PeeringSpec{
			From: v1alpha1.PeeringFrom{Node: "worker-1"}, To: v1alpha1.PeeringTo{Address: "zeek.example.org:9999"}}},
	}
	m.Objects.Stores = []v1alpha1.DataStore{{ObjectMeta: meta("known-hosts"), Spec: v1alpha1.DataStoreSpec{
		StoreName: "zeek/known/hosts", Master: v1alpha1.MasterSpec{Node: "manager", Backend: v1alpha1.BackendSQLite},
		Clones: []v1alpha1.CloneSpec{{Node: "worker-1"}}}}}
	m.opt = topology.Options{RequireStorage: true}
	m.compile()
	m.Observations = map[string]Observation{}
	for _, n := range m.Compiled.Nodes {
		for _, p := range n.Pods {
			m.Observations[p.Pod] = Observation{Pod: PodRunning, Received: noon.Add(-time.Second), Status: &statusapi.Status{
				Instance: "i", Generation: 1, Node: n.Node, Pod: p.Pod, EndpointID: "id-of-" + p.Pod, Version: "v0.1.0",
				ConfigVersions: []int{1}, ConfigHash: p.Hash,
				Listeners: []statusapi.Listener{{Name: "broker", Address: "[::]:9999"}, {Name: "websocket", Address: "[::]:9997"}},
			}}
		}
	}
	manager, worker := m.status("manager-0"), m.status("worker-1-0")
	worker.Peers = []statusapi.Peer{
		{Peering: "worker-1-manager", Address: "manager-0.manager-pods.default.svc:9999", EndpointID: "id-of-manager-0", Dialed: true, State: "Peered"},
		{Peering: "worker-1-outside", Address: "zeek.example.org:9999", EndpointID: "id-of-zeek", Dialed: true, State: "Peered"},
	}
	manager.Peers = []statusapi.Peer{{Address: "10.0.0.7:41234", EndpointID: "id-of-worker-1-0", URI: "brokermesh://default/node/worker-1", State: "Peered"}}
	manager.Stores = []statusapi.Store{{Object: "known-hosts", Name: "zeek/known/hosts", Role: "Master", State: "Serving"}}
	worker.Stores = []statusapi.Store{{Object: "known-hosts", Name: "zeek/known/hosts", Role: "Clone", State: "Synced"}}
	return m
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Generation: 3}
}

func (m *mesh) compile() { m.Compiled = topology.Compile(m.Objects, m.opt) }

// status is the pod's own, to change.
func (m *mesh) status(pod string) *statusapi.Status { return m.Observations[pod].Status }

// observe changes what is known of a pod.
func (m *mesh) observe(pod string, change func(*Observation)) {
	o := m.Observations[pod]
	change(&o)
	m.Observations[pod] = o
}

// hear says that pods have answered anew, now.
func (m *mesh) hear(pods ...string) {
	for _, pod := range pods {
		m.observe(pod, func(o *Observation) { o.Received = m.Now })
	}
}

// step lets time pass, judges, and remembers.
func (m *mesh) step(d time.Duration) Verdict {
	m.Now = m.Now.Add(d)
	m.Previous = Judge(m.Input)
	return m.Previous
}

// conditions of any object of a verdict.
func conditions(v Verdict, kind, name string) []metav1.Condition {
	switch kind {
	case topology.KindBrokerNode:
		return v.Nodes[name].Conditions
	case topology.KindPeering:
		return v.Peerings[name].Conditions
	}
	return v.Stores[name].Conditions
}

func condition(t *testing.T, v Verdict, kind, name, condition string) metav1.Condition {
	t.Helper()
	list := conditions(v, kind, name)
	i := slices.IndexFunc(list, func(c metav1.Condition) bool { return c.Type == condition })
	if i < 0 {
		t.Fatalf("%s/%s has no condition %s", kind, name, condition)
	}
	return list[i]
}

// expect checks status and reason, written as "True/Listening".
func expect(t *testing.T, v Verdict, kind, name, cond, want string) metav1.Condition {
	t.Helper()
	c := condition(t, v, kind, name, cond)
	if got := string(c.Status) + "/" + c.Reason; got != want {
		t.Errorf("%s/%s %s: got %s (%s), want %s", kind, name, cond, got, c.Message, want)
	}
	return c
}

func asJSON(t *testing.T, v Verdict) string {
	t.Helper()
	b, err := json.MarshalIndent([]any{v.Nodes, v.Peerings, v.Stores}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
