// SPDX-License-Identifier: Apache-2.0

package statusapi

import "time"

// Paths of the control port (HTTP/1.1 over mutual TLS).
const (
	// PathStatus answers GET with a Status. Query: instance, generation, wait (whole seconds, at most 10). It answers at once
	// when the instance differs or the generation is not the newest, else when that changes or the wait is over.
	PathStatus = "/v1/status"
	// PathConfig takes PUT of a nodeconfig.Config: 200 with a Status when it is applied, 422 with a Problem when it is refused.
	PathConfig = "/v1/config"
	// PathLeases answers GET with a LeaseToken and takes PUT of a Grant: 200 with the Grant when a master writes under it, 409 with a
	// Problem when none does.
	PathLeases = "/v1/leases"
)

// LeaseToken stands for the moment at which a node was asked for it. A lease lasts from there, not from when its grant arrives: who grants
// knows when it ends at the latest, however long the grant was on its way.
type LeaseToken struct {
	Token string `json:"token"`
}

// Grant lets a master write for some time.
type Grant struct {
	// Store is the store's name, Epoch the only one of a master that the lease is for: a fencing token.
	Store string `json:"store"`
	Epoch uint64 `json:"epoch"`
	// Seconds is how long the lease lasts, counted from the moment of the Token.
	Seconds float64 `json:"seconds"`
	Token   string  `json:"token"`
}

// Status is what a node knows of itself.
type Status struct {
	// Instance is random at each process start.
	Instance string `json:"instance"`
	// Generation advances when a field changes that a condition is built on; traffic figures never advance it.
	Generation uint64 `json:"generation"`
	Namespace  string `json:"namespace"`
	Node       string `json:"node"`
	Pod        string `json:"pod"`
	EndpointID string `json:"endpointID,omitempty"`
	Version    string `json:"version"`
	// ConfigVersions are the versions of nodeconfig that the node reads, Features the optional features that it knows.
	ConfigVersions []int    `json:"configVersions"`
	Features       []string `json:"features,omitempty"`
	// ConfigHash and ConfigRevision are those of the running config; ConfigError is why the newest document was refused.
	ConfigHash     string `json:"configHash,omitempty"`
	ConfigRevision int64  `json:"configRevision,omitempty"`
	ConfigError    string `json:"configError,omitempty"`
	// RestartNeeded names what differs in the newest document and needs a new process.
	RestartNeeded string     `json:"restartNeeded,omitempty"`
	Draining      bool       `json:"draining,omitempty"`
	Listeners     []Listener `json:"listeners,omitempty"`
	// LeafSerial is the serial number of the node's certificate, TrustHash the hash of the CA bundle that it trusts.
	LeafSerial string  `json:"leafSerial,omitempty"`
	TrustHash  string  `json:"trustHash,omitempty"`
	Peers      []Peer  `json:"peers,omitempty"`
	Stores     []Store `json:"stores,omitempty"`
	// Flows are subscriptions elsewhere that grant credit to this node, at most MaxFlows: those that hold publishers up first, then those
	// that are no longer waited for. Traffic figures, all of it.
	Flows []Flow `json:"flows,omitempty"`
	// Findings are observations of the engine in plain words.
	Findings []string `json:"findings,omitempty"`
}

// Listener is a port that the node listens on: broker, websocket, control or http.
type Listener struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// Peer states.
const (
	PeerConnecting   = "Connecting"
	PeerPeered       = "Peered"
	PeerDisconnected = "Disconnected"
	PeerClosing      = "Closing"
)

// Peer is one connection, or one address that the node tries to connect to.
type Peer struct {
	// Peering is the name in the config of the address that was dialed, or of the peering that a peer which connected to this node was
	// recognized for; empty for others.
	Peering    string `json:"peering,omitempty"`
	Address    string `json:"address"`
	EndpointID string `json:"endpointID,omitempty"`
	// URI is the name in the peer's verified certificate.
	URI string `json:"uri,omitempty"`
	// Subject of that certificate, such as CN=zeek,O=Example.
	Subject string    `json:"subject,omitempty"`
	Dialed  bool      `json:"dialed"`
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	// Error is the class of the last error: Refused, Unreachable, TLSFailed, Incompatible, Timeout, Redundant, Overflow, Lost.
	Error string `json:"error,omitempty"`
	// DropPolicy is the overflow policy of the queue towards the peer; Dropping is true from the first dropped message until
	// five minutes without.
	DropPolicy string `json:"dropPolicy,omitempty"`
	Dropping   bool   `json:"dropping,omitempty"`
	// Traffic figures; they never advance the generation.
	QueueMessages int    `json:"queueMessages"`
	QueueBytes    int    `json:"queueBytes"`
	Dropped       uint64 `json:"dropped"`
	Sent          uint64 `json:"sent"`
	Received      uint64 `json:"received"`
	// InDoubt counts messages that were sent and not confirmed when their connection was lost.
	InDoubt uint64 `json:"inDoubt,omitempty"`
}

// Store roles and states.
const (
	RoleMaster = "Master"
	RoleClone  = "Clone"

	StoreLoading   = "Loading"
	StoreServing   = "Serving"
	StoreFailed    = "Failed"
	StoreAttaching = "Attaching"
	StoreSynced    = "Synced"
	StoreStale     = "Stale"
	StoreBroken    = "Broken"
	// StoreTakingOver: the node has a clone's content and takes the store over, to be its master.
	StoreTakingOver = "TakingOver"
	// StoreRemoved: the node has no files of the store, as its config wants.
	StoreRemoved = "Removed"
)

// Store is a master or clone that the node holds.
type Store struct {
	// Object is the name in the config (the DataStore's), Name the store's.
	Object  string `json:"object"`
	Name    string `json:"name"`
	Role    string `json:"role"`
	Backend string `json:"backend,omitempty"`
	State   string `json:"state"`
	// Since is when the state was entered.
	Since time.Time `json:"since"`
	Error string    `json:"error,omitempty"`
	// History is the ID of the store's history, Epoch how many times its master was replaced, from 1; empty and 0 while unknown.
	History string `json:"history,omitempty"`
	Epoch   uint64 `json:"epoch,omitempty"`
	// Conflict says at a master which other master of the name there is, and whether this one refuses writes.
	Conflict string `json:"conflict,omitempty"`
	// NewHistory: the clone's master began a new history; the clone keeps its old content until somebody adopts the new one.
	NewHistory bool `json:"newHistory,omitempty"`
	// Refused says why a master that is to take the store over doesn't get it, in words for people.
	Refused string `json:"refused,omitempty"`
	// Leased tells that the master writes under leases only, LeaseMissing that it has none now and refuses writes.
	Leased       bool `json:"leased,omitempty"`
	LeaseMissing bool `json:"leaseMissing,omitempty"`
	// Backup is of the backups that a master makes; nil if it makes none.
	Backup *Backup `json:"backup,omitempty"`
	// Restore is of the backup that a master was told to begin with; nil if it wasn't.
	Restore *Restore `json:"restore,omitempty"`
	// Stranded are clones of other implementations that can't go on with this master and must be attached anew, at most 20.
	Stranded []string `json:"stranded,omitempty"`
	// Figures; they never advance the generation.
	Sequence uint64     `json:"sequence"`
	Lag      uint64     `json:"lag"`
	SyncedAt *time.Time `json:"syncedAt,omitempty"`
	Entries  int64      `json:"entries"`
	Bytes    int64      `json:"bytes"`
	Clones   int        `json:"clones,omitempty"`
	// AgeSeconds is how long ago a clone last knew that it had everything. WritesWaiting are those of a clone that its master has not
	// answered yet, WritesUnknown counts those of which nobody knows whether they were executed.
	AgeSeconds    float64 `json:"ageSeconds,omitempty"`
	WritesWaiting int     `json:"writesWaiting,omitempty"`
	WritesUnknown uint64  `json:"writesUnknown,omitempty"`
}

// Backup is what is known of a store's backups.
type Backup struct {
	// Last is when the newest backup that is there was taken, File its name; nil and empty if there is none.
	Last *time.Time `json:"last,omitempty"`
	File string     `json:"file,omitempty"`
	// Failed is when the last try failed, Error why; nil and empty if it didn't.
	Failed *time.Time `json:"failed,omitempty"`
	Error  string     `json:"error,omitempty"`
	// Next is when the next is due.
	Next *time.Time `json:"next,omitempty"`
}

// Restore is what became of a backup that a master was told to begin with.
type Restore struct {
	// Request tells one such wish from another (nodeconfig.Store.RestoreRequest).
	Request string `json:"request"`
	// File is the name of the backup that was restored, with so many entries. Refused: the store had entries, and keeps them. Neither:
	// nothing has come of it yet, Error says why.
	File    string `json:"file,omitempty"`
	Entries int64  `json:"entries,omitempty"`
	Refused bool   `json:"refused,omitempty"`
	Error   string `json:"error,omitempty"`
}

// MaxFlows is how many flows a status lists.
const MaxFlows = 100

// Flow is a subscription of another endpoint under flow control, to which this node or its clients publish.
type Flow struct {
	// Subscriber is the ID of the endpoint that subscribes.
	Subscriber string   `json:"subscriber"`
	Prefixes   []string `json:"prefixes"`
	// Sent is how many messages went out, Credit how many, and CreditBytes how many bytes, may go out now.
	Sent        uint64 `json:"sent"`
	Credit      uint64 `json:"credit"`
	CreditBytes uint64 `json:"creditBytes"`
	// StalledSince is since when publishers find no room there; nil if they do.
	StalledSince *time.Time `json:"stalledSince,omitempty"`
	// DroppedSince is since when publishers don't wait for the subscriber, because it granted nothing for five seconds; nil if they do.
	DroppedSince *time.Time `json:"droppedSince,omitempty"`
}

// Problem is the answer to a document that was refused.
type Problem struct {
	Error string `json:"error"`
}
