// SPDX-License-Identifier: Apache-2.0

// Package topology compiles the objects of one mesh: BrokerNodes, Peerings and DataStores become one node config for each
// pod, the links and stores that evidence is judged against, and findings with reasons about what only the whole topology
// shows. It is pure: the same objects give the same bytes, in whatever order they come.
//
// A finding stops nothing else: the object at fault (or the one clone at fault) is left out, everything else is compiled.
// What one object alone can get wrong is not looked at here; its CRD refuses that.
//
// The rules are those of "Identity", "Trust" and "Mesh routing" of the architecture, and of the API by example.
package topology

import (
	"cmp"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// Kinds as findings name them.
const (
	KindBrokerNode = "BrokerNode"
	KindPeering    = "Peering"
	KindDataStore  = "DataStore"
	KindBrokerMesh = "BrokerMesh"
)

// MaxConfigBytes is how much the documents of one node may take together: a ConfigMap holds them all.
const MaxConfigBytes = 900 << 10

// Objects are all objects of one namespace, each sound by itself: its CRD has been asked. Names are unique within a kind.
type Objects struct {
	Nodes    []v1alpha1.BrokerNode
	Peerings []v1alpha1.Peering
	// Stores with a deletion timestamp are compiled to the removal of their files.
	Stores []v1alpha1.DataStore
	// Meshes are not compiled: the nodes and peerings that they are made of are among the others.
	Meshes []v1alpha1.BrokerMesh
	// Failovers are those under way, decided by the operator, by DataStore.
	Failovers map[string]Failover
	// Errands are nodes that hold masters for a while, by DataStore, because pods of the nodes are replaced that the specs want them on; or
	// those nodes themselves, on the way back. One that can't take the master is of no effect.
	Errands map[string]string
}

// Failover makes the clone of a node the master of an epoch, without a master to ask. It is over once status.master has that epoch.
type Failover struct {
	Node  string
	Epoch int64
}

// Options say where the mesh runs.
type Options struct {
	// Namespace of the mesh; empty means "default".
	Namespace string
	// Addresses are HOST:PORT of the native ports by pod name. Nil means the names of the cluster's DNS. A pod that a map
	// which isn't nil doesn't hold can't be dialed yet: links to it are planned without address, and no config has them.
	Addresses map[string]string
	// RequireStorage refuses a persistent backend on a node without spec.storage; a laptop has its data folder instead.
	RequireStorage bool
	// Plain compiles every node and every peering with TLS off, whatever the specs say.
	Plain bool
	// NoPods: there is no cluster, so that what a spec says of pods and Services is of no effect.
	NoPods bool
	// NoLeases: nobody grants leases, so that no master may wait for any.
	NoLeases bool
}

// Result is a compiled topology. All lists are sorted by name.
type Result struct {
	Nodes    []NodePlan
	Peerings []PeeringPlan
	Stores   []StorePlan
	Findings []Finding
}

// NodePlan is what a BrokerNode's pods should be.
type NodePlan struct {
	Node string
	// External tells that the node runs elsewhere and has no pods.
	External bool
	Pods     []PodPlan
	// Hash tells plans with different configs apart.
	Hash string
	// Fault is why the configs can't be handed out; nil if they can.
	Fault *Finding
	// PodFault is why spec.podTemplate can't be laid over the pods, which then stay as they are; nil if it can.
	PodFault *Finding
	// BackupClaims are the volumes for backups that the pods need, sorted.
	BackupClaims []string
}

// PodPlan is what one pod should be.
type PodPlan struct {
	Pod string
	// Address and WebSocket are HOST:PORT of the pod's ports; empty if there is no such port or it isn't known.
	Address, WebSocket string
	Config             nodeconfig.Config
	// Hash is the config's.
	Hash string
}

// PeeringPlan is a Peering with the links that it means.
type PeeringPlan struct {
	Name string
	// From is a node, or the labels that choose nodes; To is that or an address.
	From, To string
	// Links is empty if the peering is at fault, or joins no pods at present.
	Links []Link
	// Fault is why the peering is left out; nil if it isn't.
	Fault *Finding
}

// Link is one connection: from a pod to a pod or to an endpoint outside.
type Link struct {
	// FromNode and From are empty for a link that an endpoint outside begins.
	FromNode, From string
	// ToNode and To are empty for an endpoint outside.
	ToNode, To string
	// Address is dialed; empty for a link that an endpoint outside begins.
	Address string
	// Outside is the external node at the one end or the other, if it is one.
	Outside string
	// Behind and BehindPod are the node of ours that an address belongs to, if it does, and its pod.
	Behind, BehindPod string
	// TLS is how the connection is protected, a value of nodeconfig.Config.TLS: only with TLSMesh the ends authenticate each other.
	TLS string
	// Fault is why no config has the link; nil if the one of the pod that connects does. Other links of the peering stand.
	Fault *Finding
}

// Source is the pod or, outside, the external node that connects.
func (l Link) Source() string { return cmp.Or(l.From, l.Outside) }

// Target is the pod or, outside, the address that the link leads to.
func (l Link) Target() string { return cmp.Or(l.To, l.Address) }

// StorePlan is a DataStore with the pods that hold it.
type StorePlan struct {
	Object, StoreName string
	// Master is the node that holds the master, or in a promotion is about to; MasterPod is empty if the store is at fault.
	Master, MasterPod string
	// Epoch is the earliest that the master may have; 0 while none was seen.
	Epoch int64
	// Promotion: the master's node takes the store over from one that is gone, of which nobody is asked.
	Promotion bool
	// Target is the node that takes the store over from the master while that serves; empty unless it is to move.
	Target, TargetPod string
	// Errand: the operator moves the master to the target for a rolling change, or back.
	Errand bool
	// MoveFault is why the master can't move to where the spec wants it; nil if it can, or needn't.
	MoveFault *Finding
	// Lease is for how long the master may write without hearing of the operator; 0 means for ever.
	Lease  time.Duration
	Clones []ClonePlan
	// Notice is what is wrong with a master that goes on serving; nil if nothing is.
	Notice *Finding
	// Fault is why the whole store is left out; nil if it isn't.
	Fault *Finding
	// Restore tells one value of spec.restoreFrom from another (nodeconfig.Store.RestoreRequest); empty if there is none, or while it has to wait.
	Restore string
	// Removal: the store is being deleted with its files. RemoveFrom are the pods that may have some; Master and MasterPod are where the
	// master was.
	Removal    bool
	RemoveFrom []string
}

// CanMaster tells whether the pod of a clone may become the master: only where it is its node's only pod.
func (p StorePlan) CanMaster(pod string) bool {
	return slices.ContainsFunc(p.Clones, func(c ClonePlan) bool { return len(c.Pods) == 1 && c.Pods[0] == pod })
}

// ClonePlan is a node that one of a DataStore's clones is on.
type ClonePlan struct {
	Node string
	// Pods that hold the clone; none if it, or its store, is left out.
	Pods []string
	// Peerings are the compiled ones that join the clone's node with the master's.
	Peerings []string
	// OverNodes tells that a path over nodes that relay joins the two as well.
	OverNodes bool
	// CutOff are those of the pods that no path joins to the master; Fault says so.
	CutOff []string
	// Fault is what is wrong with this clone. One that is only unreachable has pods all the same: it keeps what it has.
	Fault *Finding
}

// Finding is something about an object that only the whole topology shows.
type Finding struct {
	Kind, Name string
	// Field is the path at fault, such as spec.to.node.
	Field string
	// Severity is Error for every finding that is the Fault of a plan; the others leave nothing out.
	Severity Severity
	// Reason is the stable code of the finding: that of the condition which says the same, if one does.
	Reason v1alpha1.Reason
	// Message says what was found and, where it isn't plain, what would do.
	Message string
}

// Compile turns the objects into plans. It keeps nothing of them and changes nothing in them.
func Compile(o Objects, opt Options) Result {
	c := newCompiler(o, opt)
	c.peerings(o.Peerings)
	c.stores(o)
	c.meshNoEffect(o.Meshes)
	c.plans()
	return c.result()
}

// compiler is one run of Compile.
type compiler struct {
	opt       Options
	nodes     map[string]*v1alpha1.BrokerNode
	names     []string // of nodes, sorted
	selectors *selectors
	members   []member            // by node, then by number
	spans     map[string]span     // the members of each node
	outsiders map[string]int      // the member that a node is which runs elsewhere
	podAt     map[string]int      // member by its normalised address
	shadowed  map[string]string   // nodes that run elsewhere at an address which another has, and that other
	hops      [][]hop             // the links of each member
	found     *ways               // nil until it is asked for
	vaults    map[string][]string // volumes for backups by node, sorted
	out       Result
}

// member is one pod of the mesh. Its place in the compiler's list stands for it.
type member struct {
	node         *v1alpha1.BrokerNode
	pod, address string
	weight       uint64
	config       *nodeconfig.Config
}

// span is a range of members.
type span struct{ first, end int }

// result puts everything in order.
func (c *compiler) result() Result {
	slices.SortFunc(c.out.Peerings, func(a, b PeeringPlan) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(c.out.Stores, func(a, b StorePlan) int { return cmp.Compare(a.Object, b.Object) })
	slices.SortFunc(c.out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Message, b.Message))
	})
	return c.out
}

// find records a finding and returns a copy for the plan.
func (c *compiler) find(f Finding) *Finding {
	c.out.Findings = append(c.out.Findings, f)
	return &f
}
