// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

func TestHealthyStatuses(t *testing.T) {
	m := newMesh()
	m.Facts = map[string]Facts{"worker-1": {Image: "node:v1"}}
	v := Judge(m.Input)
	since := metav1.NewTime(noon)
	condition := func(kind, status, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: message,
			ObservedGeneration: 3, LastTransitionTime: since}
	}
	worker := v1alpha1.BrokerNodeStatus{
		ObservedGeneration: 3, Replicas: new(int32(1)), Selector: "brokermesh.dev/node=worker-1", Peers: "2/2", Stores: 0, Image: "node:v1", Version: "v0.1.0",
		Pods: []v1alpha1.PodStatus{{Name: "worker-1-0", Address: "worker-1-0.worker-1-pods.default.svc:9999",
			WebSocket: "worker-1-0.worker-1-pods.default.svc:9997", EndpointID: "id-of-worker-1-0", Since: &since}},
		Conditions: []metav1.Condition{
			condition("Ready", "True", "Listening", "worker-1-0 runs and listens"),
			condition("Configured", "True", "Applied", "worker-1-0 runs the compiled config"),
		},
	}
	peering := v1alpha1.PeeringStatus{
		ObservedGeneration: 3, From: "worker-1", To: "manager", Links: "1/1",
		Conditions: []metav1.Condition{
			condition("Ready", "True", "BothEndsAgree", "worker-1 and manager report each other"),
			condition("Established", "True", "BothEndsAgree", "worker-1 and manager report each other"),
			condition("Dropping", "False", "NothingDropped", "no message was dropped in the last 5 minutes"),
		},
	}
	stored := v1alpha1.DataStoreStatus{
		ObservedGeneration: 3, StoreName: "zeek/known/hosts", ClonesSynced: "1/1",
		Conditions: []metav1.Condition{
			condition("Ready", "True", "AllSynced", "1 of 1 clones are in sync"),
			condition("MasterAvailable", "True", "Serving", "the master on manager-0 serves"),
			condition("ClonesSynced", "True", "AllSynced", "1 of 1 clones are in sync"),
		},
	}
	for name, pair := range map[string][2]any{
		"node": {v.Nodes["worker-1"], worker}, "peering": {v.Peerings[link], peering}, "store": {v.Stores[store], stored},
		"master's columns":    {[]any{v.Nodes["manager"].Peers, v.Nodes["manager"].Stores}, []any{"1/1", int32(1)}},
		"what is to be asked": {v.AskAgain, []string(nil)}, "next check": {v.NextCheck, MaxAge - noon.Sub(m.Observations["manager-0"].Received)},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", name, pair[0], pair[1])
		}
	}
}

func TestColumnsOfTrouble(t *testing.T) {
	tests := map[string]struct {
		change                  func(*mesh)
		manager, worker         string
		links, synced           string
		problem                 v1alpha1.LinkProblem
		cloneState, workersSelf string
	}{
		"refused": {unpeered("Refused"), "0/1", "1/2", "0/1", "0/1",
			v1alpha1.LinkProblem{From: "worker-1-0", To: "manager-0", FromState: "Disconnected", ToState: "NotReported", LastError: "Refused"}, "Synced", "id-of-worker-1-0"},
		"words of an error that no list has": {unpeered("dial tcp 10.0.0.1:443"), "0/1", "1/2", "0/1", "0/1",
			v1alpha1.LinkProblem{From: "worker-1-0", To: "manager-0", FromState: "Disconnected", ToState: "NotReported"}, "Synced", "id-of-worker-1-0"},
		"worker gone, not noticed yet": {gone("worker-1-0", PodPending), "1/1", "0/2", "0/1", "0/1",
			v1alpha1.LinkProblem{From: "worker-1-0", To: "manager-0", FromState: "NotRunning", ToState: "Peered"}, "NotRunning", ""},
		"worker silent": {silent("worker-1-0"), "1/1", "?/2", "0/1", "0/1",
			v1alpha1.LinkProblem{From: "worker-1-0", To: "manager-0", FromState: "Unknown", ToState: "Peered"}, "Unknown", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMesh()
			test.change(m)
			v := Judge(m.Input)
			p, s := v.Peerings[link], v.Stores[store]
			got := []string{v.Nodes["manager"].Peers, v.Nodes["worker-1"].Peers, p.Links, s.ClonesSynced, v.Nodes["worker-1"].Pods[0].EndpointID}
			if want := []string{test.manager, test.worker, test.links, test.synced, test.workersSelf}; !reflect.DeepEqual(got, want) {
				t.Errorf("columns %q, want %q", got, want)
			}
			if len(p.Problems) != 1 || p.Problems[0] != test.problem {
				t.Errorf("problems %+v, want %+v", p.Problems, test.problem)
			}
			if len(s.Clones) != 1 || s.Clones[0].State != test.cloneState {
				t.Errorf("clones %+v, want %s", s.Clones, test.cloneState)
			}
		})
	}
}

// TestListsAreBounded has more clones in trouble than a status lists: the worst come first.
func TestListsAreBounded(t *testing.T) {
	m := newMesh()
	const many = 30
	for i := range many {
		name := fmt.Sprintf("clone-%02d", i)
		m.Objects.Nodes = append(m.Objects.Nodes, v1alpha1.BrokerNode{ObjectMeta: meta(name)})
		m.Objects.Peerings = append(m.Objects.Peerings, v1alpha1.Peering{ObjectMeta: meta(name), Spec: v1alpha1.PeeringSpec{
			From: v1alpha1.PeeringFrom{Node: name}, To: v1alpha1.PeeringTo{Node: "manager"}}})
		m.Objects.Stores[0].Spec.Clones = append(m.Objects.Stores[0].Spec.Clones, v1alpha1.CloneSpec{Node: name})
		m.Observations[name+"-0"] = Observation{Pod: PodRunning, Received: m.Now, Status: &statusapi.Status{
			EndpointID: name, Peers: []statusapi.Peer{{Peering: name, EndpointID: "id-of-manager-0", State: "Peered"}},
			Stores: []statusapi.Store{{Object: store, Role: "Clone", State: "Attaching"}}}}
		m.status("manager-0").Peers = append(m.status("manager-0").Peers, statusapi.Peer{EndpointID: name, State: "Peered"})
	}
	m.status("clone-29-0").Stores[0].State = "Stale"
	m.compile()
	s := m.step(0).Stores[store]
	if s.ClonesSynced != "1/31" || len(s.Clones) != MaxProblems || s.Clones[0].Node != "clone-29-0" || s.Clones[1].Node != "clone-00-0" {
		t.Errorf("%s clones in sync, %d listed: %+v", s.ClonesSynced, len(s.Clones), s.Clones)
	}
	if s.Clones[0].StaleSince == nil || !s.Clones[0].StaleSince.Time.Equal(noon) {
		t.Errorf("stale since %v", s.Clones[0].StaleSince)
	}
	expect(t, m.Previous, bds, store, "ClonesSynced", "False/Stale")
	if s = m.step(5e9).Stores[store]; !s.Clones[0].StaleSince.Time.Equal(noon) {
		t.Errorf("later: stale since %v", s.Clones[0].StaleSince)
	}
	m.status("clone-29-0").Stores[0].State = "Synced"
	c := expect(t, m.step(0), bds, store, "ClonesSynced", "False/Syncing")
	if want := "clone-00-0 is on its way to the master's state"; len(c.Message) > 400 || c.Message[:len(want)] != want {
		t.Errorf("message %q", c.Message)
	}
}

// TestLaptop takes addresses from the listeners where the topology has none.
func TestLaptop(t *testing.T) {
	m := newMesh()
	m.opt = topology.Options{Addresses: map[string]string{}}
	m.compile()
	for _, n := range m.Compiled.Nodes {
		m.status(n.Node + "-0").Listeners = []statusapi.Listener{{Name: "broker", Address: "127.0.0.1:41001"}, {Name: "websocket", Address: "127.0.0.1:41002"}}
	}
	pod := Judge(m.Input).Nodes["worker-1"].Pods[0]
	if pod.Address != "127.0.0.1:41001" || pod.WebSocket != "127.0.0.1:41002" {
		t.Errorf("got %+v", pod)
	}
}
