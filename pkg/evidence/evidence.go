// SPDX-License-Identifier: Apache-2.0

// Package evidence judges a mesh: from what its objects want and what its nodes report it makes the statuses, with their
// conditions, that a cluster's objects get and `brokerctl up` prints. It is pure: no clock, no I/O; what must be remembered
// from one judgement to the next is in the verdict.
//
// A condition states evidence. What is older than [MaxAge] says nothing any more; what has never been heard says nothing for
// as long either, and leaves a condition as it was. Where two ends contradict each other, both are asked again first. The
// same evidence gives the same statuses to the byte, so that a mesh in which nothing happens causes no writes. The rules
// are those of "Conditions say evidence, and are quiet" of the API by example.
package evidence

import (
	"maps"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const (
	// MaxAge is how long evidence counts.
	MaxAge = 30 * time.Second
	// DropMemory is how long a dropped message is remembered after the connection that dropped it is gone.
	DropMemory = 5 * time.Minute
	// MaxProblems is how many links or clones a status lists.
	MaxProblems = 20
)

// PodState is what the cluster says of a pod. On a laptop every node is PodRunning.
type PodState string

// The states of a pod, as far as they matter here.
const (
	PodMissing          PodState = ""
	PodPending          PodState = "Pending"
	PodImageUnavailable PodState = "ImageUnavailable"
	PodRunning          PodState = "Running"
	PodTerminating      PodState = "Terminating"
)

// Observation is what is known of one pod.
type Observation struct {
	// Pod is the state of the pod itself.
	Pod PodState
	// Status is the newest answer of the pod's engine; nil if this pod (not one before it of the same name) gave none.
	Status *statusapi.Status
	// Received is when the status arrived, by the clock of Input.Now.
	Received time.Time
	// Rejected are the engine's words about the compiled config, if this pod refused it.
	Rejected string
}

// Facts are what only the controller knows of a BrokerNode. A laptop has none.
type Facts struct {
	// Image that the pods run.
	Image string
	// CAMissing: node certificates exist, their CA's secret doesn't.
	CAMissing bool
	// Conflict names the object that stands in the way; empty if none does.
	Conflict string
	// RestartNeeded names what waits for a new pod; empty if nothing does.
	RestartNeeded string
	// VolumeGrowing says which volume is smaller than it should be; empty if none is.
	VolumeGrowing string
	// CertificatePending says what the node's certificate waits for at the mesh's issuer; empty if it doesn't.
	CertificatePending string
	// HoldsUpRotation says what the replacement of the mesh's authority waits for at this node; empty if it doesn't.
	HoldsUpRotation string
}

// Input is everything that a judgement rests on.
type Input struct {
	// Objects are those that were compiled. Their statuses count as the previous ones where Previous has none.
	Objects  topology.Objects
	Compiled topology.Result
	// Namespace of the mesh; empty means "default".
	Namespace string
	// Observations by pod name.
	Observations map[string]Observation
	// Facts by BrokerNode name.
	Facts map[string]Facts
	// MeshFaults are the API server's words about objects of a BrokerMesh that it didn't take, by BrokerMesh name.
	MeshFaults map[string]string
	// Waiting says, by DataStore, what a failover waits for that is due.
	Waiting map[string]string
	// Errands are the nodes that masters are to be moved to for a rolling change, by DataStore. Those of Objects are what of it is compiled.
	Errands map[string]string
	// Previous is the last verdict; zero for a judge that has just started.
	Previous Verdict
	Now      time.Time
	// Started is when this judge began to watch.
	Started time.Time
}

// Verdict is the judgement: a status for each object, by name. It shares no memory with the input that anybody changes.
type Verdict struct {
	Nodes    map[string]v1alpha1.BrokerNodeStatus
	Peerings map[string]v1alpha1.PeeringStatus
	Stores   map[string]v1alpha1.DataStoreStatus
	Meshes   map[string]v1alpha1.BrokerMeshStatus
	// Removals are, for each DataStore whose files are removed, the pods that have not said that they have none, with what they say.
	Removals map[string][]string
	// Links are all links that there should be, in the order of the compiled topology.
	Links []LinkState
	// NextCheck is when time alone may change something, counted from Input.Now; 0: never.
	NextCheck time.Duration
	// AskAgain are pods whose answer contradicts another's: a new answer of each is wanted before a condition says so. Sorted.
	AskAgain []string
	// Memo is for the next judgement.
	Memo Memo
}

// LinkState is a link and whether it stands, as far as both ends are known.
type LinkState struct {
	Peering string
	topology.Link
	Up bool
}

// Memo is what a judge remembers besides the statuses.
type Memo struct {
	awaited    map[string]time.Time // pods that have not answered yet -> since when
	mismatches map[string]mismatch  // links whose ends contradict each other
	drops      map[string]drop      // ends of links that dropped messages
	crowds     map[string]crowd     // undeclared peers by node
}

// Judge makes a verdict. The same input gives an equal verdict.
func Judge(in Input) Verdict {
	j := newJudge(in)
	for _, p := range in.Compiled.Peerings {
		j.out.Peerings[p.Name] = j.peering(p)
	}
	for _, n := range in.Compiled.Nodes {
		j.out.Nodes[n.Node] = j.node(n)
	}
	for _, s := range in.Compiled.Stores {
		j.out.Stores[s.Object] = j.store(s)
	}
	for i := range j.in.Objects.Meshes {
		m := &j.in.Objects.Meshes[i]
		j.out.Meshes[m.Name] = j.mesh(m)
	}
	j.out.AskAgain = slices.Sorted(maps.Keys(j.askAgain))
	return j.out
}

// judge is one run of Judge.
type judge struct {
	in       Input
	out      Verdict
	sights   map[string]sight
	links    map[string][]linkView // by peering
	hashes   map[string]string     // of compiled configs, by pod
	askAgain map[string]bool
	peers    map[string]*peers          // what pods say of their connections, by pod
	pods     map[string]int             // how many each node has
	ends     map[string]ends            // by pod
	masters  map[string]int32           // by node
	replicas map[string]int32           // pods that there are, by node
	outside  map[string][]linkView      // by external node
	podsOf   map[string][]string        // by node
	partners map[string]map[string]bool // nodes that peerings join
	graph    *edges

	nodes    map[string]*v1alpha1.BrokerNode
	peerings map[string]*v1alpha1.Peering
	stores   map[string]*v1alpha1.DataStore
}

func newJudge(in Input) *judge {
	j := &judge{
		in: in,
		out: Verdict{
			Nodes:    make(map[string]v1alpha1.BrokerNodeStatus),
			Peerings: make(map[string]v1alpha1.PeeringStatus),
			Stores:   make(map[string]v1alpha1.DataStoreStatus),
			Meshes:   make(map[string]v1alpha1.BrokerMeshStatus),
			Removals: make(map[string][]string),
			Memo: Memo{
				awaited: make(map[string]time.Time), mismatches: make(map[string]mismatch), drops: make(map[string]drop),
				crowds: make(map[string]crowd),
			},
		},
		sights:   make(map[string]sight),
		links:    make(map[string][]linkView),
		hashes:   make(map[string]string),
		askAgain: make(map[string]bool),
		peers:    make(map[string]*peers),
		pods:     make(map[string]int),
		ends:     make(map[string]ends),
		outside:  make(map[string][]linkView),
		podsOf:   make(map[string][]string),
		partners: partnersOf(in.Compiled.Peerings),
		masters:  masters(in.Compiled.Stores),
		replicas: replicas(in.Observations),
		nodes:    byName(in.Objects.Nodes, func(n *v1alpha1.BrokerNode) string { return n.Name }),
		peerings: byName(in.Objects.Peerings, func(p *v1alpha1.Peering) string { return p.Name }),
		stores:   byName(in.Objects.Stores, func(s *v1alpha1.DataStore) string { return s.Name }),
	}
	for _, n := range in.Compiled.Nodes {
		j.pods[n.Node] = len(n.Pods)
		for _, p := range n.Pods {
			j.sights[p.Pod] = j.look(p.Pod)
			j.hashes[p.Pod] = p.Hash
			j.podsOf[n.Node] = append(j.podsOf[n.Node], p.Pod)
		}
	}
	return j
}

func byName[T any](list []T, name func(*T) string) map[string]*T {
	m := make(map[string]*T, len(list))
	for i := range list {
		m[name(&list[i])] = &list[i]
	}
	return m
}

// checkAt says that time alone changes something then.
func (j *judge) checkAt(t time.Time) {
	d := t.Sub(j.in.Now)
	if d > 0 && (j.out.NextCheck == 0 || d < j.out.NextCheck) {
		j.out.NextCheck = d
	}
}
