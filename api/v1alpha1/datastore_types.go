// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Backend is where a master keeps its entries.
// +kubebuilder:validation:Enum=Memory;SQLite;Pebble
type Backend string

// The values of spec.master.backend.
const (
	// BackendMemory keeps entries as long as the process lives.
	BackendMemory Backend = "Memory"
	// BackendSQLite keeps entries in a SQLite database that C++ Broker can open.
	BackendSQLite Backend = "SQLite"
	// BackendPebble keeps entries in a Pebble folder.
	BackendPebble Backend = "Pebble"
)

// DataStoreSpec declares a store: its master and its clones.
// +kubebuilder:validation:XValidation:rule=`!has(self.clones) || self.clones.all(c, !has(c.node) || c.node != self.master.node)`,fieldPath=".clones",messageExpression=`'a clone on "' + self.master.node + '", which holds the master; allowed: other nodes'`
type DataStoreSpec struct {
	// The name that programs attach the store by. Unset means the object's name. It can't change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]+$`
	// +kubebuilder:validation:XValidation:rule=`!self.contains('<$>')`,message="<$> is reserved for Broker's own topics"
	// +kubebuilder:example="zeek/known/hosts"
	StoreName string `json:"storeName,omitempty"`

	// The authoritative copy, which orders all changes.
	// +required
	Master MasterSpec `json:"master"`

	// Nodes whose pods hold a full copy each. A node that several entries choose is of the one that names it, else of the first. The node
	// that holds the master has none, whatever a selector says.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(a, !has(a.node) || self.exists_one(b, has(b.node) && b.node == a.node))`,message="a node is named twice; allowed: each node once"
	Clones []CloneSpec `json:"clones,omitempty"`

	// What happens when the node that holds the master stays away.
	// +optional
	Failover *FailoverSpec `json:"failover,omitempty"`

	// How long after it was last written an entry goes away, if the write came without an expiry of its own: 1s to 87600h (ten years).
	// Unset: such entries stay. A change is of effect for what is written from then on.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('87600h')`,message="allowed: a duration from 1s to 87600h, such as 30m or 24h"
	// +kubebuilder:example="24h"
	Expiry *metav1.Duration `json:"expiry,omitempty"`

	// Copies of the store in files on a volume, made by the node that holds the master. Unset makes none.
	// +optional
	Backup *BackupSpec `json:"backup,omitempty"`

	// A backup that the store begins with. It is done once for each value of the field, and only while the store has no entries.
	// +optional
	RestoreFrom *RestoreSpec `json:"restoreFrom,omitempty"`

	// What becomes of the store's files when the DataStore is deleted. Retain leaves them on their volumes. Delete removes them from the nodes
	// that have the master and clones: the DataStore goes when they have, after a minute even if one can't be reached, which an Event tells.
	// +optional
	// +kubebuilder:default=Retain
	// +kubebuilder:example=Delete
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// BackupSpec says when a store is copied to files, and where those are. A change of the volume needs new pods of the node that holds the
// master, which a rolling change makes.
type BackupSpec struct {
	// When, in UTC: minute, hour, day of the month, month and day of the week as in crontab(5), or @hourly, @daily, @weekly, @monthly, @yearly.
	// A backup that is missed is made when the node is back.
	// +required
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[-0-9A-Za-z*/,?]+( [-0-9A-Za-z*/,?]+){4})$')`,message="allowed: five fields as in crontab, such as 0 3 * * *, or @hourly, @daily, @weekly, @monthly, @yearly"
	// +kubebuilder:example="0 3 * * *"
	Schedule string `json:"schedule"`

	// How many backups are kept, 1 to 1000. Older ones are removed.
	// +optional
	// +kubebuilder:default=7
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +kubebuilder:example=7
	Keep int32 `json:"keep,omitempty"`

	// Name of the PersistentVolumeClaim, in this namespace, that is mounted at /backup/NAME. The backups are in a folder of it that is named
	// after the store.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +kubebuilder:example="backups"
	VolumeClaim string `json:"volumeClaim"`
}

// RestoreSpec says which backup a store begins with. The volume is mounted as long as the field is set, whatever has become of the restore.
type RestoreSpec struct {
	// Name of the PersistentVolumeClaim, in this namespace, that has the backup: the volumeClaim of a spec.backup.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +kubebuilder:example="backups"
	VolumeClaim string `json:"volumeClaim"`

	// The storeName of the store whose backup it is. Unset means this store's.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:example="zeek/known/hosts"
	StoreName string `json:"storeName,omitempty"`

	// Name of the backup's file. Unset means the newest.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]{8}T[0-9]{6}Z[.]jsonl[.]gz$`
	// +kubebuilder:example="20260301T030000Z.jsonl.gz"
	File string `json:"file,omitempty"`
}

// DeletionPolicy is what becomes of a store's files when its DataStore is deleted.
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

// The values of spec.deletionPolicy.
const (
	// DeletionRetain leaves the files where they are.
	DeletionRetain DeletionPolicy = "Retain"
	// DeletionDelete removes them.
	DeletionDelete DeletionPolicy = "Delete"
)

// DataFinalizer is on a DataStore with deletionPolicy Delete, until its files are removed. No other object has a finalizer of ours.
const DataFinalizer = "brokermesh.dev/data"

// FailoverPolicy is who decides that a clone becomes the master because the master is gone.
// +kubebuilder:validation:Enum=Manual;Automatic
type FailoverPolicy string

// The values of spec.failover.policy.
const (
	// FailoverManual leaves it to people: brokerctl store move --without-master.
	FailoverManual FailoverPolicy = "Manual"
	// FailoverAutomatic leaves it to the operator: the master writes under a lease, and when it has been away long enough for the lease
	// to have ended, the clone that is furthest ahead is promoted.
	FailoverAutomatic FailoverPolicy = "Automatic"
)

// FailoverSpec says what happens when the node that holds the master stays away.
type FailoverSpec struct {
	// Manual leaves it to people (brokerctl store move --without-master). Automatic: the master writes under a lease of the operator;
	// when it has been away and its lease has ended, the operator makes the clone that is furthest ahead the master. What only the lost
	// master had is lost.
	// +optional
	// +kubebuilder:default=Manual
	Policy FailoverPolicy `json:"policy,omitempty"`

	// How long the master must have been away, 5s to 1h. It is also how long it may write without hearing of the operator.
	// +optional
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('5s') && duration(self) <= duration('1h')`,message="allowed: a duration from 5s to 1h, such as 30s or 5m"
	After *metav1.Duration `json:"after,omitempty"`
}

// MasterSpec says where the authoritative copy lives.
// +kubebuilder:validation:XValidation:rule=`has(self.backend) == has(oldSelf.backend) && (!has(self.backend) || self.backend == oldSelf.backend)`,fieldPath=".backend",messageExpression=`(has(self.backend) ? '"' + self.backend + '"' : 'unset') + ' is not what it was (' + (has(oldSelf.backend) ? '"' + oldSelf.backend + '"' : 'unset') + '): the backend can\'t change, the master would start empty'`
// +kubebuilder:validation:XValidation:rule=`!has(self.sqlite) || (has(self.backend) && self.backend == 'SQLite')`,fieldPath=".sqlite",messageExpression=`'set with backend ' + (has(self.backend) ? '"' + self.backend + '"' : 'unset') + '; allowed: with backend SQLite only'`
// +kubebuilder:validation:XValidation:rule=`!has(self.pebble) || (has(self.backend) && self.backend == 'Pebble')`,fieldPath=".pebble",messageExpression=`'set with backend ' + (has(self.backend) ? '"' + self.backend + '"' : 'unset') + '; allowed: with backend Pebble only'`
// +kubebuilder:validation:XValidation:rule=`!has(self.memory) || !has(self.backend) || self.backend == 'Memory'`,fieldPath=".memory",messageExpression=`'set with backend "' + self.backend + '"; allowed: with backend Memory only'`
type MasterSpec struct {
	// Name of the BrokerNode, in this namespace, that holds the master. A change moves the master there, with all that it holds, once
	// status.master says where it is; what is acknowledged is kept.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:example="manager"
	Node string `json:"node"`

	// Where entries are kept: Memory (gone when the node ends), SQLite (a database that C++ Broker can open) or Pebble.
	// SQLite and Pebble need storage on the node. It can't change.
	// +optional
	// +kubebuilder:default=Memory
	Backend Backend `json:"backend,omitempty"`

	// Settings of the SQLite backend; only with backend SQLite.
	// +optional
	SQLite *SQLiteSpec `json:"sqlite,omitempty"`

	// Settings of the Pebble backend; only with backend Pebble.
	// +optional
	Pebble *PebbleSpec `json:"pebble,omitempty"`

	// Settings of the memory backend; only with backend Memory.
	// +optional
	Memory *MemorySpec `json:"memory,omitempty"`

	// Size of the largest entry, key and value together, 1Ki to 64Mi. Larger ones are refused. Unset means 32Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('64Mi')) <= 0`,message="allowed: a quantity from 1Ki to 64Mi, such as 1Mi"
	// +kubebuilder:example="1Mi"
	EntrySize *resource.Quantity `json:"entrySize,omitempty"`

	// Move the master although clones of other implementations follow it, which then have to be attached anew. Unset refuses to.
	// +optional
	StrandForeignClones bool `json:"strandForeignClones,omitempty"`

	// How much of its changes the master keeps for clones that are behind, 64Ki to 1Ti. A clone that is farther behind gets a new
	// snapshot. Unset means 64Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 64Mi"
	// +kubebuilder:example="64Mi"
	HistorySize *resource.Quantity `json:"historySize,omitempty"`
}

// PebbleSpec tunes the Pebble backend.
type PebbleSpec struct {
	// Whether an acknowledged change is on the disk. Full survives a power cut; Off may lose the latest changes, also when the node's
	// process is killed. "Off" needs its quotes: YAML takes it for a boolean.
	// +optional
	// +kubebuilder:default=Full
	// +kubebuilder:validation:Enum=Off;Full
	Synchronous string `json:"synchronous,omitempty"`

	// Memory for parts of the files, 64Ki to 1Ti. Unset means 32Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 128Mi"
	// +kubebuilder:example="32Mi"
	CacheSize *resource.Quantity `json:"cacheSize,omitempty"`
}

// MemorySpec tunes the memory backend.
type MemorySpec struct {
	// How much the keys and values of the store may take, 64Ki to 1Ti. Writes that would need more are refused. Unset means that
	// nothing but the pod's memory bounds them.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 256Mi"
	// +kubebuilder:example="256Mi"
	MaxSize *resource.Quantity `json:"maxSize,omitempty"`
}

// SQLiteSpec tunes the SQLite backend.
type SQLiteSpec struct {
	// How carefully SQLite waits for the disk. Full survives a power cut. "Off" needs its quotes: YAML takes it for a boolean.
	// +optional
	// +kubebuilder:default=Full
	// +kubebuilder:validation:Enum=Off;Normal;Full;Extra
	Synchronous string `json:"synchronous,omitempty"`

	// SQLite's journal: Delete makes one for each change, WAL appends to a write-ahead log.
	// +optional
	// +kubebuilder:default=Delete
	// +kubebuilder:validation:Enum=Delete;WAL
	JournalMode string `json:"journalMode,omitempty"`

	// Run SQLite's own check of the whole file each time that it is opened, besides the checksums of the entries, which are always
	// checked.
	// +optional
	IntegrityCheck bool `json:"integrityCheck,omitempty"`

	// What happens with a file that can't be opened. Fail leaves it, and the store stays out of service; Delete removes it and starts
	// with an empty store.
	// +optional
	// +kubebuilder:default=Fail
	// +kubebuilder:validation:Enum=Fail;Delete
	FailureMode string `json:"failureMode,omitempty"`
}

// CloneSpec is a full copy, or one on each of several nodes. Exactly one of node and selector is set.
// +kubebuilder:validation:XValidation:rule=`has(self.node) != has(self.selector)`,messageExpression=`has(self.node) ? 'both node and selector are set; allowed: exactly one of them' : 'neither node nor selector is set; allowed: exactly one of them'`
type CloneSpec struct {
	// Name of the BrokerNode, in this namespace, that holds the clone.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:example="manager"
	Node string `json:"node,omitempty"`

	// BrokerNodes of this namespace that hold a clone each, by their labels, such as {matchLabels: {role: worker}}.
	// +optional
	// +kubebuilder:example={matchLabels: {role: worker}}
	Selector *NodeSelector `json:"selector,omitempty"`

	// How long the clone may be without its master before its answers count as stale, 1s to 168h. Unset means for ever.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('168h')`,message="allowed: a duration from 1s to 168h, such as 30s, 5m or 1h30m"
	// +kubebuilder:example="30s"
	StaleAfter *metav1.Duration `json:"staleAfter,omitempty"`

	// What reads get from then on: Refuse an error, Serve what the clone has, marked as stale.
	// +optional
	// +kubebuilder:default=Refuse
	// +kubebuilder:validation:Enum=Refuse;Serve
	StaleReads string `json:"staleReads,omitempty"`

	// How much of its writes the clone keeps while its master is away, 64Ki to 1Ti. Further writes are refused. Unset means 16Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 16Mi"
	// +kubebuilder:example="16Mi"
	WriteQueueSize *resource.Quantity `json:"writeQueueSize,omitempty"`
}

// DataStoreStatus is what is known of a store.
type DataStoreStatus struct {
	// Generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// The name that programs attach the store by.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	StoreName string `json:"storeName,omitempty"`

	// Where the master is. A change of spec.master.node is a move from there.
	// +optional
	Master *MasterStatus `json:"master,omitempty"`

	// What became of spec.restoreFrom.
	// +optional
	Restore *RestoreStatus `json:"restore,omitempty"`

	// Clones that are in sync, of those that there should be: "2/3".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	ClonesSynced string `json:"clonesSynced,omitempty"`

	// Clones that aren't in sync, worst first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Clones []CloneStatus `json:"clones,omitempty"`

	// MasterAvailable says that the master serves, ClonesSynced that every clone is in sync, Ready both.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RestoreStatus is what became of one value of spec.restoreFrom, once and for all.
type RestoreStatus struct {
	// The value: claim, store and file, as in backups/known-hosts/latest.
	// +required
	// +kubebuilder:validation:MaxLength=600
	Request string `json:"request"`

	// The backup that the store began with. It is empty if the store had entries already, and nothing was restored.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	File string `json:"file,omitempty"`
}

// MasterStatus is where the master was last seen to serve.
type MasterStatus struct {
	// BrokerNode that holds the master.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Node string `json:"node"`

	// How many masters the store has had, counted from 1. Only the latest may write.
	// +required
	// +kubebuilder:validation:Minimum=1
	Epoch int64 `json:"epoch"`

	// What spec.master.node said when the master came there. As long as it says the same, nothing moves, wherever the master is.
	// +required
	// +kubebuilder:validation:MaxLength=40
	SpecNode string `json:"specNode"`

	// The master is there only while a pod of specNode is replaced by a rolling change; it goes back by itself.
	// +optional
	Away bool `json:"away,omitempty"`

	// BrokerNode that a rolling change is moving the master to, or back to. It is written down before any node is told.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	MovingTo string `json:"movingTo,omitempty"`
}

// PromoteAnnotation on a DataStore makes the clone of a BrokerNode the master although there is no master to ask: its value is NODE/EPOCH,
// with an epoch above that of status.master. It is of no effect once a master of that epoch has been seen.
const PromoteAnnotation = "brokermesh.dev/promote"

// CloneStatus is one clone that isn't in sync.
type CloneStatus struct {
	// Pod that holds the clone.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Node string `json:"node"`

	// What the clone reports.
	// +required
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state"`

	// Since when its answers are stale.
	// +optional
	StaleSince *metav1.Time `json:"staleSince,omitempty"`
}

// DataStore is a key-value store shared by the nodes of a mesh: one master, and clones that follow it.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bds,categories=broker
// +kubebuilder:printcolumn:name="Store",type=string,JSONPath=`.status.storeName`
// +kubebuilder:printcolumn:name="Master",type=string,JSONPath=`.status.master.node`
// +kubebuilder:printcolumn:name="Backend",type=string,JSONPath=`.spec.master.backend`
// +kubebuilder:printcolumn:name="Clones",type=string,JSONPath=`.status.clonesSynced`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,fieldPath=".metadata",messageExpression=`'name "' + self.metadata.name + '": allowed: at most 63 characters'`
// +kubebuilder:validation:XValidation:rule=`(has(self.spec.storeName) ? self.spec.storeName : self.metadata.name) == (has(oldSelf.spec.storeName) ? oldSelf.spec.storeName : oldSelf.metadata.name)`,fieldPath=".spec.storeName",messageExpression=`'"' + (has(self.spec.storeName) ? self.spec.storeName : self.metadata.name) + '" is not what it was ("' + (has(oldSelf.spec.storeName) ? oldSelf.spec.storeName : oldSelf.metadata.name) + '"): the name of a store can\'t change, its master would start empty'`
// +kubebuilder:validation:XValidation:rule=`self.spec.master.node == oldSelf.spec.master.node || (has(self.status) && has(self.status.master))`,fieldPath=".spec.master.node",messageExpression=`'"' + self.spec.master.node + '" is not what it was ("' + oldSelf.spec.master.node + '"): a master that was never seen to serve (status.master) can\'t move; allowed: to delete the DataStore and to make it anew'`
type DataStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Where the store lives.
	// +required
	Spec DataStoreSpec `json:"spec,omitempty"`

	// What is known of the store. Written by the operator.
	// +optional
	Status DataStoreStatus `json:"status,omitempty"`
}

// DataStoreList is a list of DataStores.
// +kubebuilder:object:root=true
type DataStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DataStore `json:"items"`
}
