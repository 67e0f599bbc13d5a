// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"k8s.io/apimachinery/pkg/runtime"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const (
	bn, bp, bds = topology.KindBrokerNode, topology.KindPeering, topology.KindDataStore
	link        = "worker-1-manager"
	outside     = "worker-1-outside"
	store       = "known-hosts"
)

// Changes that several cases make.
func gone(pod string, state PodState) func(*mesh) {
	return func(m *mesh) { m.observe(pod, func(o *Observation) { o.Pod, o.Status = state, nil }) }
}

func silent(pods ...string) func(*mesh) {
	return func(m *mesh) {
		for _, pod := range pods {
			m.observe(pod, func(o *Observation) { o.Received = m.Now.Add(-MaxAge) })
		}
	}
}

func facts(f Facts) func(*mesh) {
	return func(m *mesh) { m.Facts = map[string]Facts{"manager": f} }
}

// unpeered takes the connection between worker-1 and manager away; the worker says why.
func unpeered(class string) func(*mesh) {
	return func(m *mesh) {
		m.status("manager-0").Peers = nil
		p := &m.status("worker-1-0").Peers[0]
		p.State, p.Error, p.EndpointID = "Disconnected", class, ""
	}
}

func atOutside(class string) func(*mesh) {
	return func(m *mesh) {
		p := &m.status("worker-1-0").Peers[1]
		p.State, p.Error = "Connecting", class
	}
}

func master(state string) func(*mesh) {
	return func(m *mesh) { m.status("manager-0").Stores[0].State = state }
}

func masterStore(change func(*statusapi.Store)) func(*mesh) {
	return func(m *mesh) { change(&m.status("manager-0").Stores[0]) }
}

func cloneStore(change func(*statusapi.Store)) func(*mesh) {
	return func(m *mesh) { change(&m.status("worker-1-0").Stores[0]) }
}

func clone(state string) func(*mesh) {
	return func(m *mesh) { m.status("worker-1-0").Stores[0].State = state }
}

func objects(change func(*topology.Objects)) func(*mesh) {
	return func(m *mesh) { change(&m.Objects); m.compile() }
}

// deleted has the store of the mesh deleted with its files.
func deleted(backend v1alpha1.Backend) func(*mesh) {
	return objects(func(o *topology.Objects) {
		o.Nodes[1].Spec.Storage = &v1alpha1.StorageSpec{}
		o.Stores[0].Spec.Master.Backend, o.Stores[0].DeletionTimestamp = backend, &metav1.Time{Time: noon}
	})
}

// kept has backups made of the store.
func kept(m *mesh) {
	objects(func(o *topology.Objects) {
		o.Stores[0].Spec.Backup = &v1alpha1.BackupSpec{Schedule: "@daily", VolumeClaim: "c"}
	})(m)
}

// begins has the store of the mesh begin with a backup.
func begins(m *mesh) {
	objects(func(o *topology.Objects) { o.Stores[0].Spec.RestoreFrom = &v1alpha1.RestoreSpec{VolumeClaim: "c"} })(m)
}

func restore(r statusapi.Restore) func(*mesh) {
	return masterStore(func(s *statusapi.Store) {
		if r.Request == "" {
			r.Request = "c/" + s.Name + "/latest"
		}
		s.Restore = &r
	})
}

func backup(b statusapi.Backup) func(*mesh) {
	return masterStore(func(s *statusapi.Store) { s.Backup = &b })
}

// all makes several changes.
func all(changes ...func(*mesh)) func(*mesh) {
	return func(m *mesh) {
		for _, change := range changes {
			change(m)
		}
	}
}

// scaled gives a node another number of pods; new ones don't run yet.
func scaled(node string, replicas int32) func(*mesh) {
	return objects(func(o *topology.Objects) {
		for i := range o.Nodes {
			if o.Nodes[i].Name == node {
				o.Nodes[i].Spec.Replicas = &replicas
			}
		}
	})
}

// seated says where the master is by the status.
func seated(node, specNode string, change func(*topology.Objects)) func(*mesh) {
	return objects(func(o *topology.Objects) {
		for i := range o.Nodes {
			o.Nodes[i].Spec.Storage = &v1alpha1.StorageSpec{}
		}
		o.Stores[0].Status.Master = &v1alpha1.MasterStatus{Node: node, Epoch: 1, SpecNode: specNode}
		if change != nil {
			change(o)
		}
	})
}

// moving has the master on its way from manager to worker-1; change is about what that says.
func moving(change func(*statusapi.Store)) func(*mesh) {
	return func(m *mesh) {
		seated("manager", "manager", func(o *topology.Objects) {
			o.Stores[0].Spec.Master.Node, o.Stores[0].Spec.Clones = "worker-1", []v1alpha1.CloneSpec{{Node: "manager"}}
		})(m)
		s := &m.status("worker-1-0").Stores[0]
		s.Role, s.State = "Master", "TakingOver"
		if change != nil {
			change(s)
		}
	}
}

// promotion has worker-1 take over, as the operator decided.
func promotion(state, refused string) func(*mesh) {
	return func(m *mesh) {
		seated("manager", "manager", func(o *topology.Objects) {
			o.Failovers = map[string]topology.Failover{store: {Node: "worker-1", Epoch: 3}}
		})(m)
		s := &m.status("worker-1-0").Stores[0]
		s.Role, s.State, s.Refused = "Master", state, refused
	}
}

func disagreeing(m *mesh) {
	m.status("manager-0").Peers = nil
	m.step(0)
	m.Now = m.Now.Add(time.Second)
	m.hear("manager-0", "worker-1-0")
}

// TestReasons tries every reason of every condition; what the closed list holds and no case shows is an error.
func TestReasons(t *testing.T) {
	tests := []struct {
		change                func(*mesh)
		kind, name, condition string
		want, message         string
	}{
		{nil, bn, "manager", "Ready", "True/Listening", "manager-0 runs and listens"},
		{facts(Facts{CAMissing: true}), bn, "manager", "Ready", "False/CAMissing", "no new CA is made"},
		{gone("manager-0", PodImageUnavailable), bn, "manager", "Ready", "False/ImageUnavailable", "image of manager-0"},
		{gone("manager-0", PodMissing), bn, "manager", "Ready", "False/PodPending", "manager-0 doesn't run yet"},
		{gone("manager-0", PodPending), bn, "manager", "Ready", "False/PodPending", "manager-0 doesn't run yet"},
		{gone("manager-0", PodRunning), bn, "manager", "Ready", "Unknown/EvidenceTooOld", "manager-0"}, // the judge waits since an hour
		{silent("manager-0"), bn, "manager", "Ready", "Unknown/EvidenceTooOld", "nothing was heard of manager-0 for 30 seconds"},
		{func(m *mesh) { m.status("manager-0").Listeners = nil }, bn, "manager", "Ready", "False/NotListening", "manager-0"},
		{func(m *mesh) { s := m.status("worker-1-0"); s.Listeners = s.Listeners[:1] }, bn, "worker-1", "Ready", "False/NotListening", "all its ports"},
		{func(m *mesh) { m.status("manager-0").Draining = true }, bn, "manager", "Ready", "False/Draining", "manager-0 is on its way out"},
		{func(m *mesh) { m.observe("manager-0", func(o *Observation) { o.Pod = PodTerminating }) }, bn, "manager", "Ready", "False/Draining", ""},
		{func(m *mesh) {
			silent("manager-0")(m)
			m.observe("manager-0", func(o *Observation) { o.Pod = PodTerminating })
		}, bn, "manager", "Ready", "Unknown/EvidenceTooOld", ""},

		{scaled("worker-1", 0), bn, "worker-1", "Ready", "True/ScaledToZero", "spec.replicas is 0"},
		{scaled("worker-1", 2), bn, "worker-1", "Ready", "False/PodPending", "worker-1-1 doesn't run yet"},

		{nil, bn, "manager", "Configured", "True/Applied", "manager-0 runs the compiled config"},
		{scaled("worker-1", 0), bn, "worker-1", "Configured", "True/Applied", "no pods"},
		{func(m *mesh) { m.status("manager-0").ConfigHash = "x" }, bn, "manager", "Configured", "False/Applying", "on its way to manager-0"},
		{gone("manager-0", PodPending), bn, "manager", "Configured", "False/Applying", "doesn't run yet"},
		{func(m *mesh) { m.status("manager-0").ConfigHash, m.status("manager-0").ConfigError = "x", "tls: no" }, bn, "manager", "Configured", "False/Rejected", "refused it: tls: no"},
		{func(m *mesh) { m.status("manager-0").ConfigError = "an older one was bad" }, bn, "manager", "Configured", "True/Applied", ""},
		{func(m *mesh) {
			m.status("manager-0").ConfigHash = "x"
			m.observe("manager-0", func(o *Observation) { o.Rejected = "too hot" })
		}, bn, "manager", "Configured", "False/Rejected", "refused it: too hot"},
		{func(m *mesh) { m.status("manager-0").RestartNeeded = "tls" }, bn, "manager", "Configured", "False/RestartNeeded", "manager-0 needs a restart for tls"},
		{facts(Facts{RestartNeeded: "another image"}), bn, "manager", "Configured", "False/RestartNeeded", "another image"},
		{func(m *mesh) { m.status("manager-0").ConfigVersions = []int{2, 3} }, bn, "manager", "Configured", "False/NeedsNewerNode", "version 1"},
		{objects(func(o *topology.Objects) { o.Nodes[0].Spec.TLS = &v1alpha1.TLSSpec{Mode: "Anonymous"} }), bn, "manager", "Configured",
			"False/NeedsNewerNode", "manager-0 doesn't know AnonymousTLS, which its config needs"},
		{func(m *mesh) {
			objects(func(o *topology.Objects) { o.Nodes[0].Spec.TLS = &v1alpha1.TLSSpec{Mode: "Anonymous"} })(m)
			m.status("manager-0").Features = []string{"AnonymousTLS"}
		}, bn, "manager", "Configured", "False/Applying", ""},
		{facts(Facts{CertificatePending: "Certificate manager-tls is not issued"}), bn, "manager", "Configured", "False/CertificatePending", "not issued"},
		{facts(Facts{HoldsUpRotation: "manager-0 doesn't answer"}), bn, "manager", "CertificatesCurrent", "False/HoldsUpRotation", "doesn't answer"},
		{facts(Facts{VolumeGrowing: "data-manager-0 is on its way to 2Gi"}), bn, "manager", "Configured", "False/VolumeGrowing", "data-manager-0"},
		{objects(func(o *topology.Objects) {
			o.Nodes[0].Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: []byte(`{"hostNetwork":true}`)}}
		}), bn, "manager", "Configured", "False/PodTemplateRefused", "spec.podTemplate.spec.hostNetwork: is refused"},
		{objects(func(o *topology.Objects) { o.Nodes[0].Spec.Paused = true }), bn, "manager", "Paused", "True/PausedBySpec", "stays as it is"},
		{objects(func(o *topology.Objects) { o.Nodes[0].Spec.Paused = true }), bn, "manager", "Configured", "True/Applied", ""},
		{func(m *mesh) {
			objects(func(o *topology.Objects) { o.Nodes[0].Spec.Paused = true })(m)
			m.status("manager-0").ConfigHash = "x"
		}, bn, "manager", "Configured", "False/PausedBySpec", "on its way to manager-0, and stays as it is"},
		{facts(Facts{Conflict: `Service "manager-pods" belongs to somebody else`}), bn, "manager", "Configured", "False/Conflict", "manager-pods"},
		{objects(func(o *topology.Objects) {
			for range 256 {
				o.Nodes[0].Spec.Subscriptions = append(o.Nodes[0].Spec.Subscriptions, strings.Repeat("x", 3000)+string(rune('0'+len(o.Nodes[0].Spec.Subscriptions))))
			}
			o.Nodes[0].Spec.Subscriptions[0] = strings.Repeat("y", 200_000)
		}), bn, "manager", "Configured", "False/ConfigTooLarge", "allowed: at most 921600"},
		{silent("manager-0"), bn, "manager", "Configured", "Unknown/EvidenceTooOld", "manager-0"},

		{nil, bp, link, "Established", "True/BothEndsAgree", "worker-1 and manager report each other"},
		{nil, bp, outside, "Established", "True/OneSided", "worker-1 reports zeek.example.org:9999, which isn't managed"},
		{objects(func(o *topology.Objects) { o.Peerings[1].Spec.TLS = &v1alpha1.PeeringTLS{Mode: "Anonymous"} }), bp, outside, "Established",
			"True/OneSided", "which isn't managed here; the connection is encrypted, not authenticated"},
		{objects(func(o *topology.Objects) {
			o.Nodes[0].Spec.TLS, o.Peerings[0].Spec.TLS = &v1alpha1.TLSSpec{Mode: "Disabled"}, &v1alpha1.PeeringTLS{Mode: "Disabled"}
		}), bp, link, "Established", "True/BothEndsAgree", "report each other; the connection is neither encrypted nor authenticated"},
		{scaled("worker-1", 0), bp, link, "Established", "True/NoLinks", "no links: worker-1 and manager have no pods"},
		{scaled("worker-1", 2), bp, link, "Established", "False/Connecting", "worker-1-1 doesn't run"},
		{objects(func(o *topology.Objects) {
			o.Nodes = append(o.Nodes, v1alpha1.BrokerNode{ObjectMeta: meta("odd"), Spec: v1alpha1.BrokerNodeSpec{TLS: &v1alpha1.TLSSpec{Mode: "Disabled"}}})
			o.Peerings[0].Spec.From = v1alpha1.PeeringFrom{Selector: &v1alpha1.NodeSelector{}}
		}), bp, link, "Established", "False/TLSMismatch", `spec.to.node: BrokerNode "odd" has tls.mode Disabled`},
		{disagreeing, bp, link, "Established", "False/EndsDisagree", "worker-1-0 reports manager-0, which doesn't report it"},
		{unpeered(""), bp, link, "Established", "False/Connecting", "worker-1-0 isn't connected to manager-0"},
		{unpeered("Lost"), bp, link, "Established", "False/Connecting", ""},
		{unpeered("Refused"), bp, link, "Established", "False/Refused", "manager-0 refuses connections of worker-1-0"},
		{unpeered("TLSFailed"), bp, link, "Established", "False/TLSFailed", "TLS handshake of worker-1-0 with manager-0"},
		{unpeered("Incompatible"), bp, link, "Established", "False/Incompatible", "same protocol"},
		{atOutside("Refused"), bp, outside, "Established", "False/Refused", "zeek.example.org:9999 refuses"},
		{atOutside("Timeout"), bp, outside, "Established", "False/Connecting", ""},
		{gone("manager-0", PodPending), bp, link, "Established", "False/Connecting", "manager-0 doesn't run"},
		{gone("worker-1-0", PodPending), bp, outside, "Established", "False/Connecting", "worker-1-0 doesn't run"},
		{silent("manager-0", "worker-1-0"), bp, link, "Established", "Unknown/EvidenceTooOld", "worker-1-0"},
		{silent("manager-0"), bp, link, "Established", "Unknown/EvidenceTooOld", "manager-0"},
		{silent("worker-1-0"), bp, link, "Established", "Unknown/EvidenceTooOld", "worker-1-0"},
		{silent("worker-1-0"), bp, outside, "Established", "Unknown/EvidenceTooOld", ""},
		{func(m *mesh) { unpeered("Lost")(m); silent("manager-0")(m) }, bp, link, "Established", "False/Connecting", "isn't connected"},
		{func(m *mesh) { unpeered("Lost")(m); silent("worker-1-0")(m) }, bp, link, "Established", "False/Connecting", "manager-0 doesn't report"},
		{objects(func(o *topology.Objects) { o.Peerings[0].Spec.To.Node = "manger" }), bp, link, "Established", "False/NodeMissing",
			`spec.to.node: no BrokerNode "manger" in this namespace (did you mean "manager"?)`},
		{objects(func(o *topology.Objects) { o.Peerings[1].Spec.To = o.Peerings[0].Spec.To }), bp, outside, "Established", "False/Duplicate", "worker-1-manager"},
		{objects(func(o *topology.Objects) { o.Nodes[0].Spec.TLS = &v1alpha1.TLSSpec{Mode: "Disabled"} }), bp, link, "Established", "False/TLSMismatch", "tls.mode"},
		{objects(func(o *topology.Objects) { o.Peerings[0].Spec.TLS = &v1alpha1.PeeringTLS{Mode: "Anonymous"} }), bp, link, "Established", "False/TLSMismatch",
			`spec.tls.mode: "Anonymous", but BrokerNode "manager" listens with tls.mode Mesh, allowed: Mesh`},

		{nil, bp, link, "Dropping", "False/NothingDropped", "in the last 5 minutes"},
		{func(m *mesh) {
			p := &m.status("manager-0").Peers[0]
			p.Dropping, p.DropPolicy = true, "DropOldest"
		}, bp, link, "Dropping", "True/QueueOverflow", "manager-0 to worker-1-0 (DropOldest)"},
		{func(m *mesh) { m.status("worker-1-0").Peers[1].Dropping = true }, bp, outside, "Dropping", "True/QueueOverflow", "worker-1-0 to zeek.example.org:9999 (Disconnect)"},
		{atOutside("Overflow"), bp, outside, "Dropping", "False/NothingDropped", ""}, // the node's own flag counts
		{silent("manager-0"), bp, link, "Dropping", "Unknown/EvidenceTooOld", "manager-0"},
		{objects(func(o *topology.Objects) { o.Peerings[0].Spec.To.Node = "x" }), bp, link, "Dropping", "False/NotCompiled", "left out"},

		{nil, bds, store, "MasterAvailable", "True/Serving", "the master on manager-0 serves"},
		{master("Loading"), bds, store, "MasterAvailable", "False/Loading", "opens its backend"},
		{func(m *mesh) { m.status("manager-0").Stores = nil }, bds, store, "MasterAvailable", "False/Loading", "doesn't report the master yet"},
		{master("Failed"), bds, store, "MasterAvailable", "False/BackendFailure", "backend of the master on manager-0"},
		{gone("manager-0", PodPending), bds, store, "MasterAvailable", "False/NodeNotReady", "manager-0 doesn't run"},
		{func(m *mesh) { m.status("manager-0").Stores, m.status("manager-0").ConfigHash = nil, "x" }, bds, store, "MasterAvailable", "False/NodeNotReady", "compiled config"},
		{silent("manager-0"), bds, store, "MasterAvailable", "Unknown/EvidenceTooOld", "manager-0"},
		{objects(func(o *topology.Objects) {
			o.Stores = append(o.Stores, v1alpha1.DataStore{ObjectMeta: meta("another"), Spec: o.Stores[0].Spec})
		}), bds, store, "MasterAvailable", "False/TwoMasters", `DataStore "another"`},
		{objects(func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "x" }), bds, store, "MasterAvailable", "False/NodeMissing", "spec.master.node"},
		{objects(func(o *topology.Objects) { o.Nodes[0].Spec.Storage = nil }), bds, store, "MasterAvailable", "False/StorageMissing", "no spec.storage"},

		{moving(nil), bds, store, "MasterAvailable", "True/MasterMoving", "the master on manager-0 serves, it moves to worker-1-0"},
		{moving(func(s *statusapi.Store) { s.Refused = "foreign clones are attached: 6@a" }), bds, store, "MasterAvailable", "True/MoveRefused",
			"it moves to worker-1-0: foreign clones are attached: 6@a"},
		{moving(func(s *statusapi.Store) { s.State, s.Epoch = "Serving", 2 }), bds, store, "MasterAvailable", "True/Serving", "the master on worker-1-0 serves"},
		{func(m *mesh) { moving(nil)(m); gone("manager-0", PodPending)(m) }, bds, store, "MasterAvailable", "False/NodeNotReady", "manager-0 doesn't run; it moves to worker-1-0"},
		{func(m *mesh) {
			moving(func(s *statusapi.Store) { s.Refused = "no" })(m)
			master("Failed")(m)
		}, bds, store, "MasterAvailable", "False/BackendFailure", "it moves to worker-1-0: no"},
		{seated("manager", "manager", func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "wroker-1" }), bds, store, "MasterAvailable", "True/MoveRefused",
			`no BrokerNode "wroker-1"`},
		{func(m *mesh) {
			seated("manager", "manager", func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "wroker-1" })(m)
			master("Failed")(m)
		}, bds, store, "MasterAvailable", "False/BackendFailure", `it can't move: no BrokerNode "wroker-1"`},
		{seated("manager", "worker-1", func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "worker-1" }), bds, store, "MasterAvailable", "True/FailedOver",
			"the master on manager-0 serves; it was on worker-1 (spec.master.node), which failed"},
		{func(m *mesh) {
			seated("manager", "worker-1", func(o *topology.Objects) {
				o.Stores[0].Spec.Master.Node, o.Stores[0].Status.Master.Away = "worker-1", true
			})(m)
		}, bds, store, "MasterAvailable", "True/MasterMoving", "the master on manager-0 serves while a pod of worker-1 is replaced, and goes back"},
		{promotion("TakingOver", ""), bds, store, "MasterAvailable", "False/FailingOver", "the clone on worker-1-0 becomes the master"},
		{promotion("TakingOver", "foreign clones"), bds, store, "MasterAvailable", "False/MoveRefused", "worker-1-0 is to be the master: foreign clones"},
		{func(m *mesh) {
			seated("manager", "manager", nil)(m)
			gone("manager-0", PodPending)(m)
			m.Waiting = map[string]string{store: "its lease ends in 9s"}
		}, bds, store, "MasterAvailable", "False/FailingOver", "manager-0 doesn't run; its lease ends in 9s"},
		{func(m *mesh) {
			seated("manager", "manager", nil)(m)
			m.Waiting = map[string]string{store: "it is there again"}
		}, bds, store, "MasterAvailable", "True/Serving", ""},
		{masterStore(func(s *statusapi.Store) { s.LeaseMissing = true }), bds, store, "MasterAvailable", "False/LeaseMissing", "manager-0 has no lease"},
		{master("TakingOver"), bds, store, "MasterAvailable", "False/MasterMoving", "looks for a master to get it from"},

		{scaled("manager", 2), bds, store, "MasterAvailable", "False/MasterNeedsOnePod", `spec.master.node: BrokerNode "manager" has 2 replicas, allowed for a master: exactly one`},
		{seated("manager", "manager", func(o *topology.Objects) { o.Nodes[0].Spec.Replicas = new(int32(2)) }), bds, store, "MasterAvailable",
			"True/MasterNeedsOnePod", `the master on manager-0 serves; spec.master.node: BrokerNode "manager" has 2 replicas`},
		{seated("manager", "manager", func(o *topology.Objects) { o.Nodes[0].Spec.Replicas = new(int32(0)) }), bds, store, "MasterAvailable",
			"False/NodeNotReady", "manager-0 doesn't run"},
		{seated("manager", "manager", func(o *topology.Objects) {
			o.Nodes[1].Spec.Replicas, o.Stores[0].Spec.Master.Node = new(int32(3)), "worker-1"
		}), bds, store, "MasterAvailable", "True/MoveRefused", `BrokerNode "worker-1" has 3 replicas`},

		{func(m *mesh) {
			objects(func(o *topology.Objects) {
				o.Nodes[1].Spec.Replicas = new(int32(2))
				o.Peerings[0].Spec.To = v1alpha1.PeeringTo{Node: "worker-1"}
				o.Peerings[1].Spec.From.Node, o.Peerings[1].Spec.To.Address = "manager", "worker-1-0.worker-1-pods.default.svc:9999"
				o.Nodes[1].Spec.Forward = v1alpha1.ForwardNone
			})(m)
			m.Observations["worker-1-1"] = m.Observations["worker-1-0"]
			m.status("manager-0").Peers = []statusapi.Peer{{Peering: "worker-1-outside", Address: "worker-1-0.worker-1-pods.default.svc:9999", EndpointID: "id-of-worker-1-0", State: "Peered", Dialed: true}}
		}, bds, store, "ClonesSynced", "False/Unreachable", "(1 of its 2 pods are cut off)"},
		{scaled("worker-1", 0), bds, store, "ClonesSynced", "True/AllSynced", "no clones: their nodes have no pods"},
		{scaled("worker-1", 2), bds, store, "ClonesSynced", "False/NodeNotReady", "worker-1-1 doesn't run"},
		{all(kept, backup(statusapi.Backup{Last: &noon, File: "20260301T120000Z.jsonl.gz"})), bds, store, "BackedUp", "True/BackupTaken", "manager-0 wrote 20260301T120000Z.jsonl.gz"},
		{all(kept, backup(statusapi.Backup{Last: &noon, Failed: &noon, Error: "no space left"})), bds, store, "BackedUp", "False/BackupFailed", "manager-0: no space left"},
		{all(kept, backup(statusapi.Backup{Next: &noon})), bds, store, "BackedUp", "Unknown/BackupPending", "the first backup is due at 2"},
		{all(kept, backup(statusapi.Backup{})), bds, store, "BackedUp", "Unknown/BackupPending", "no backup was made yet"},
		{begins, bds, store, "Restored", "Unknown/RestorePending", "has not said yet"},
		{all(begins, restore(statusapi.Restore{Request: "c/another/latest", File: "x"})), bds, store, "Restored", "Unknown/RestorePending", "has not said yet"},
		{all(begins, restore(statusapi.Restore{File: "20260301T120000Z.jsonl.gz"})), bds, store, "Restored", "True/Restored", "began with 20260301T120000Z.jsonl.gz (c/zeek/known/hosts/latest)"},
		{all(begins, restore(statusapi.Restore{Refused: true})), bds, store, "Restored", "False/RestoreRefused", "had entries already"},
		{all(begins, restore(statusapi.Restore{Error: "line 3: damaged"})), bds, store, "Restored", "False/RestoreFailed", "manager-0: line 3: damaged"},
		{all(begins, restore(statusapi.Restore{Error: "line 3: damaged"})), bds, store, "MasterAvailable", "False/RestoreFailed", "manager-0: line 3: damaged"},
		{all(begins, restore(statusapi.Restore{Error: "line 3: damaged"})), bds, store, "Ready", "False/RestoreFailed", "manager-0: line 3: damaged"},
		{all(begins, objects(func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "gone" })), bds, store, "Restored", "False/NotCompiled", "left out"},
		{kept, bds, store, "BackedUp", "Unknown/BackupPending", "doesn't report backups yet"},
		{all(kept, gone("manager-0", PodPending)), bds, store, "BackedUp", "False/NodeNotReady", "manager-0 doesn't run"},
		{all(kept, silent("manager-0")), bds, store, "BackedUp", "Unknown/EvidenceTooOld", "manager-0"},
		{all(kept, objects(func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "x" })), bds, store, "BackedUp", "False/NotCompiled", "left out"},
		{deleted(v1alpha1.BackendMemory), bds, store, "MasterAvailable", "False/Deleting", "its files are removed"},
		{deleted(v1alpha1.BackendSQLite), bds, store, "MasterAvailable", "False/Deleting", "not removed everywhere: manager-0 has not begun, worker-1-0 has not begun"},
		{all(deleted(v1alpha1.BackendSQLite), masterStore(func(s *statusapi.Store) { s.State = "Removed" })), bds, store, "MasterAvailable", "False/Deleting", "everywhere: worker-1-0 has not begun"},
		{all(deleted(v1alpha1.BackendSQLite), masterStore(func(s *statusapi.Store) { s.State = "Failed" })), bds, store, "MasterAvailable", "False/Deleting", "manager-0 can't remove them, its log says why"},
		{all(deleted(v1alpha1.BackendSQLite), gone("manager-0", PodMissing)), bds, store, "MasterAvailable", "False/Deleting", "manager-0 doesn't answer"},
		{nil, bds, store, "ClonesSynced", "True/AllSynced", "1 of 1 clones are in sync"},
		{objects(func(o *topology.Objects) { o.Stores[0].Spec.Clones = nil }), bds, store, "ClonesSynced", "True/AllSynced", "no clones declared"},
		{clone("Attaching"), bds, store, "ClonesSynced", "False/Syncing", "worker-1-0 is on its way"},
		{clone("Broken"), bds, store, "ClonesSynced", "False/Syncing", ""},
		{clone("Dancing"), bds, store, "ClonesSynced", "False/Syncing", "doesn't report its clone yet"},
		{masterStore(func(s *statusapi.Store) { s.Conflict = "another master at epoch 2" }), bds, store, "MasterAvailable", "False/TwoMasters", "manager-0: another master at epoch 2"},
		{masterStore(func(s *statusapi.Store) { s.Stranded = []string{"6@a", "6@b"} }), bds, store, "ClonesSynced", "False/ForeignCloneStranded", "must be attached anew: 6@a, 6@b"},
		{masterStore(func(s *statusapi.Store) { s.Stranded = []string{"6@a"} }), bds, store, "Ready", "False/ForeignCloneStranded", "6@a"},
		{cloneStore(func(s *statusapi.Store) { s.NewHistory, s.State = true, "Stale" }), bds, store, "ClonesSynced", "False/NewHistory", "worker-1-0 keeps the old content"},
		{clone("Stale"), bds, store, "ClonesSynced", "False/Stale", "worker-1-0 is stale"},
		{unpeered("Lost"), bds, store, "ClonesSynced", "False/Unreachable", "worker-1-0 is cut off: Peering worker-1-manager isn't established"},
		{objects(func(o *topology.Objects) { o.Peerings = nil }), bds, store, "ClonesSynced", "False/Unreachable", "no path of Peerings"},
		{gone("worker-1-0", PodPending), bds, store, "ClonesSynced", "False/NodeNotReady", "worker-1-0 doesn't run"},
		{silent("worker-1-0"), bds, store, "ClonesSynced", "Unknown/EvidenceTooOld", "worker-1-0"},
		{objects(func(o *topology.Objects) { o.Stores[0].Spec.Clones[0].Node = "x" }), bds, store, "ClonesSynced", "False/NodeMissing", `"x"`},
		{objects(func(o *topology.Objects) { o.Stores[0].Spec.Master.Node = "x" }), bds, store, "ClonesSynced", "False/NotCompiled", "left out"},
	}
	seen := map[string]bool{}
	for _, test := range slices.Concat(tests, externalTests) {
		m := newMesh()
		if test.change != nil {
			test.change(m)
		}
		v := Judge(m.Input)
		c := expect(t, v, test.kind, test.name, test.condition, test.want)
		if !strings.Contains(c.Message, test.message) {
			t.Errorf("%s/%s %s: message %q, want %q", test.kind, test.name, test.condition, c.Message, test.message)
		}
		seen[test.kind+" "+test.condition+" "+c.Reason] = true
		summary(t, v, test.kind, test.name, seen)
	}
	for _, c := range Reasons() {
		for _, r := range c.Reasons {
			if c.Kind != topology.KindBrokerMesh && !seen[c.Kind+" "+c.Type+" "+string(r)] {
				t.Errorf("no case has %s %s %s", c.Kind, c.Type, r)
			}
		}
	}
}

// summary holds the Ready condition of peerings and stores against those that it sums up.
func summary(t *testing.T, v Verdict, kind, name string, seen map[string]bool) {
	t.Helper()
	ready := condition(t, v, kind, name, "Ready")
	seen[kind+" Ready "+ready.Reason] = true
	switch kind {
	case bp:
		if e := condition(t, v, kind, name, "Established"); e.Status != ready.Status || e.Reason != ready.Reason || e.Message != ready.Message {
			t.Errorf("%s/%s: Ready %v, Established %v", kind, name, ready, e)
		}
	case bds:
		master, clones := condition(t, v, kind, name, "MasterAvailable"), condition(t, v, kind, name, "ClonesSynced")
		if both := master.Status == "True" && clones.Status == "True"; both != (ready.Status == "True") {
			t.Errorf("%s/%s: Ready %s, MasterAvailable %s, ClonesSynced %s", kind, name, ready.Status, master.Status, clones.Status)
		}
		if ready.Status != "True" && ready.Reason != master.Reason && ready.Reason != clones.Reason {
			t.Errorf("%s/%s: Ready has a reason of its own: %s", kind, name, ready.Reason)
		}
	}
}
