// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Reason says in one word why a condition has its status. The list is closed: a page of the documentation is generated from it.
type Reason string

// Condition types.
const (
	// ConditionReady is the summary of every kind.
	ConditionReady = "Ready"
	// ConditionConfigured says of a BrokerNode that its engines run the config that the topology gives them.
	ConditionConfigured = "Configured"
	// ConditionCertificatesCurrent says of a BrokerNode that its pods use the certificates that they were given. It is there only while they
	// don't, and the mesh waits for them.
	ConditionCertificatesCurrent = "CertificatesCurrent"
	// ConditionPaused says of a BrokerNode that spec.paused is set, so that nothing of it is changed; it is absent otherwise.
	ConditionPaused = "Paused"
	// ConditionEstablished says of a Peering that every end that can be asked reports the other.
	ConditionEstablished = "Established"
	// ConditionDropping says of a Peering that messages were dropped on it (abnormal-true).
	ConditionDropping = "Dropping"
	// ConditionMasterAvailable says of a DataStore that its master serves.
	ConditionMasterAvailable = "MasterAvailable"
	// ConditionClonesSynced says of a DataStore that every clone is within its staleAfter.
	ConditionClonesSynced = "ClonesSynced"
	// ConditionBackedUp says of a DataStore that its last backup was made; it is absent without spec.backup.
	ConditionBackedUp = "BackedUp"
	// ConditionRestored says of a DataStore that it began with a backup; it is absent without spec.restoreFrom.
	ConditionRestored = "Restored"
)

// Reasons.
const (
	// ReasonListening: the pods run, the engines listen, their status is fresh.
	ReasonListening Reason = "Listening"
	// ReasonScaledToZero: the node has no pods, and shall have none (spec.replicas).
	ReasonScaledToZero Reason = "ScaledToZero"
	// ReasonPodPending: a pod is not there, not scheduled or not started yet.
	// What helps: kubectl describe pod NAME-0: the scheduler or the kubelet says what it waits for, such as room, a volume or a Secret.
	ReasonPodPending Reason = "PodPending"
	// ReasonImageUnavailable: the image of a pod can't be pulled.
	// What helps: The message has the kubelet's words. Check spec.image, spec.imagePullSecrets and the operator's NODE_IMAGE.
	ReasonImageUnavailable Reason = "ImageUnavailable"
	// ReasonNotListening: a pod runs, but its engine doesn't listen on all its ports.
	// What helps: kubectl logs NAME-0: a port that is taken, certificates that can't be read, a store that can't be opened.
	ReasonNotListening Reason = "NotListening"
	// ReasonCAMissing: node certificates exist, but the secret of their CA doesn't.
	// What helps: Put the Secret brokermesh-ca back from a backup, or delete the Secrets NAME-tls of all nodes to begin anew.
	ReasonCAMissing Reason = "CAMissing"
	// ReasonEvidenceTooOld: nothing was heard for 30 seconds.
	// What helps: The node doesn't answer on its control port (9990): is its pod alive, and does a NetworkPolicy keep the operator away? If all
	// nodes have it, look at the operator.
	ReasonEvidenceTooOld Reason = "EvidenceTooOld"
	// ReasonDraining: a pod is on its way out.
	// What helps: Nothing. If it lasts, kubectl get pods shows what holds the pod.
	ReasonDraining Reason = "Draining"

	// ReasonSeenByPeers: every node that the external node should be connected to reports it.
	ReasonSeenByPeers Reason = "SeenByPeers"
	// ReasonNotSeen: a node that the external node should be connected to doesn't report it, or there is no such node.
	// What helps: Look at the external endpoint's own log; its certificate is in the Secret NAME-tls, which it needs anew after a renewal.
	ReasonNotSeen Reason = "NotSeen"

	// ReasonRunsElsewhere: the node is external. There is nothing to configure but its certificate, in the Secret NAME-tls.
	// What helps: Nothing for the node. A store needs a node with pods.
	ReasonRunsElsewhere Reason = "RunsElsewhere"
	// ReasonApplied: the engines run the compiled config.
	ReasonApplied Reason = "Applied"
	// ReasonApplying: the compiled config is under way to the engines.
	// What helps: Nothing. If it lasts, kubectl logs of the pod and of the operator.
	ReasonApplying Reason = "Applying"
	// ReasonRejected: an engine refused the config; the message has its words.
	// What helps: Change what the message names; kubectl get configmap NAME-config shows the document. The engines keep the config that they
	// had.
	ReasonRejected Reason = "Rejected"
	// ReasonRestartNeeded: a change waits for a new pod.
	// What helps: Nothing, if the message says that it is being made; else what it waits for.
	ReasonRestartNeeded Reason = "RestartNeeded"
	// ReasonNeedsNewerNode: the node's program doesn't know something that the topology needs.
	// What helps: A newer spec.image, or none; the node keeps the config that it had.
	ReasonNeedsNewerNode Reason = "NeedsNewerNode"
	// ReasonConflict: an object of the same name exists that the operator doesn't own.
	// What helps: The message has the object. One of somebody else: rename the node, remove the object, or hand it over with the annotation
	// brokermesh.dev/adopt=true. One that the API server refuses: its words say why.
	ReasonConflict Reason = "Conflict"
	// ReasonCertificatePending: the mesh's issuer has not issued the node's certificate yet.
	// What helps: If it lasts, kubectl describe the Certificate of that name: cert-manager says what is wrong with its issuer.
	ReasonCertificatePending Reason = "CertificatePending"
	// ReasonConfigTooLarge: the compiled config doesn't fit into a ConfigMap.
	// What helps: Fewer peerings, stores or subscriptions on this node; spread them over several.
	ReasonConfigTooLarge Reason = "ConfigTooLarge"
	// ReasonPodTemplateRefused: the node's spec.podTemplate can't be laid over its pods; the message has the field and what is wrong. The node's
	// StatefulSet stays as it is until that is mended.
	// What helps: Change the field that the message names; brokerctl lint says the same before you apply.
	ReasonPodTemplateRefused Reason = "PodTemplateRefused"
	// ReasonVolumeGrowing: a volume has not reached the size of spec.storage yet.
	// What helps: If it lasts, look at the events of the PersistentVolumeClaim that the message names: its StorageClass or driver may not be
	// able to.
	ReasonVolumeGrowing Reason = "VolumeGrowing"
	// ReasonPausedBySpec: the node stays as it is, because spec.paused is set.
	// What helps: Set spec.paused to false, or take it out, to go on.
	ReasonPausedBySpec Reason = "PausedBySpec"
	// ReasonNotCompiled: the object is at fault and left out; another condition says why.
	// What helps: What the other condition says.
	ReasonNotCompiled Reason = "NotCompiled"

	// ReasonHoldsUpRotation: the mesh's authority is being replaced, and a pod doesn't report the certificates of the present step. The next
	// step waits for it until the old authority ends. Of an external node its owner has to say that it has them: see the message.
	// What helps: Bring the pod back, or delete it. A paused node has to go on.
	ReasonHoldsUpRotation Reason = "HoldsUpRotation"

	// ReasonAllReady: all nodes and peerings of the mesh are ready, and the nodes run the config of the topology.
	ReasonAllReady Reason = "AllReady"
	// ReasonNodesNotReady: a node of the mesh isn't ready, or doesn't run its config; the message names the worst.
	// What helps: Look at the BrokerNode that the message names.
	ReasonNodesNotReady Reason = "NodesNotReady"
	// ReasonPeeringsNotReady: a peering of the mesh isn't ready; the message names the worst.
	// What helps: Look at the Peering that the message names.
	ReasonPeeringsNotReady Reason = "PeeringsNotReady"

	// ReasonBothEndsAgree: both ends report the other.
	ReasonBothEndsAgree Reason = "BothEndsAgree"
	// ReasonOneSided: the end that can be asked reports the other, which is not managed.
	ReasonOneSided Reason = "OneSided"
	// ReasonEndsDisagree: one end reports the other, which doesn't report it.
	// What helps: One end has a connection that the other doesn't know: an end that is about to notice, so look again in 30 seconds; or a proxy
	// or an address translation between them.
	ReasonEndsDisagree Reason = "EndsDisagree"
	// ReasonConnecting: no connection yet.
	// What helps: The message has the last error of the end that dials. Is the other end up, does its name resolve, does a NetworkPolicy or a
	// firewall drop packets? For an external node that connects by itself: its own log.
	ReasonConnecting Reason = "Connecting"
	// ReasonRefused: the other end refuses connections.
	// What helps: Nobody listens there, or something refuses for it: is the other end ready, and is the port the one of its spec
	// (spec.to.address, spec.listen.port)?
	ReasonRefused Reason = "Refused"
	// ReasonIncompatible: the other end doesn't speak this protocol, or not this version.
	// What helps: Is it a Broker of version 2, and its native port rather than the WebSocket one?
	ReasonIncompatible Reason = "Incompatible"
	// ReasonTLSFailed: the TLS handshake fails.
	// What helps: Both ends need certificates of the same authority (Secret brokermesh-ca), clocks that agree, and the same mode of TLS.
	// External nodes and people's tools need new files after a renewal.
	ReasonTLSFailed Reason = "TLSFailed"
	// ReasonTLSMismatch: one end dials with another mode of TLS than the other listens with.
	// What helps: The same spec.tls.mode on both nodes, or spec.tls.mode of the Peering as the end that listens has it.
	ReasonTLSMismatch Reason = "TLSMismatch"
	// ReasonNodeMissing: the object names a BrokerNode that doesn't exist.
	// What helps: Correct the name, or make the BrokerNode. The message names one that is spelled alike.
	ReasonNodeMissing Reason = "NodeMissing"
	// ReasonDuplicate: an older Peering joins the same pair, or the peering leads to an external node whose address is that of another one.
	// What helps: Remove one of the two.
	ReasonDuplicate Reason = "Duplicate"
	// ReasonNoLinks: the peering joins no pods at present, because a node has none; nothing is wrong with that.
	// What helps: Nothing, if pods are to come; else spec.replicas of the node, or the labels that the selector wants.
	ReasonNoLinks Reason = "NoLinks"
	// ReasonBothOutside: both ends of the peering run elsewhere, so that there is nothing that could connect them.
	// What helps: Give the Peering an end with pods, or remove it.
	ReasonBothOutside Reason = "BothOutside"
	// ReasonNoAddress: the peering leads to an external node that has no address to connect to.
	// What helps: Give the node spec.external.address, or let the Peering begin there (from).
	ReasonNoAddress Reason = "NoAddress"
	// ReasonNothingDropped: no message was dropped in the last five minutes.
	ReasonNothingDropped Reason = "NothingDropped"
	// ReasonQueueOverflow: messages were dropped because a queue was full.
	// What helps: brokerctl top shows whose queue. Larger queues (spec.queues), fewer messages, or a faster receiver; docs/tuning.md has the
	// knobs.
	ReasonQueueOverflow Reason = "QueueOverflow"

	// ReasonServing: the master serves.
	ReasonServing Reason = "Serving"
	// ReasonMasterMoving: the master moves to another node; it serves where it was until its successor has everything.
	// What helps: If it lasts, the message says what it waits for. A master whose volume was lost: brokerctl store move NAME --to NODE
	// --without-master, to a clone.
	ReasonMasterMoving Reason = "MasterMoving"
	// ReasonMoveRefused: the master can't move to where spec.master.node wants it, and stays where it is. The message says why.
	// What helps: What the message names; or leave spec.master.node as it was. Clones of other implementations: attach them anew afterwards and
	// set spec.master.strandForeignClones.
	ReasonMoveRefused Reason = "MoveRefused"
	// ReasonFailedOver: the master serves on another node than spec.master.node says, because that one failed. Nothing moves back by itself.
	// What helps: brokerctl store move NAME --to NODE moves it back when you like, or set spec.master.node to where it is.
	ReasonFailedOver Reason = "FailedOver"
	// ReasonFailingOver: the master has been away for spec.failover.after. A clone becomes the master as soon as the old one can't write any
	// more; the message says what that waits for.
	// What helps: Nothing. If it lasts, the message says what it waits for; brokerctl store move NAME --to NODE --without-master decides
	// yourself.
	ReasonFailingOver Reason = "FailingOver"
	// ReasonLeaseMissing: the master refuses writes because the operator gave it no lease (spec.failover).
	// What helps: If it lasts, look whether the operator runs, and whether it reaches the node's control port (9990).
	ReasonLeaseMissing Reason = "LeaseMissing"
	// ReasonTwoMasters: an older DataStore has the same store name, or there is another master of it in the mesh.
	// What helps: Two DataStores of one name: remove one, or give it another spec.storeName. Two masters in the mesh: brokerctl store promote
	// decides which one writes, or close the one that is not declared.
	ReasonTwoMasters Reason = "TwoMasters"
	// ReasonMasterNeedsOnePod: the master's node has not exactly one pod (spec.replicas). A master that served before goes on in the pod NAME-0,
	// if there is one; a new one isn't made.
	// What helps: spec.replicas: 1 on the node, or another node for the master.
	ReasonMasterNeedsOnePod Reason = "MasterNeedsOnePod"
	// ReasonBackendFailure: the master's backend failed.
	// What helps: The message has the cause: a full or lost volume, a damaged file. Make room and restart the node; brokerctl store verify
	// --file checks a file; or move the master to a clone.
	ReasonBackendFailure Reason = "BackendFailure"
	// ReasonNodeNotReady: the node that holds the master isn't ready.
	// What helps: Look at the BrokerNode. If it stays away: brokerctl store move NAME --to NODE --without-master.
	ReasonNodeNotReady Reason = "NodeNotReady"
	// ReasonStorageMissing: the backend is persistent, but the master's node has no storage.
	// What helps: spec.storage on the node, or the backend Memory.
	ReasonStorageMissing Reason = "StorageMissing"
	// ReasonDeleting: the DataStore is being deleted, and nodes remove its files (spec.deletionPolicy); the message says which have not yet.
	// What helps: Bring back the nodes that the message names; or take the finalizer out, and the files stay.
	ReasonDeleting Reason = "Deleting"
	// ReasonBackupTaken: the last backup was made, and nothing has failed since.
	ReasonBackupTaken Reason = "BackupTaken"
	// ReasonBackupFailed: the last backup failed; the message says why. It is tried again within five minutes; older backups are kept.
	// What helps: What the message says: room on the volume, its mount, the master.
	ReasonBackupFailed Reason = "BackupFailed"
	// ReasonBackupPending: no backup was made yet.
	// What helps: If one is due, look at MasterAvailable.
	ReasonBackupPending Reason = "BackupPending"
	// ReasonRestored: the store began with the backup that the message names.
	ReasonRestored Reason = "Restored"
	// ReasonRestoreRefused: the store had entries already. They stayed, no backup was read, and none will be for this value of spec.restoreFrom.
	// What helps: Nothing, if the entries are right; brokerctl store import puts those of a backup beside them.
	ReasonRestoreRefused Reason = "RestoreRefused"
	// ReasonRestoreFailed: the backup can't be read, is damaged, or is more than the store may hold; the message names the file and says why.
	// The store serves nothing meanwhile. It is tried again.
	// What helps: Another file in spec.restoreFrom, or the field removed, to begin with an empty store.
	ReasonRestoreFailed Reason = "RestoreFailed"
	// ReasonRestorePending: the node of the master has not said yet what became of the restore.
	// What helps: If it lasts, look at MasterAvailable.
	ReasonRestorePending Reason = "RestorePending"
	// ReasonLoading: the master opens its backend.
	// What helps: Nothing; large files take a while.
	ReasonLoading Reason = "Loading"
	// ReasonAllSynced: every clone is attached and within its staleAfter.
	ReasonAllSynced Reason = "AllSynced"
	// ReasonSyncing: a clone is on its way to the master's state.
	// What helps: Nothing; a large snapshot takes a while. If it lasts, look at the Peerings on the way to the master.
	ReasonSyncing Reason = "Syncing"
	// ReasonStale: a clone is older than its staleAfter.
	// What helps: Look at MasterAvailable first, then at the Peerings between clone and master; brokerctl store stat shows the lag.
	ReasonStale Reason = "Stale"
	// ReasonNewHistory: the master began a new history, and a clone keeps the old content until somebody adopts the new one.
	// What helps: If the old content is the right one: brokerctl store move NAME --to NODE --without-master, to a clone. If the new one is:
	// brokerctl store adopt.
	ReasonNewHistory Reason = "NewHistory"
	// ReasonForeignCloneStranded: a clone of another implementation can't go on with the master and must be attached anew.
	// What helps: Attach the clone anew in its program, or restart that.
	ReasonForeignCloneStranded Reason = "ForeignCloneStranded"
	// ReasonUnreachable: no path joins a clone to its master.
	// What helps: A Peering that joins the two, or the one that is down; nodes on the way need forward: Mesh.
	ReasonUnreachable Reason = "Unreachable"
)
