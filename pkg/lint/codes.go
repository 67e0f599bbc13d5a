// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// Codes of findings that no condition ever has as its reason.
const (
	SinglePoint         v1alpha1.Reason = "SinglePoint"
	SingleLink          v1alpha1.Reason = "SingleLink"
	Island              v1alpha1.Reason = "Island"
	NobodyToAsk         v1alpha1.Reason = "NobodyToAsk"
	ForwardCycle        v1alpha1.Reason = "ForwardCycle"
	TooFar              v1alpha1.Reason = "TooFar"
	NothingToFailOverTo v1alpha1.Reason = "NothingToFailOverTo"
	NoFailover          v1alpha1.Reason = "NoFailover"
	SingleCopy          v1alpha1.Reason = "SingleCopy"
	NeverStale          v1alpha1.Reason = "NeverStale"
	MayLoseChanges      v1alpha1.Reason = "MayLoseChanges"
	MemoryTooSmall      v1alpha1.Reason = "MemoryTooSmall"
	NobodySubscribed    v1alpha1.Reason = "NobodySubscribed"
	NobodyPublishes     v1alpha1.Reason = "NobodyPublishes"
	OpenPort            v1alpha1.Reason = "OpenPort"
	TokenInClear        v1alpha1.Reason = "TokenInClear"
	NameClash           v1alpha1.Reason = "NameClash"
	NodePortClash       v1alpha1.Reason = "NodePortClash"
	HostPortClash       v1alpha1.Reason = "HostPortClash"
)

// Code is a row of the table of all findings.
type Code struct {
	Code v1alpha1.Reason
	// Severity is the usual one; the worst, where findings of one code differ.
	Severity topology.Severity
	// Means says what was found and why it matters, Do what helps.
	Means, Do string
}

// Codes is the table of all findings, the compiler's among them: errors first, then by subject.
func Codes() []Code { return codes[:] }

// Lookup finds the row of a code; ok is false for one that the table doesn't have.
func Lookup(code v1alpha1.Reason) (row Code, ok bool) {
	for _, c := range codes {
		if c.Code == code {
			return c, true
		}
	}
	return Code{}, false
}

var codes = [...]Code{
	{v1alpha1.ReasonNodeMissing, topology.Error, "An object names a BrokerNode that isn't there. The Peering or the clone is left out; without the master's node, the whole store.", "Correct the name (the message may know which was meant), or add the node."},
	{v1alpha1.ReasonDuplicate, topology.Error, "An older Peering joins the same two ends; the younger one is left out. Or an external node has the address of another one, or of a pod: nobody connects to it under its second name.", "Remove one of the two; for other settings change the one that is there. An external node needs an address of its own."},
	{v1alpha1.ReasonNoAddress, topology.Error, "A Peering leads to an external node, and nothing says at what address. It is left out.", "`spec.external.address` on the node; or a Peering from it, if it connects by itself."},
	{v1alpha1.ReasonBothOutside, topology.Error, "Both ends of a Peering run elsewhere: nobody could connect them from here.", "A node with pods at one end; or no Peering, if the two are joined by whoever runs them."},
	{v1alpha1.ReasonRunsElsewhere, topology.Error, "A store's master or clone is to be on an external node, which has no pods. It is left out.", "A node with pods. Who runs the external endpoint can attach a clone there."},
	{v1alpha1.ReasonTLSMismatch, topology.Error, "One end would dial with another protection than the other listens with, and no handshake would ever succeed.", "Give both nodes the same `spec.tls.mode`, or the Peering the mode of the end that listens."},
	{v1alpha1.ReasonTwoMasters, topology.Error, "Two DataStores are the store of one name. The older one is compiled, the other left out.", "Remove one, or give it another `spec.storeName`."},
	{v1alpha1.ReasonStorageMissing, topology.Error, "The master's backend needs files, but its node has no volume.", "Set `spec.storage` on the node, or use the backend Memory."},
	{v1alpha1.ReasonMasterNeedsOnePod, topology.Error, "The master's node has not exactly one pod. A new master isn't made; one that served goes on in the pod NAME-0, if there is one.", "`spec.replicas: 1` on the node; or another node for the master, and the replicas as clones."},
	{NameClash, topology.Error, "Two nodes need objects of one name in the cluster: a Service of a node called NODE-pods is the one that governs the pods of NODE. Who comes second has the condition `Conflict`.", "Another name for one of the nodes, or no `spec.service` on it."},
	{NodePortClash, topology.Error, "Two Services ask for the same port of the cluster's machines. The API server refuses the second.", "Another `nodePorts` number, or none: then the cluster chooses."},
	{v1alpha1.ReasonMoveRefused, topology.Error, "The master can't move to where `spec.master.node` wants it; it stays where it is.", "What the message names: storage, or a path of Peerings; or move it back."},
	{v1alpha1.ReasonUnreachable, topology.Error, "No path that carries stores joins a clone's node with the master's. The clone never gets an entry.", "Add a Peering, or let the nodes on the way have `forward: Mesh`."},
	{v1alpha1.ReasonConfigTooLarge, topology.Error, "What the node would be told doesn't fit into one ConfigMap, or is more than a node takes.", "Fewer peerings, stores or subscriptions on this node; spread them over several."},
	{v1alpha1.ReasonPodTemplateRefused, topology.Error, "`spec.podTemplate` has a field that a PodSpec hasn't, or one that is the operator's. The node's pods stay as they are, or aren't made.", "What the message says of the field."},
	{topology.NoEffect, topology.Warning, "A field that is about pods, Services or a cluster's issuer is set, and the mesh runs without a cluster (`brokerctl up`). An authority of the mesh's own signs its certificates there.", "Nothing, if the manifests are for clusters as well."},
	{HostPortClash, topology.Warning, "Pods want the same port of the machine that they run on (`hostPort` in `spec.podTemplate`). Two of them can't be on one machine, and who finds no other stays Pending.", "Another number, or none; or as many machines as there are such pods."},

	{topology.CodeSelectsNothing, topology.Warning, "A selector chooses no BrokerNode. The Peering or the clones do nothing until a node has the labels.", "Compare the labels of the nodes (`kubectl get bn --show-labels`) with the selector; or leave it, if nodes come later."},
	{v1alpha1.ReasonNoLinks, topology.Warning, "A Peering joins a node with itself, but the node has one pod only.", "`spec.replicas: 2` or more on the node, or another node on one side."},
	{topology.CodeOverlap, topology.Info, "An older Peering joins some of the pairs of pods that this one chooses; it keeps them, with its own settings.", "Nothing, if the settings are alike; else a selector that leaves those nodes out."},

	{SinglePoint, topology.Warning, "One node with one pod alone holds parts of the mesh together. While it restarts, or is away, they don't hear of each other.", "Join the parts by another Peering as well, or accept it: then this is the node to watch."},
	{SingleLink, topology.Info, "One Peering alone joins two parts of the mesh, each of several nodes.", "Another Peering between the parts, at best of other nodes."},
	{Island, topology.Info, "No Peering joins a node, or a group of nodes, with the rest of the mesh. A mesh may well have parts that don't talk.", "A Peering, if they were meant to."},
	{NobodyToAsk, topology.Warning, "A node subscribes to topics, but no Peering joins it with anybody.", "A Peering; or no subscription: clients of the node itself need none."},
	{ForwardCycle, topology.Warning, "A node with `forward: All` belongs to a cycle of endpoints that hand on everything (C++ brokers outside count as such). Messages come more than once and go round until their hops are used up.", "`forward: Mesh`, where cycles are fine; or take one Peering out of the cycle."},
	{TooFar, topology.Warning, "Two nodes are farther from each other than messages travel (64 hops).", "A Peering that shortens the way."},

	{NothingToFailOverTo, topology.Warning, "Failover is Automatic, but no clone can become the master.", "A clone; for SQLite and Pebble one on a node with `spec.storage`."},
	{NoFailover, topology.Info, "When the master's node stays away, the store can be read on its clones, but not be written until somebody acts.", "`spec.failover.policy: Automatic`, if losing the newest changes is better than waiting."},
	{SingleCopy, topology.Info, "Only the master has the entries.", "A clone; for Memory also a persistent backend, if entries shall outlive a restart."},
	{NeverStale, topology.Info, "A clone without its master answers for ever with what it had, and doesn't say so.", "`staleAfter`, such as 30s."},
	{MayLoseChanges, topology.Warning, "A setting of the backend trades acknowledged changes, or a whole file, for speed or for an unattended start.", "The default, unless the entries can be made again."},

	{MemoryTooSmall, topology.Warning, "What the queues of a node and the masters on it may hold is as much as its container may have, or more. A full queue would end the container instead of doing what it is told to do when it is full.", "A larger `spec.resources.limits.memory`, or a smaller `spec.queues.memoryLimit`."},
	{NobodySubscribed, topology.Info, "A client may publish below a prefix that nobody asks for, as far as the objects tell. Only looked at where every client is named.", "A subscription, or no such right."},
	{NobodyPublishes, topology.Info, "Somebody asks for a prefix below which no client may publish, as far as the objects tell. Only looked at where every client is named.", "A client's right to publish, or no such subscription. Programs that peer natively aren't seen here."},
	{OpenPort, topology.Info, "The native port lets in whoever reaches it.", "`spec.tls.mode: Mesh`, unless something that can't has to connect."},
	{TokenInClear, topology.Warning, "Clients show tokens on a connection that anybody on the way can read.", "`spec.tls.mode: Mesh` or `Anonymous`."},
}
