// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// zeeked adds the external node zeek, which connects to manager, and to which worker-1 connects; then comes another change.
func zeeked(change func(*mesh)) func(*mesh) {
	return func(m *mesh) {
		before := m.Compiled
		objects(func(o *topology.Objects) {
			o.Nodes = append(o.Nodes, v1alpha1.BrokerNode{ObjectMeta: meta("zeek"), Spec: v1alpha1.BrokerNodeSpec{
				External: &v1alpha1.ExternalSpec{Address: "zeek.example.org:9999"}}})
			o.Peerings[1].Spec.To = v1alpha1.PeeringTo{Node: "zeek"}
			o.Peerings = append(o.Peerings, v1alpha1.Peering{ObjectMeta: meta("zeek-manager"), Spec: v1alpha1.PeeringSpec{
				From: v1alpha1.PeeringFrom{Node: "zeek"}, To: v1alpha1.PeeringTo{Node: "manager"}}})
		})(m)
		for i, n := range before.Nodes {
			m.status(n.Pods[0].Pod).ConfigHash = m.Compiled.Nodes[i].Pods[0].Hash
			m.status(n.Pods[0].Pod).Features = []string{"AcceptedPeers"}
		}
		m.status("manager-0").Peers = append(m.status("manager-0").Peers,
			statusapi.Peer{Peering: "zeek-manager", Address: "10.0.0.9:1", EndpointID: "id-of-zeek", URI: "brokermesh://default/node/zeek", State: "Peered"})
		if change != nil {
			change(m)
		}
	}
}

func zeekGone(m *mesh) { s := m.status("manager-0"); s.Peers = s.Peers[:1] }

const inbound = "zeek-manager"

// externalTests are the cases of TestReasons with an external node.
var externalTests = []struct {
	change                func(*mesh)
	kind, name, condition string
	want, message         string
}{
	{zeeked(nil), bn, "zeek", "Ready", "True/SeenByPeers", "manager-0, worker-1-0 report it"},
	{zeeked(zeekGone), bn, "zeek", "Ready", "False/NotSeen", "zeek isn't connected to manager-0"},
	{zeeked(func(m *mesh) { zeekGone(m); atOutside("TLSFailed")(m) }), bn, "zeek", "Ready", "False/NotSeen", "; and 1 more links"},
	{zeeked(silent("manager-0")), bn, "zeek", "Ready", "Unknown/EvidenceTooOld", "manager-0"},
	{zeeked(func(m *mesh) { silent("manager-0")(m); atOutside("Lost")(m) }), bn, "zeek", "Ready", "False/NotSeen", "worker-1-0 isn't connected to zeek.example.org:9999"},
	{zeeked(objects(func(o *topology.Objects) { o.Peerings = o.Peerings[:1] })), bn, "zeek", "Ready", "Unknown/NotSeen", "no peering joins it"},
	{zeeked(nil), bn, "zeek", "Configured", "True/RunsElsewhere", "nothing to configure here but its certificate"},
	{zeeked(func(m *mesh) { m.Facts = map[string]Facts{"zeek": {CAMissing: true}} }), bn, "zeek", "Configured", "False/CAMissing", "no new CA is made"},
	{zeeked(func(m *mesh) { m.Facts = map[string]Facts{"zeek": {Conflict: "Secret zeek-tls"}} }), bn, "zeek", "Configured", "False/Conflict", "zeek-tls"},
	{zeeked(nil), bn, "manager", "Configured", "True/Applied", ""},

	{zeeked(nil), bp, inbound, "Established", "True/OneSided", "manager reports zeek, which isn't managed here"},
	{zeeked(nil), bp, outside, "Established", "True/OneSided", "worker-1 reports zeek, which isn't managed here"},
	{zeeked(zeekGone), bp, inbound, "Established", "False/Connecting", "zeek isn't connected to manager-0"},
	{zeeked(func(m *mesh) { m.status("manager-0").Peers[1].State = "Closing" }), bp, inbound, "Established", "False/Connecting", "zeek isn't connected"},
	{zeeked(gone("manager-0", PodPending)), bp, inbound, "Established", "False/Connecting", "manager-0 doesn't run"},
	{zeeked(silent("manager-0")), bp, inbound, "Established", "Unknown/EvidenceTooOld", "manager-0"},
	{zeeked(scaled("manager", 0)), bp, inbound, "Established", "True/NoLinks", "zeek and manager have no pods to be joined"},
	{zeeked(objects(func(o *topology.Objects) { o.Nodes[2].Spec.External.Address = "" })), bp, outside, "Established", "False/NoAddress", "no spec.external.address"},
	{zeeked(objects(func(o *topology.Objects) { o.Peerings[2].Spec.To = v1alpha1.PeeringTo{Address: "a:1"} })), bp, inbound, "Established", "False/BothOutside", `BrokerNode "zeek" runs elsewhere, and so does "a:1"`},
	{zeeked(func(m *mesh) {
		p := &m.status("manager-0").Peers[1]
		p.Dropping, p.DropPolicy = true, "DropOldest"
	}), bp, inbound, "Dropping", "True/QueueOverflow", "manager-0 to zeek (DropOldest)"},
	{zeeked(objects(func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "zeek" })), bds, store, "MasterAvailable", "False/RunsElsewhere", `BrokerNode "zeek" runs elsewhere`},
	{zeeked(objects(func(o *topology.Objects) { o.Stores[0].Spec.Clones[0].Node = "zeek" })), bds, store, "ClonesSynced", "False/RunsElsewhere", `BrokerNode "zeek" runs elsewhere`},
}

// TestExternalStatus: an external node's status is what others see.
func TestExternalStatus(t *testing.T) {
	m := newMesh()
	zeeked(nil)(m)
	v := m.step(0)
	z := v.Nodes["zeek"]
	if z.Peers != "2/2" || z.EndpointID != "id-of-zeek" || len(z.Pods) != 0 || z.Replicas != nil || z.Selector != "" || z.UndeclaredPeers != 0 {
		t.Errorf("status %+v", z)
	}
	if got := [2]string{v.Nodes["manager"].Peers, v.Nodes["worker-1"].Peers}; got != [2]string{"2/2", "2/2"} {
		t.Errorf("peers of its peers: %q", got)
	}
	if p := v.Peerings[inbound]; p.Links != "1/1" || p.From != "zeek" || p.To != "manager" {
		t.Errorf("peering %+v", p)
	}
	m.observe("manager-0", func(o *Observation) { o.Status = nil }) // a new process that hasn't answered yet
	if got := m.step(time.Second).Nodes["zeek"]; got.Peers != "2/2" || got.EndpointID != "id-of-zeek" {
		t.Errorf("while a peer is awaited: %+v", got)
	}
	m = newMesh()
	zeeked(func(m *mesh) { zeekGone(m); atOutside("Lost")(m) })(m)
	v = m.step(0)
	if z := v.Nodes["zeek"]; z.Peers != "0/2" || z.EndpointID != "" {
		t.Errorf("not seen: %+v", z)
	}
	if p := v.Peerings[inbound].Problems; len(p) != 1 || p[0].From != "zeek" || p[0].To != "manager-0" || p[0].ToState != "NotReported" || p[0].FromState != "" {
		t.Errorf("problems %+v", p)
	}
}

// TestUndeclared counts peers that no peering is about.
func TestUndeclared(t *testing.T) {
	came := func(p statusapi.Peer) statusapi.Peer {
		p.Address, p.State = "10.1.1.1:1", "Peered"
		return p
	}
	for why, c := range map[string]struct {
		peer statusapi.Peer
		want int32
	}{
		"another node of the mesh":     {came(statusapi.Peer{URI: "brokermesh://default/node/worker-2", EndpointID: "x"}), 1},
		"a node of another mesh":       {came(statusapi.Peer{URI: "brokermesh://far/node/worker-1", EndpointID: "x"}), 1},
		"some certificate":             {came(statusapi.Peer{Subject: "CN=x", EndpointID: "x"}), 1},
		"nobody known":                 {came(statusapi.Peer{EndpointID: "x"}), 1},
		"a pod that may come, by name": {came(statusapi.Peer{URI: "brokermesh://default/node/worker-1", EndpointID: "x"}), 0},
		"a pod that may come, by ID":   {came(statusapi.Peer{EndpointID: "id-of-worker-1-0"}), 0},
		"an external node":             {came(statusapi.Peer{URI: "brokermesh://default/node/zeek", EndpointID: "x"}), 0},
		"recognized by the node":       {came(statusapi.Peer{Peering: inbound, EndpointID: "x"}), 0},
		"people's tools":               {came(statusapi.Peer{URI: "brokermesh://default/client", EndpointID: "x"}), 0},
		"dialed":                       {came(statusapi.Peer{Dialed: true, EndpointID: "x"}), 0},
		"not peered yet":               {statusapi.Peer{State: "Connecting"}, 0},
	} {
		m := newMesh()
		zeeked(nil)(m)
		m.status("manager-0").Peers = append(m.status("manager-0").Peers, c.peer)
		if got := m.step(0).Nodes["manager"].UndeclaredPeers; got != c.want {
			t.Errorf("%s: %d, want %d", why, got, c.want)
		}
	}
	m := newMesh()
	m.status("manager-0").Peers = append(m.status("manager-0").Peers, came(statusapi.Peer{EndpointID: "x"}))
	m.status("worker-1-0").EndpointID = ""
	if got := m.step(0).Nodes["manager"].UndeclaredPeers; got != 0 {
		t.Errorf("while a partner's ID isn't known: %d", got)
	}
}

// TestUndeclaredIsQuiet: who comes and goes changes the number once, and once it is gone for a minute.
func TestUndeclaredIsQuiet(t *testing.T) {
	m := newMesh()
	stranger := statusapi.Peer{EndpointID: "x", State: "Peered", Address: "10.1.1.1:1"}
	count := func(d time.Duration, strangers int, want int32) {
		t.Helper()
		peers := m.status("manager-0").Peers[:1:1]
		for range strangers {
			peers = append(peers, stranger)
		}
		m.status("manager-0").Peers = peers
		m.Now = m.Now.Add(d)
		m.hear("manager-0", "worker-1-0")
		if got := m.step(0).Nodes["manager"].UndeclaredPeers; got != want {
			t.Errorf("with %d at %v: %d, want %d", strangers, m.Now.Sub(noon), got, want)
		}
	}
	count(0, 0, 0)
	for range 10 {
		count(7*time.Second, 2, 2)
		count(7*time.Second, 1, 2)
	}
	count(50*time.Second, 1, 2)
	if next := m.Previous.NextCheck; next <= 0 || next > 3*time.Second {
		t.Errorf("looked at again in %v", next)
	}
	count(3*time.Second, 1, 1)
	count(time.Second, 0, 1)
	m.observe("manager-0", func(o *Observation) { o.Status = nil })
	if got := m.step(2 * time.Minute).Nodes["manager"].UndeclaredPeers; got != 1 {
		t.Errorf("nothing is known of it now: %d", got)
	}
}
