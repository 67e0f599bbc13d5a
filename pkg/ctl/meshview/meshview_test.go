// SPDX-License-Identifier: Apache-2.0

package meshview

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

func cond(kind string, status metav1.ConditionStatus, reason v1alpha1.Reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: string(reason), Message: message}
}

// state is a mesh of two nodes, a peering and a store.
func state() State {
	yes := cond(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonListening, "runs")
	return State{
		DataDir: "/data",
		Verdict: evidence.Verdict{
			Nodes: map[string]v1alpha1.BrokerNodeStatus{
				"manager": {Peers: "1/1", Conditions: []metav1.Condition{yes, cond(v1alpha1.ConditionConfigured, metav1.ConditionTrue, v1alpha1.ReasonApplied, "a")}},
				"w":       {Peers: "0/1", Conditions: []metav1.Condition{yes}},
			},
			Peerings: map[string]v1alpha1.PeeringStatus{
				"p": {From: "w", To: "manager", Links: "1/1", Conditions: []metav1.Condition{
					cond(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree, "agree"),
					cond(v1alpha1.ConditionEstablished, metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree, "agree"),
					cond(v1alpha1.ConditionDropping, metav1.ConditionFalse, v1alpha1.ReasonNothingDropped, "none"),
				}},
			},
			Stores: map[string]v1alpha1.DataStoreStatus{
				"known": {StoreName: "zeek/known", Conditions: []metav1.Condition{cond(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllSynced, "ok")}},
			},
		},
		Statuses: map[string]statusapi.Status{
			"manager-0": {
				Pod:       "manager-0",
				Listeners: []statusapi.Listener{{Name: "broker", Address: "127.0.0.1:1"}, {Name: "websocket", Address: "127.0.0.1:2"}},
				Stores:    []statusapi.Store{{Object: "known", Role: statusapi.RoleMaster, Backend: "SQLite", State: statusapi.StoreServing, Entries: 1}},
			},
			"w-0": {
				Pod:       "w-0",
				Listeners: []statusapi.Listener{{Name: "broker", Address: "127.0.0.1:34567"}},
				Stores:    []statusapi.Store{{Object: "known", Role: statusapi.RoleClone, State: statusapi.StoreSynced}, {Object: "z", Role: statusapi.RoleClone, State: statusapi.StoreStale}},
			},
		},
	}
}

func TestTable(t *testing.T) {
	s := state()
	want := []string{
		" NODE     READY  ADDRESS          WEBSOCKET    PEERS  STORES",
		" manager  yes    127.0.0.1:1      127.0.0.1:2  1/1    known (master, SQLite, 1 entry)",
		" w        yes    127.0.0.1:34567  -            0/1    known (clone, in sync), z (clone, stale)",
		" 1 peering established · 1 store ready · data in /data · stop me",
	}
	if got := Table(s, TableOptions{Hint: "stop me"}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !s.Ready() {
		t.Errorf("missing: %q", s.Missing())
	}
}

func TestTableOfReplicas(t *testing.T) {
	s := state()
	s.Verdict.Nodes["w"] = v1alpha1.BrokerNodeStatus{
		Peers: "2/2", Replicas: new(int32(2)), Selector: "x=w", Pods: []v1alpha1.PodStatus{{Name: "w-0"}, {Name: "w-1"}},
		Conditions: s.Verdict.Nodes["w"].Conditions,
	}
	s.Verdict.Nodes["z"] = v1alpha1.BrokerNodeStatus{Peers: "0/0", Selector: "x=z", Conditions: s.Verdict.Nodes["w"].Conditions}
	want := []string{
		" NODE     READY  ADDRESS          WEBSOCKET    PEERS  MSG/S  STORES",
		" manager  yes    127.0.0.1:1      127.0.0.1:2  1/1    0      known (master, SQLite, 1 entry)",
		" w        yes    2 pods                        2/2           ",
		"   w-0           127.0.0.1:34567  -                   3      known (clone, in sync), z (clone, stale)",
		"   w-1           -                -                   0      -",
		" z        yes    0 pods                        0/0           ",
		" 1 peering established · 1 store ready · data in /data",
	}
	if got := Table(s, TableOptions{Rates: map[string]float64{"w-0": 3}}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTableOfAMeshThatIsNotReady(t *testing.T) {
	s := state()
	refused := cond(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRefused, "no answer")
	again := refused
	again.Type = v1alpha1.ConditionEstablished
	s.Verdict.Peerings["p"] = v1alpha1.PeeringStatus{Conditions: []metav1.Condition{refused, again, cond(v1alpha1.ConditionDropping, metav1.ConditionTrue, v1alpha1.ReasonQueueOverflow, "full")}}
	s.Verdict.Peerings["q"] = s.Verdict.Peerings["p"]
	s.Verdict.Nodes["w"] = v1alpha1.BrokerNodeStatus{}
	m := s.Statuses["manager-0"]
	m.Stores[0].State = statusapi.StoreFailed
	got := Table(s, TableOptions{Rates: map[string]float64{"manager-0": 1234.5}})
	want := []string{
		" NODE     READY    ADDRESS          WEBSOCKET    PEERS  MSG/S  STORES",
		" manager  yes      127.0.0.1:1      127.0.0.1:2  1/1    1234   known (master, SQLite, failed)",
		" w        unknown  127.0.0.1:34567  -            -      0      known (clone, in sync), z (clone, stale)",
		" 0 of 2 peerings established · 1 store ready · data in /data",
		"   brokernode/w: Ready is Unknown: nothing known yet",
		"   peering/p: Ready is False: Refused: no answer",
		"   peering/p: Dropping is True: QueueOverflow: full",
		"   peering/q: Ready is False: Refused: no answer",
		"   peering/q: Dropping is True: QueueOverflow: full",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if s.Ready() || len(s.Missing()) != 5 {
		t.Errorf("missing: %q", s.Missing())
	}
	if (State{}).Ready() {
		t.Error("nothing is ready")
	}
}

func TestTableOnATerminal(t *testing.T) {
	lines := Table(state(), TableOptions{Color: true, Width: 20})
	if want := "\x1b[1m NODE     READY  AD…\x1b[0m"; lines[0] != want {
		t.Errorf("header %q, want %q", lines[0], want)
	}
	if want := " manager \x1b[32m yes \x1b[0m   12…"; lines[1] != want {
		t.Errorf("row %q, want %q", lines[1], want)
	}
}

func TestChanges(t *testing.T) {
	var c Changes
	s := state()
	first := c.Next(s)
	if len(first) != 4 || first[0] != "brokernode/manager: Ready is True: Listening: runs" {
		t.Errorf("first lines: %q", first)
	}
	if again := c.Next(s); len(again) != 0 {
		t.Errorf("nothing has changed: %q", again)
	}
	p := s.Verdict.Peerings["p"].Conditions
	p[2] = cond(v1alpha1.ConditionDropping, metav1.ConditionTrue, v1alpha1.ReasonQueueOverflow, "full")
	if got := c.Next(s); len(got) != 1 || got[0] != "peering/p: Dropping is True: QueueOverflow: full" {
		t.Errorf("changed: %q", got)
	}
	p[2] = cond(v1alpha1.ConditionDropping, metav1.ConditionFalse, v1alpha1.ReasonNothingDropped, "none")
	if got := c.Next(s); len(got) != 1 || !strings.Contains(got[0], "NothingDropped") {
		t.Errorf("changed back: %q", got)
	}
}

func TestDocument(t *testing.T) {
	d := NewDocument(state())
	var b bytes.Buffer
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Nodes    []map[string]any
		Peerings []map[string]any
		Stores   []map[string]any
		DataDir  string
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	n := got.Nodes[0]
	if n["name"] != "manager" || n["address"] != "127.0.0.1:1" || n["webSocket"] != "127.0.0.1:2" || n["peers"] != "1/1" || len(n["conditions"].([]any)) != 2 {
		t.Errorf("node: %v", n)
	}
	if _, ok := got.Nodes[1]["webSocket"]; ok {
		t.Errorf("node: %v", got.Nodes[1])
	}
	if p := got.Peerings[0]; p["name"] != "p" || p["links"] != "1/1" || p["from"] != "w" {
		t.Errorf("peering: %v", p)
	}
	if s := got.Stores[0]; s["name"] != "known" || s["storeName"] != "zeek/known" || got.DataDir != "/data" {
		t.Errorf("store: %v", s)
	}
	b.Reset()
	if err := NewDocument(State{}).WriteJSON(&b); err != nil || b.String() != `{"nodes":[],"peerings":[],"stores":[]}`+"\n" {
		t.Errorf("empty: %s, %v", &b, err)
	}
}

func TestRates(t *testing.T) {
	var r Rates
	s, start := state(), time.Unix(0, 0)
	at := func(second int, sent uint64) map[string]float64 {
		w := s.Statuses["w-0"]
		w.Peers = []statusapi.Peer{{Sent: sent, Received: sent}}
		s.Statuses["w-0"] = w
		return r.Next(s, start.Add(time.Duration(second)*time.Second))
	}
	if got := at(1, 100); got != nil {
		t.Errorf("at the first look: %v", got)
	}
	if got := at(2, 105); got != nil {
		t.Errorf("nearly idle: %v", got)
	}
	if got := at(4, 305); got["w-0"] != 200 || got["manager-0"] != 0 {
		t.Errorf("busy: %v", got)
	}
	if got := at(4, 9999); got["w-0"] != 200 {
		t.Errorf("too early: %v", got)
	}
	if got := at(5, 305); got == nil || got["w-0"] != 0 {
		t.Errorf("idle again: %v", got)
	}
	if got := at(6, 5); got["w-0"] != 0 {
		t.Errorf("after a new connection: %v", got)
	}
}
