// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"reflect"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// TestQuiet hears the same again and again, with other traffic figures: no byte of the statuses changes.
func TestQuiet(t *testing.T) {
	m := newMesh()
	first := asJSON(t, m.step(0))
	for range 20 {
		m.Now = m.Now.Add(9700 * time.Millisecond)
		m.hear("manager-0", "worker-1-0")
		m.status("manager-0").Peers[0].Sent += 1000
		m.status("manager-0").Stores[0].Entries++
		m.status("worker-1-0").Stores[0].Lag++
		m.status("worker-1-0").Generation++
		if again := asJSON(t, m.step(0)); again != first {
			t.Fatalf("got %s\nwant %s", again, first)
		}
	}
}

// TestPure judges one input twice.
func TestPure(t *testing.T) {
	m := newMesh()
	disagreeing(m)
	m.status("worker-1-0").Peers[1].Dropping = true
	in := m.Input
	if a, b := Judge(in), Judge(in); !reflect.DeepEqual(a, b) {
		t.Errorf("got %+v, then %+v", a, b)
	}
	if !reflect.DeepEqual(in, m.Input) {
		t.Error("the input has changed")
	}
}

func TestTransitionTime(t *testing.T) {
	m := newMesh()
	m.step(0)
	m.status("manager-0").Listeners = nil
	c := expect(t, m.step(time.Second), bn, "manager", "Ready", "False/NotListening")
	if want := noon.Add(time.Second); !c.LastTransitionTime.Time.Equal(want) {
		t.Errorf("transition at %v, want %v", c.LastTransitionTime, want)
	}
	m.status("manager-0").Draining = true
	again := expect(t, m.step(time.Second), bn, "manager", "Ready", "False/Draining")
	if !again.LastTransitionTime.Equal(&c.LastTransitionTime) {
		t.Errorf("the transition moved to %v with the reason alone", again.LastTransitionTime)
	}
	m.Objects.Nodes[0].Generation = 4
	if c := condition(t, m.step(0), bn, "manager", "Ready"); c.ObservedGeneration != 4 {
		t.Errorf("observed generation %d", c.ObservedGeneration)
	}
}

// TestStart takes over from another judge: what it has not heard itself stays as it stands on the objects, for 30 seconds.
func TestStart(t *testing.T) {
	before := newMesh()
	stand := before.step(0)
	m := newMesh()
	m.Started = noon.Add(time.Hour)
	m.Now = m.Started
	for i := range m.Objects.Nodes {
		m.Objects.Nodes[i].Status = stand.Nodes[m.Objects.Nodes[i].Name]
	}
	for i := range m.Objects.Peerings {
		m.Objects.Peerings[i].Status = stand.Peerings[m.Objects.Peerings[i].Name]
	}
	m.Objects.Stores[0].Status = stand.Stores[store]
	heard := map[string]Observation{"manager-0": m.Observations["manager-0"], "worker-1-0": m.Observations["worker-1-0"]}
	gone("manager-0", PodRunning)(m)
	gone("worker-1-0", PodRunning)(m)

	for _, d := range []time.Duration{0, 10 * time.Second, MaxAge - 11*time.Second} {
		v := m.step(d)
		if got, want := asJSON(t, v), asJSON(t, stand); got != want {
			t.Fatalf("%v after the start: got\n%s\nwant\n%s", m.Now.Sub(m.Started), got, want)
		}
		if want := MaxAge - m.Now.Sub(m.Started); v.NextCheck != want {
			t.Errorf("next check in %v, want %v", v.NextCheck, want)
		}
	}
	// The manager is heard just in time, the worker isn't.
	m.Observations["manager-0"] = heard["manager-0"]
	m.hear("manager-0")
	v := m.step(time.Second)
	expect(t, v, bn, "manager", "Ready", "True/Listening")
	expect(t, v, bn, "worker-1", "Ready", "Unknown/EvidenceTooOld")
	expect(t, v, bp, link, "Established", "Unknown/EvidenceTooOld")
	expect(t, v, bds, store, "MasterAvailable", "True/Serving")
	expect(t, v, bds, store, "ClonesSynced", "Unknown/EvidenceTooOld")
	expect(t, v, bds, store, "Ready", "Unknown/EvidenceTooOld")
	m.Observations["worker-1-0"] = heard["worker-1-0"]
	m.hear("manager-0", "worker-1-0")
	expect(t, m.step(time.Second), bp, link, "Established", "True/BothEndsAgree")
}

// TestNewNode follows a node from nothing to Ready; nothing is Unknown on the way.
func TestNewNode(t *testing.T) {
	m := newMesh()
	answer := m.Observations["manager-0"]
	for _, s := range []struct {
		pod  PodState
		want string
	}{{PodMissing, "False/PodPending"}, {PodPending, "False/PodPending"}, {PodRunning, "False/NotListening"}} {
		gone("manager-0", s.pod)(m)
		m.hear("worker-1-0")
		v := m.step(time.Second)
		expect(t, v, bn, "manager", "Ready", s.want)
		expect(t, v, bn, "manager", "Configured", "False/Applying")
		expect(t, v, bp, link, "Established", "False/Connecting")
		expect(t, v, bds, store, "MasterAvailable", "False/NodeNotReady")
	}
	m.Observations["manager-0"] = answer
	m.hear("manager-0", "worker-1-0")
	expect(t, m.step(time.Second), bn, "manager", "Ready", "True/Listening")
}

// TestAging lets evidence grow old: the verdict says when to look again, and that is when the condition turns.
func TestAging(t *testing.T) {
	m := newMesh()
	v := m.step(0)
	v = m.step(v.NextCheck - 1)
	expect(t, v, bn, "manager", "Ready", "True/Listening")
	v = m.step(v.NextCheck)
	expect(t, v, bn, "manager", "Ready", "Unknown/EvidenceTooOld")
	expect(t, v, bn, "manager", "Configured", "Unknown/EvidenceTooOld")
	if pod := v.Nodes["manager"].Pods[0]; pod.EndpointID != "id-of-manager-0" || pod.Since == nil {
		t.Errorf("who it was is forgotten: %+v", pod)
	}
	if v.NextCheck != 0 {
		t.Errorf("time alone changes nothing any more, but the next check is in %v", v.NextCheck)
	}
}

// TestContradiction asks both ends again before it says that they disagree.
func TestContradiction(t *testing.T) {
	m := newMesh()
	m.step(0)
	peers := m.status("manager-0").Peers
	m.status("manager-0").Peers = nil
	m.hear("manager-0")
	v := m.step(0)
	expect(t, v, bp, link, "Established", "True/BothEndsAgree") // as it was
	if want := []string{"manager-0", "worker-1-0"}; !slices.Equal(v.AskAgain, want) {
		t.Errorf("ask again %v, want %v", v.AskAgain, want)
	}
	m.Now = m.Now.Add(time.Second)
	m.hear("manager-0")
	v = m.step(0)
	expect(t, v, bp, link, "Established", "True/BothEndsAgree")
	if want := []string{"worker-1-0"}; !slices.Equal(v.AskAgain, want) || v.Peerings[link].Links != "1/1" {
		t.Errorf("ask again %v, want %v; links %s", v.AskAgain, want, v.Peerings[link].Links)
	}
	m.Now = m.Now.Add(time.Second)
	m.hear("worker-1-0")
	v = m.step(0)
	expect(t, v, bp, link, "Established", "False/EndsDisagree")
	if len(v.AskAgain) != 0 {
		t.Errorf("ask again %v", v.AskAgain)
	}
	if p := v.Peerings[link].Problems; len(p) != 1 || p[0].FromState != "Peered" || p[0].ToState != "NotReported" {
		t.Errorf("problems %+v", p)
	}
	// Another contradiction (the manager has come back as another endpoint) starts anew, from what the condition says now.
	m.status("manager-0").Peers, m.status("manager-0").EndpointID = peers, "another"
	m.hear("manager-0", "worker-1-0")
	v = m.step(time.Second)
	expect(t, v, bp, link, "Established", "False/EndsDisagree")
	if len(v.AskAgain) != 2 {
		t.Errorf("ask again %v", v.AskAgain)
	}
	m.status("worker-1-0").Peers[0].EndpointID = "another"
	expect(t, m.step(0), bp, link, "Established", "True/BothEndsAgree")
	if n := len(m.Previous.Memo.mismatches); n != 0 {
		t.Errorf("%d contradictions remembered", n)
	}
}

// TestFirstContradiction has no condition to leave as it was.
func TestFirstContradiction(t *testing.T) {
	m := newMesh()
	m.status("worker-1-0").Peers[0].State = "Connecting"
	expect(t, m.step(0), bp, link, "Established", "False/Connecting")
}

// TestSilentEndByName knows the worker's connection by its certificate while the worker itself was never heard.
func TestSilentEndByName(t *testing.T) {
	m := newMesh()
	gone("worker-1-0", PodRunning)(m)
	expect(t, Judge(m.Input), bp, link, "Established", "Unknown/EvidenceTooOld")
	m.status("manager-0").Peers[0].URI = "brokermesh://other/node/worker-1"
	expect(t, Judge(m.Input), bp, link, "Established", "False/Connecting")
	m.Objects.Nodes[0].Spec.TLS, m.Objects.Nodes[1].Spec.TLS = &v1alpha1.TLSSpec{Mode: "Disabled"}, &v1alpha1.TLSSpec{Mode: "Disabled"}
	m.compile() // without TLS nobody has a name: nothing can be said
	expect(t, Judge(m.Input), bp, link, "Established", "Unknown/EvidenceTooOld")
}

// TestDropMemory remembers for five minutes what a connection that is gone has dropped; else the node itself says when.
func TestDropMemory(t *testing.T) {
	m := newMesh()
	manager := m.status("manager-0")
	peers := slices.Clone(manager.Peers)
	manager.Peers[0].Dropping, manager.Peers[0].DropPolicy = true, "DropNewest"
	m.hear("manager-0", "worker-1-0")
	expect(t, m.step(0), bp, link, "Dropping", "True/QueueOverflow")
	manager.Peers = nil
	m.Now = m.Now.Add(DropMemory - time.Second)
	m.hear("manager-0", "worker-1-0")
	v := m.step(0)
	expect(t, v, bp, link, "Dropping", "True/QueueOverflow")
	if v.NextCheck != time.Second {
		t.Errorf("next check in %v", v.NextCheck)
	}
	expect(t, m.step(v.NextCheck), bp, link, "Dropping", "False/NothingDropped")

	manager.Peers = slices.Clone(peers)
	manager.Peers[0].Dropping = true
	m.hear("manager-0", "worker-1-0")
	expect(t, m.step(0), bp, link, "Dropping", "True/QueueOverflow")
	manager.Peers[0].Dropping = false
	expect(t, m.step(time.Second), bp, link, "Dropping", "False/NothingDropped")
}

// TestStatusesOfTheAPI compares what is judged with what an API server gives back: times in whole seconds.
func TestStatusesOfTheAPI(t *testing.T) {
	m := newMesh()
	m.Now = noon.Add(123456789).In(time.FixedZone("somewhere", 3600))
	m.hear("manager-0", "worker-1-0")
	v := m.step(0)
	for _, at := range []*metav1.Time{&v.Nodes["manager"].Conditions[0].LastTransitionTime, v.Nodes["manager"].Pods[0].Since} {
		if at.Nanosecond() != 0 || at.Location() != time.UTC {
			t.Errorf("got %v", at)
		}
	}
}
