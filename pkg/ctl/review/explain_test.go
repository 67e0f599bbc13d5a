// SPDX-License-Identifier: Apache-2.0

package review

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/lint"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// running is the small mesh, with a peering to an address, as it might run.
func running(t *testing.T) meshobjects.Mesh {
	m := read(t, small+`---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: away}
spec: {from: {node: manager}, to: {address: "zeek.example.org:9999"}}
`)
	m.Origin, m.At = meshobjects.Laptop, noon
	condition := func(kind string, status metav1.ConditionStatus, reason v1alpha1.Reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: string(reason), Message: message}
	}
	o := m.Objects
	o.Nodes[0].Status.Conditions = []metav1.Condition{condition("Ready", "True", v1alpha1.ReasonListening, "runs")}
	o.Nodes[0].Status.Pods = []v1alpha1.PodStatus{{Name: "manager-0", Address: "127.0.0.1:9", EndpointID: "id"}}
	o.Nodes[0].Status.Peers = "2/4"
	o.Nodes[1].Status.Conditions = []metav1.Condition{condition("Ready", "False", v1alpha1.ReasonPodPending, "worker-2 is not there")}
	o.Peerings[0].Status = v1alpha1.PeeringStatus{Links: "2/3",
		Problems: []v1alpha1.LinkProblem{{From: "worker-2", To: "manager-0", ToState: "Connected"}},
		Conditions: []metav1.Condition{condition("Ready", "False", v1alpha1.ReasonEndsDisagree, "no"), condition("Established", "False", v1alpha1.ReasonEndsDisagree, "no"),
			condition("Dropping", "False", v1alpha1.ReasonNothingDropped, "none")}}
	o.Peerings[1].Status = v1alpha1.PeeringStatus{Links: "0/1",
		Problems: []v1alpha1.LinkProblem{{From: "manager-0", To: "zeek.example.org:9999", FromState: "Connecting", LastError: "Refused"}}}
	o.Stores[0].Status = v1alpha1.DataStoreStatus{Master: &v1alpha1.MasterStatus{Node: "manager", Epoch: 2, SpecNode: "manager"}, ClonesSynced: "2/3",
		Clones:     []v1alpha1.CloneStatus{{Node: "worker-2", State: "Stale", StaleSince: &metav1.Time{Time: noon}}},
		Conditions: []metav1.Condition{condition("Ready", "False", v1alpha1.ReasonStale, "worker-2")}}
	return m
}

func TestExplain(t *testing.T) {
	m := running(t)
	for target, want := range map[string][]string{
		"peering/up": {"peering/up\n  worker dials manager, 3 links\n  mutual TLS",
			"  Ready is False: EndsDisagree: no\n      means: One end reports the other, which doesn't report it.\n      next:  One end has a connection",
			"  Established is False: as Ready\n", "  Dropping is False: NothingDropped: none\nwhat is reported\n  links established: 2/3\n",
			"worker-2 -> manager-0: worker-2 says nothing of it; manager-0 says Connected\n",
			"what it rests on\n  brokernode/worker: False: PodPending: worker-2 is not there\n  brokernode/manager: True: Listening\n"},
		"peer/away": {"zeek.example.org:9999 isn't managed here: only manager-0 can be asked",
			"manager-0 -> zeek.example.org:9999: manager-0 says Connecting, last error: Refused; zeek.example.org:9999 can't be asked"},
		"node/manager": {"brokernode/manager\n  1 pod, forward Mesh\n", "dials zeek.example.org:9999 (peering/away, 1 link)", "is dialed by worker (peering/up, 3 links)",
			"holds the master of store/hosts", "manager-0 listens at 127.0.0.1:9 as endpoint id", "peers established: 2/4", "  peering/up: False: EndsDisagree: no\n"},
		"bn/worker": {"3 pods", "holds a clone of store/hosts", "PodPending: worker-2 is not there\n      means: A pod is not there"},
		"store/hosts": {"datastore/hosts\n  programs attach it as \"hosts\"; the master is on manager, backend Memory\n", "clone on worker, joined with the master by peering/up",
			"the master was last seen on manager, epoch 2", "worker-2 says Stale, stale since 2026-01-02 12:00:00 UTC", "info NoFailover"},
	} {
		kind, name, err := ParseObject(target)
		if err != nil {
			t.Fatal(err)
		}
		x, err := Explain(m, kind, name, noon.Add(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := x.WriteText(&out); err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s: no %q in\n%s", target, text, &out)
			}
		}
		if strings.Contains(out.String(), "note\n") {
			t.Errorf("%s: a note in\n%s", target, &out)
		}
	}
}

// TestExplainLeftOut: what the topology leaves out, by manifests alone.
func TestExplainLeftOut(t *testing.T) {
	m := read(t, strings.Replace(small, "{node: worker}, to", "{node: wrker}, to", 1))
	for target, want := range map[string]string{
		"peering/up":   `left out: NodeMissing: no BrokerNode "wrker" in this namespace`,
		"store/hosts":  "clone on worker: Unreachable: no path of Peerings joins",
		"node/manager": "peering/up is left out: NodeMissing",
	} {
		kind, name, _ := ParseObject(target)
		x, err := Explain(m, kind, name, noon)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := x.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		var back Explanation
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || !strings.Contains(strings.Join(back.Facts, "\n"), want) || len(back.Conditions) > 0 || len(back.Notes) != 1 {
			t.Errorf("%s: %v, no %q in %s", target, err, want, &out)
		}
	}
}

func TestExplainMesh(t *testing.T) {
	m := read(t, "apiVersion: brokermesh.dev/v1alpha1\nkind: BrokerMesh\nmetadata: {name: zeek}\nspec: {workers: {replicas: 3}}\n")
	x, err := Explain(m, topology.KindBrokerMesh, "zeek", noon)
	if err != nil || strings.Join(x.Facts, "; ") != "makes brokernode/manager, 1 pod; makes brokernode/worker, 3 pods; makes peering/worker-manager" {
		t.Errorf("%v, %q", err, x.Facts)
	}
	if _, err := Explain(m, topology.KindBrokerMesh, "zek", noon); err == nil || !strings.Contains(err.Error(), "it has zeek") {
		t.Errorf("got %v", err)
	}
}

func TestExplainExternal(t *testing.T) {
	m := read(t, small+`---
apiVersion: brokermesh.dev/v1alpha1
kind: BrokerNode
metadata: {name: guest}
spec: {external: {}}
---
apiVersion: brokermesh.dev/v1alpha1
kind: Peering
metadata: {name: comes}
spec: {from: {node: guest}, to: {node: manager}}
`)
	for target, want := range map[string]string{
		"node/guest":    "runs elsewhere, and has no pods: those that it is peered with tell of it; dials manager (peering/comes, 1 link)",
		"peering/comes": "guest isn't managed here, and connects by itself: only manager-0 can be asked",
		"node/manager":  "is dialed by guest (peering/comes, 1 link)",
	} {
		kind, name, _ := ParseObject(target)
		x, err := Explain(m, kind, name, noon)
		if err != nil || !strings.Contains(strings.Join(x.Facts, "; "), want) {
			t.Errorf("%s: %v, %q", target, err, x.Facts)
		}
	}
}

func TestExplainNothing(t *testing.T) {
	m := running(t)
	if _, err := Explain(m, topology.KindBrokerNode, "boss", noon); err == nil || err.Error() != `no BrokerNode "boss" in this mesh; it has manager, worker` {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{"", "node", "node/", "pod/x", "/x"} {
		if _, _, err := ParseObject(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	x, err := Explain(m, topology.KindBrokerNode, "manager", noon.Add(time.Hour))
	if err != nil || len(x.Notes) != 1 || !strings.Contains(x.Notes[0], "1h0m0s ago; brokerctl up doesn't seem to run any more") {
		t.Errorf("%v, notes %v", err, x.Notes)
	}
}

// TestMeanings: every reason that a condition can have has a meaning, and those that a healthy mesh doesn't show have advice.
func TestMeanings(t *testing.T) {
	advised := make(map[v1alpha1.Reason]bool)
	for _, c := range evidence.Reasons() {
		for _, r := range c.Reasons {
			if meaning(r) == "" {
				t.Errorf("docs/conditions.md has no meaning of %s", r)
			}
			advised[r] = advice(r) != ""
		}
	}
	for _, r := range []v1alpha1.Reason{v1alpha1.ReasonTLSMismatch, v1alpha1.ReasonUnreachable, v1alpha1.ReasonNewHistory, v1alpha1.ReasonCAMissing} {
		if !advised[r] {
			t.Errorf("no advice about %s", r)
		}
	}
	if advised[v1alpha1.ReasonListening] || advice(lint.SinglePoint) == "" || advice("Nothing") != "" {
		t.Error("advice of lint's table is not given, or some about nothing")
	}
}
