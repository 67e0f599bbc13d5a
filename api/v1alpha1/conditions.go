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
)

// Reasons.
const (
	// ReasonListening: the pods run, the engines listen, their status is fresh.
	ReasonListening Reason = "Listening"
	// ReasonScaledToZero: the node has no pods, and shall have none (spec.replicas).
	ReasonScaledToZero Reason = "ScaledToZero"
	// ReasonPodPending: a pod is not there, not scheduled or not started yet.
	ReasonPodPending Reason = "PodPending"
	// ReasonImageUnavailable: the image of a pod can't be pulled.
	ReasonImageUnavailable Reason = "ImageUnavailable"
	// ReasonNotListening: a pod runs, but its engine doesn't listen on all its ports.
	ReasonNotListening Reason = "NotListening"
	// ReasonCAMissing: node certificates exist, but the secret of their CA doesn't.
	ReasonCAMissing Reason = "CAMissing"
	// ReasonEvidenceTooOld: nothing was heard for 30 seconds.
	ReasonEvidenceTooOld Reason = "EvidenceTooOld"
	// ReasonDraining: a pod is on its way out.
	ReasonDraining Reason = "Draining"

	// ReasonSeenByPeers: every node that the external node should be connected to reports it.
	ReasonSeenByPeers Reason = "SeenByPeers"
	// ReasonNotSeen: a node that the external node should be connected to doesn't report it, or there is no such node. Look at the
	// external endpoint's own log; its certificate is in the Secret NAME-tls.
	ReasonNotSeen Reason = "NotSeen"

	// ReasonRunsElsewhere: the node is external. There is nothing to configure but its certificate, in the Secret NAME-tls.
	ReasonRunsElsewhere Reason = "RunsElsewhere"
	// ReasonApplied: the engines run the compiled config.
	ReasonApplied Reason = "Applied"
	// ReasonApplying: the compiled config is under way to the engines.
	ReasonApplying Reason = "Applying"
	// ReasonRejected: an engine refused the config; the message has its words.
	ReasonRejected Reason = "Rejected"
	// ReasonRestartNeeded: a change waits for a new pod.
	ReasonRestartNeeded Reason = "RestartNeeded"
	// ReasonNeedsNewerNode: the node's program doesn't know something that the topology needs.
	ReasonNeedsNewerNode Reason = "NeedsNewerNode"
	// ReasonConflict: an object of the same name exists that the operator doesn't own.
	ReasonConflict Reason = "Conflict"
	// ReasonCertificatePending: the mesh's issuer has not issued the node's certificate yet. If it lasts, ask the Certificate of that name.
	ReasonCertificatePending Reason = "CertificatePending"
	// ReasonConfigTooLarge: the compiled config doesn't fit into a ConfigMap.
	ReasonConfigTooLarge Reason = "ConfigTooLarge"
	// ReasonPodTemplateRefused: the node's spec.podTemplate can't be laid over its pods; the message has the field and what is wrong. The node's
	// StatefulSet stays as it is until that is mended.
	ReasonPodTemplateRefused Reason = "PodTemplateRefused"
	// ReasonVolumeGrowing: a volume has not reached the size of spec.storage yet. If it lasts, look at the events of the
	// PersistentVolumeClaim that the message names: its StorageClass or driver may not be able to.
	ReasonVolumeGrowing Reason = "VolumeGrowing"
	// ReasonPausedBySpec: the node stays as it is, because spec.paused is set.
	ReasonPausedBySpec Reason = "PausedBySpec"
	// ReasonNotCompiled: the object is at fault and left out; another condition says why.
	ReasonNotCompiled Reason = "NotCompiled"

	// ReasonHoldsUpRotation: the mesh's authority is being replaced, and a pod doesn't report the certificates of the present step. The next
	// step waits for it until the old authority ends. Bring the pod back, or delete it. Of an external node its owner has to say that it has
	// them: see the message.
	ReasonHoldsUpRotation Reason = "HoldsUpRotation"

	// ReasonAllReady: all nodes and peerings of the mesh are ready, and the nodes run the config of the topology.
	ReasonAllReady Reason = "AllReady"
	// ReasonNodesNotReady: a node of the mesh isn't ready, or doesn't run its config; the message names the worst.
	ReasonNodesNotReady Reason = "NodesNotReady"
	// ReasonPeeringsNotReady: a peering of the mesh isn't ready; the message names the worst.
	ReasonPeeringsNotReady Reason = "PeeringsNotReady"

	// ReasonBothEndsAgree: both ends report the other.
	ReasonBothEndsAgree Reason = "BothEndsAgree"
	// ReasonOneSided: the end that can be asked reports the other, which is not managed.
	ReasonOneSided Reason = "OneSided"
	// ReasonEndsDisagree: one end reports the other, which doesn't report it.
	ReasonEndsDisagree Reason = "EndsDisagree"
	// ReasonConnecting: no connection yet.
	ReasonConnecting Reason = "Connecting"
	// ReasonRefused: the other end refuses connections.
	ReasonRefused Reason = "Refused"
	// ReasonIncompatible: the other end doesn't speak this protocol, or not this version.
	ReasonIncompatible Reason = "Incompatible"
	// ReasonTLSFailed: the TLS handshake fails.
	ReasonTLSFailed Reason = "TLSFailed"
	// ReasonTLSMismatch: one end dials with another mode of TLS than the other listens with.
	ReasonTLSMismatch Reason = "TLSMismatch"
	// ReasonNodeMissing: the object names a BrokerNode that doesn't exist.
	ReasonNodeMissing Reason = "NodeMissing"
	// ReasonDuplicate: an older Peering joins the same pair, or the peering leads to an external node whose address is that of another one.
	// Remove one of the two.
	ReasonDuplicate Reason = "Duplicate"
	// ReasonNoLinks: the peering joins no pods at present, because a node has none; nothing is wrong with that.
	ReasonNoLinks Reason = "NoLinks"
	// ReasonBothOutside: both ends of the peering run elsewhere, so that there is nothing that could connect them.
	ReasonBothOutside Reason = "BothOutside"
	// ReasonNoAddress: the peering leads to an external node that has no address to connect to. Give it spec.external.address, or let the
	// peering begin there (from).
	ReasonNoAddress Reason = "NoAddress"
	// ReasonNothingDropped: no message was dropped in the last five minutes.
	ReasonNothingDropped Reason = "NothingDropped"
	// ReasonQueueOverflow: messages were dropped because a queue was full.
	ReasonQueueOverflow Reason = "QueueOverflow"

	// ReasonServing: the master serves.
	ReasonServing Reason = "Serving"
	// ReasonMasterMoving: the master moves to another node; it serves where it was until its successor has everything. If it lasts, the
	// message says what it waits for.
	ReasonMasterMoving Reason = "MasterMoving"
	// ReasonMoveRefused: the master can't move to where spec.master.node wants it, and stays where it is. The message says why. Clones of
	// other implementations: attach them anew afterwards and set spec.master.strandForeignClones, or leave spec.master.node as it was.
	ReasonMoveRefused Reason = "MoveRefused"
	// ReasonFailedOver: the master serves on another node than spec.master.node says, because that one failed. Nothing moves back by
	// itself: brokerctl store move NAME --to NODE moves it back, or set spec.master.node to where it is.
	ReasonFailedOver Reason = "FailedOver"
	// ReasonFailingOver: the master has been away for spec.failover.after. A clone becomes the master as soon as the old one can't write
	// any more; the message says what that waits for.
	ReasonFailingOver Reason = "FailingOver"
	// ReasonLeaseMissing: the master refuses writes because the operator gave it no lease (spec.failover). If it lasts, look whether the
	// operator runs and reaches the node's control port.
	ReasonLeaseMissing Reason = "LeaseMissing"
	// ReasonTwoMasters: an older DataStore has the same store name, or there is another master of it in the mesh.
	ReasonTwoMasters Reason = "TwoMasters"
	// ReasonMasterNeedsOnePod: the master's node has not exactly one pod (spec.replicas). A master that served before goes on in the pod
	// NAME-0, if there is one; a new one isn't made.
	ReasonMasterNeedsOnePod Reason = "MasterNeedsOnePod"
	// ReasonBackendFailure: the master's backend failed.
	ReasonBackendFailure Reason = "BackendFailure"
	// ReasonNodeNotReady: the node that holds the master isn't ready.
	ReasonNodeNotReady Reason = "NodeNotReady"
	// ReasonStorageMissing: the backend is persistent, but the master's node has no storage.
	ReasonStorageMissing Reason = "StorageMissing"
	// ReasonDeleting: the DataStore is being deleted, and nodes remove its files (spec.deletionPolicy); the message says which have not yet.
	ReasonDeleting Reason = "Deleting"
	// ReasonBackupTaken: the last backup was made, and nothing has failed since.
	ReasonBackupTaken Reason = "BackupTaken"
	// ReasonBackupFailed: the last backup failed; the message says why. It is tried again within five minutes; older backups are kept.
	ReasonBackupFailed Reason = "BackupFailed"
	// ReasonBackupPending: no backup was made yet. If it lasts although one is due, look at the condition MasterAvailable.
	ReasonBackupPending Reason = "BackupPending"
	// ReasonLoading: the master opens its backend.
	ReasonLoading Reason = "Loading"
	// ReasonAllSynced: every clone is attached and within its staleAfter.
	ReasonAllSynced Reason = "AllSynced"
	// ReasonSyncing: a clone is on its way to the master's state.
	ReasonSyncing Reason = "Syncing"
	// ReasonStale: a clone is older than its staleAfter.
	ReasonStale Reason = "Stale"
	// ReasonNewHistory: the master began a new history, and a clone keeps the old content until somebody adopts the new one.
	ReasonNewHistory Reason = "NewHistory"
	// ReasonForeignCloneStranded: a clone of another implementation can't go on with the master and must be attached anew.
	ReasonForeignCloneStranded Reason = "ForeignCloneStranded"
	// ReasonUnreachable: no path joins a clone to its master.
	ReasonUnreachable Reason = "Unreachable"
)
