// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// chaos is a source of random meshes and observations; its seed replays it.
type chaos struct{ *rand.Rand }

func pick[T any](c chaos, list ...T) T { return list[c.IntN(len(list))] }

func (c chaos) node() string { return pick(c, "a", "b", "c", "d", "missing") }

func (c chaos) objects() topology.Objects {
	var o topology.Objects
	for _, n := range []string{"a", "b", "c", "d"} {
		node := v1alpha1.BrokerNode{ObjectMeta: meta(n)}
		node.Spec.TLS = &v1alpha1.TLSSpec{Mode: pick(c, v1alpha1.TLSMesh, v1alpha1.TLSMesh, v1alpha1.TLSDisabled)}
		if c.IntN(2) == 0 {
			node.Spec.Storage, node.Spec.WebSocket = &v1alpha1.StorageSpec{}, &v1alpha1.WebSocketSpec{}
		}
		o.Nodes = append(o.Nodes, node)
	}
	for i := range 6 {
		p := v1alpha1.Peering{ObjectMeta: meta(fmt.Sprint("p", i))}
		p.Spec.From.Node, p.Spec.To.Node = c.node(), c.node()
		if c.IntN(4) == 0 {
			p.Spec.To = v1alpha1.PeeringTo{Address: pick(c, "x.example.org:1", "a-0.a-pods.default.svc:9999")}
		}
		o.Peerings = append(o.Peerings, p)
	}
	for i := range 3 {
		s := v1alpha1.DataStore{ObjectMeta: meta(fmt.Sprint("s", i))}
		s.Spec.StoreName = pick(c, "", "same")
		s.Spec.Master = v1alpha1.MasterSpec{Node: c.node(), Backend: pick(c, v1alpha1.BackendMemory, v1alpha1.BackendSQLite)}
		for _, n := range []string{"a", "b", "c", "d", "missing"} {
			if n != s.Spec.Master.Node && c.IntN(2) == 0 {
				s.Spec.Clones = append(s.Spec.Clones, v1alpha1.CloneSpec{Node: n})
			}
		}
		o.Stores = append(o.Stores, s)
	}
	return o
}

func (c chaos) status(plan topology.PodPlan) *statusapi.Status {
	s := &statusapi.Status{
		EndpointID: pick(c, "id-"+plan.Pod, "id-"+plan.Pod, "id-new", ""), Version: pick(c, "v1", ""),
		ConfigVersions: pick(c, []int{1}, []int{1}, []int{2}, nil),
		ConfigHash:     pick(c, plan.Hash, plan.Hash, "x"), ConfigError: pick(c, "", "bad"), RestartNeeded: pick(c, "", "", "tls"),
		Draining: c.IntN(9) == 0,
	}
	for range c.IntN(3) {
		s.Listeners = append(s.Listeners, statusapi.Listener{Name: pick(c, "broker", "websocket", "?"), Address: "h:1"})
	}
	for range c.IntN(6) {
		s.Peers = append(s.Peers, statusapi.Peer{
			Peering: pick(c, "", "p0", "p1", "p2", "p3", "p4", "p5"), EndpointID: pick(c, "id-a-0", "id-b-0", "id-c-0", "id-d-0", ""),
			URI:   pick(c, "", "brokermesh://default/node/a", "brokermesh://default/node/b"),
			State: pick(c, "Peered", "Peered", "Connecting", "Disconnected", "Closing", "??"), Dropping: c.IntN(5) == 0,
			Error: pick(c, "", "Refused", "TLSFailed", "Incompatible", "Overflow", "1.2.3.4:5: it broke"), DropPolicy: pick(c, "", "DropOldest", "??"),
		})
	}
	for range c.IntN(5) {
		s.Stores = append(s.Stores, statusapi.Store{Object: pick(c, "s0", "s1", "s2"), Role: pick(c, "Master", "Clone", "?"),
			State: pick(c, "Loading", "Serving", "Failed", "Attaching", "Synced", "Stale", "Broken", "?")})
	}
	return s
}

// TestAnything judges random observations of random meshes, step by step: reasons come from the closed list, the time of a
// transition moves with the status only, messages hold nothing that nodes made up, and a second look changes nothing.
func TestAnything(t *testing.T) {
	closed := map[string][]v1alpha1.Reason{}
	for _, r := range Reasons() {
		closed[r.Kind+" "+r.Type] = r.Reasons
	}
	for seed := range uint64(60) {
		c := chaos{rand.New(rand.NewPCG(seed, 7))}
		in := Input{Objects: c.objects(), Now: noon, Started: noon, Observations: map[string]Observation{}}
		in.Compiled = topology.Compile(in.Objects, topology.Options{RequireStorage: c.IntN(2) == 0})
		for range 12 {
			for _, n := range in.Compiled.Nodes {
				if plan := n.Pods[0]; c.IntN(2) == 0 {
					o := Observation{Pod: pick(c, PodRunning, PodRunning, PodRunning, PodPending, PodMissing, PodTerminating, PodImageUnavailable, "?"), Received: in.Now}
					if c.IntN(4) > 0 {
						o.Status = c.status(plan)
					}
					in.Observations[plan.Pod] = o
				}
			}
			in.Facts = map[string]Facts{"a": {CAMissing: c.IntN(9) == 0, Conflict: pick(c, "", "", "x"), RestartNeeded: pick(c, "", "image")}}
			v := Judge(in)
			if again := Judge(in); !reflect.DeepEqual(v, again) {
				t.Fatalf("seed %d: two judgements differ", seed)
			}
			checkVerdict(t, seed, in, v, closed)
			in.Previous = v
			again := Judge(in)
			if !reflect.DeepEqual(again.Nodes, v.Nodes) || !reflect.DeepEqual(again.Peerings, v.Peerings) || !reflect.DeepEqual(again.Stores, v.Stores) {
				t.Fatalf("seed %d: the same evidence again: got\n%s\nwant\n%s", seed, asJSON(t, again), asJSON(t, v))
			}
			if v.NextCheck < 0 || v.NextCheck > DropMemory {
				t.Fatalf("seed %d: next check in %v", seed, v.NextCheck)
			}
			in.Now = in.Now.Add(time.Duration(c.IntN(12)) * time.Second)
		}
	}
}

var madeUp = regexp.MustCompile(`1\.2\.3\.4|\?\?|h:1`)

func checkVerdict(t *testing.T, seed uint64, in Input, v Verdict, closed map[string][]v1alpha1.Reason) {
	t.Helper()
	if len(v.Nodes) != len(in.Compiled.Nodes) || len(v.Peerings) != len(in.Compiled.Peerings) || len(v.Stores) != len(in.Compiled.Stores) {
		t.Fatalf("seed %d: objects without status", seed)
	}
	want := map[string]int{bn: 2, bp: 3, bds: 3}
	count := func(kind, name string) {
		list := conditions(v, kind, name)
		if len(list) != want[kind] {
			t.Fatalf("seed %d: %s/%s has %d conditions", seed, kind, name, len(list))
		}
		before := conditions(in.Previous, kind, name)
		for i, c := range list {
			if !slices.Contains(closed[kind+" "+c.Type], v1alpha1.Reason(c.Reason)) {
				t.Errorf("seed %d: %s/%s %s: reason %q is not in the list", seed, kind, name, c.Type, c.Reason)
			}
			if c.Message == "" || madeUp.MatchString(c.Message) {
				t.Errorf("seed %d: %s/%s %s: message %q", seed, kind, name, c.Type, c.Message)
			}
			if before != nil && (c.Status == before[i].Status) != c.LastTransitionTime.Equal(&before[i].LastTransitionTime) && !in.Now.Equal(before[i].LastTransitionTime.Time) {
				t.Errorf("seed %d: %s/%s %s: %s at %v after %s at %v", seed, kind, name, c.Type, c.Status, c.LastTransitionTime, before[i].Status, before[i].LastTransitionTime)
			}
		}
	}
	for name := range v.Nodes {
		count(bn, name)
	}
	for name := range v.Peerings {
		count(bp, name)
	}
	for name := range v.Stores {
		count(bds, name)
	}
}
