// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"fmt"
	"strings"
)

// Values of Store.Role, Store.Backend, Store.FailureMode and Store.StaleReads.
const (
	RoleMaster = "Master"
	RoleClone  = "Clone"

	BackendMemory = "Memory"
	BackendSQLite = "SQLite"
	BackendPebble = "Pebble"

	FailureFail   = "Fail"
	FailureDelete = "Delete"

	StaleRefuse = "Refuse"
	StaleServe  = "Serve"
)

// What a field of a store means when it is not set.
const (
	DefaultBackend         = BackendMemory
	DefaultSynchronous     = "Full"
	DefaultJournalMode     = "Delete"
	DefaultFailureMode     = FailureFail
	DefaultStaleReads      = StaleRefuse
	DefaultCacheBytes      = 32 << 20
	DefaultEntryBytes      = 32 << 20
	DefaultHistoryBytes    = 64 << 20
	DefaultWriteQueueBytes = 16 << 20
)

// Limits of what a document says of a store.
const (
	MaxEntryBytes   = 64 << 20
	MaxStoreBytes   = 1 << 40
	leastStoreBytes = 64 << 10
	leastEntryBytes = 1 << 10
	MaxEpoch        = 1 << 62
	MinLeaseSeconds = 1
	MaxLeaseSeconds = 3600
	// MaxExpirySeconds is ten years.
	MaxExpirySeconds = 10 * 365 * 24 * 3600
	// MaxBackupKeep is how many backups of a store are kept at most.
	MaxBackupKeep = 1000
)

// Store is a master or a clone that the node holds.
type Store struct {
	// Object is the DataStore's name; StoreName is what programs attach to.
	Object    string `json:"object"`
	StoreName string `json:"storeName"`
	// Role is "Master" or "Clone".
	Role string `json:"role"`
	// Backend of a master: "Memory", "SQLite" or "Pebble".
	Backend string `json:"backend,omitempty"`
	// Synchronous ("Off", "Normal", "Full", "Extra") and JournalMode ("Delete", "WAL") of a SQLite master; Synchronous ("Off", "Full")
	// of a Pebble master.
	Synchronous string `json:"synchronous,omitempty"`
	JournalMode string `json:"journalMode,omitempty"`
	// IntegrityCheck lets a SQLite master run SQLite's own check of the whole file when it is opened, besides ours.
	IntegrityCheck bool `json:"integrityCheck,omitempty"`
	// FailureMode of a SQLite master is what happens with a file that can't be opened: "Fail" (default) leaves it, "Delete" makes a new one.
	FailureMode string `json:"failureMode,omitempty"`
	// MemoryBytes bounds what a Memory master keeps; 0 means that nothing does.
	MemoryBytes int64 `json:"memoryBytes,omitempty"`
	// CacheBytes bounds the blocks of files that a Pebble master keeps in memory; 0 means 32 MiB.
	CacheBytes int64 `json:"cacheBytes,omitempty"`
	// EntryBytes bounds the key and the value of one entry of a master; 0 means 32 MiB.
	EntryBytes int64 `json:"entryBytes,omitempty"`
	// HistoryBytes bounds the changes that a master keeps for clones that are behind; 0 means 64 MiB.
	HistoryBytes int64 `json:"historyBytes,omitempty"`
	// Epoch says that a master serves only what has this epoch of the store's history or a later one; with less it attaches a clone first
	// and takes the store over from its master. 0 means that it serves whatever it has, and begins a history with nothing.
	Epoch uint64 `json:"epoch,omitempty"`
	// Promote: the store is taken over without asking its master, which is gone. StrandForeignClones: also from under clones of other
	// implementations, which can't follow. Both only with Epoch.
	Promote             bool `json:"promote,omitempty"`
	StrandForeignClones bool `json:"strandForeignClones,omitempty"`
	// LeaseSeconds lets a master write only under leases, which last as long at most; 0 means that it needs none.
	LeaseSeconds float64 `json:"leaseSeconds,omitempty"`
	// ExpirySeconds is after how long a master removes an entry that was written without an expiry; 0 means never.
	ExpirySeconds float64 `json:"expirySeconds,omitempty"`
	// StaleAfterSeconds of a clone; 0 means never. StaleReads is what reads get from then on: "Refuse" (default) an error, "Serve" what
	// the clone has.
	StaleAfterSeconds float64 `json:"staleAfterSeconds,omitempty"`
	StaleReads        string  `json:"staleReads,omitempty"`
	// WriteQueueBytes bounds the writes of a clone that its master has not got yet; 0 means 16 MiB.
	WriteQueueBytes int64 `json:"writeQueueBytes,omitempty"`
	// BackupSchedule is when a master writes its content to the folder BackupClaim of the node's backups, as a cron expression in UTC;
	// empty means never. The newest BackupKeep files are kept.
	BackupSchedule string `json:"backupSchedule,omitempty"`
	BackupKeep     int    `json:"backupKeep,omitempty"`
	BackupClaim    string `json:"backupClaim,omitempty"`
	// RestoreClaim is the folder of the node's backups that has one which a master without entries begins with, once for each
	// RestoreRequest. It is that of the store RestoreStore with the name RestoreFile, the newest if that is empty.
	RestoreClaim string `json:"restoreClaim,omitempty"`
	RestoreStore string `json:"restoreStore,omitempty"`
	RestoreFile  string `json:"restoreFile,omitempty"`
	// Remove: there shall be no master, and none of the files that one of this name and backend has left.
	Remove bool `json:"remove,omitempty"`
}

func (s *Store) setDefaults() {
	if s.Role == RoleClone {
		setDefault(&s.StaleReads, DefaultStaleReads)
		setDefault(&s.WriteQueueBytes, DefaultWriteQueueBytes)
		return
	}
	setDefault(&s.Backend, DefaultBackend)
	setDefault(&s.EntryBytes, DefaultEntryBytes)
	setDefault(&s.HistoryBytes, DefaultHistoryBytes)
	if s.Backend != BackendMemory {
		setDefault(&s.Synchronous, DefaultSynchronous)
	}
	switch s.Backend {
	case BackendPebble:
		setDefault(&s.CacheBytes, DefaultCacheBytes)
	case BackendSQLite:
		setDefault(&s.JournalMode, DefaultJournalMode)
		setDefault(&s.FailureMode, DefaultFailureMode)
	}
}

func (s *Store) dropDefaults() {
	dropDefault(&s.Backend, DefaultBackend)
	dropDefault(&s.Synchronous, DefaultSynchronous)
	dropDefault(&s.JournalMode, DefaultJournalMode)
	dropDefault(&s.FailureMode, DefaultFailureMode)
	dropDefault(&s.CacheBytes, DefaultCacheBytes)
	dropDefault(&s.EntryBytes, DefaultEntryBytes)
	dropDefault(&s.HistoryBytes, DefaultHistoryBytes)
	dropDefault(&s.StaleReads, DefaultStaleReads)
	dropDefault(&s.WriteQueueBytes, DefaultWriteQueueBytes)
}

// hasOptions tells whether the canonical form has a field that the first version of the document had not.
func (s Store) hasOptions() bool {
	s.dropDefaults()
	return s.IntegrityCheck || s.FailureMode != "" || s.CacheBytes != 0 || s.Synchronous != "" && s.Backend == BackendPebble || s.MemoryBytes != 0 || s.EntryBytes != 0 || s.HistoryBytes != 0 ||
		s.StaleReads != "" || s.WriteQueueBytes != 0
}

// hasSuccession tells whether the store needs to know of epochs and leases.
func (s Store) hasSuccession() bool {
	return s.Epoch != 0 || s.LeaseSeconds != 0
}

// Succession is the store without what a running master takes as it runs, above all whose turn it is to be the master: what two configs
// must have alike for it to go from one to the other without a new beginning.
func (s Store) Succession() (rest Store) {
	s.Epoch, s.Promote, s.StrandForeignClones, s.LeaseSeconds, s.ExpirySeconds = 0, false, false, 0, 0
	s.BackupSchedule, s.BackupKeep, s.BackupClaim = "", 0, ""
	return s
}

// RestoreRequest tells one wish for a backup to begin with from another; empty if there is none.
func (s Store) RestoreRequest() string {
	if s.RestoreClaim == "" {
		return ""
	}
	file := s.RestoreFile
	if file == "" {
		file = "latest"
	}
	return s.RestoreClaim + "/" + s.RestoreStore + "/" + file
}

func (v *validation) stores(list []Store) {
	if len(list) > MaxStores {
		v.add("stores", len(list), fmt.Sprintf("at most %d", MaxStores))
		return
	}
	objects, names := make(map[string]bool, len(list)), make(map[string]bool, len(list))
	for i, s := range list {
		at := fmt.Sprintf("stores[%d].", i)
		v.match(at+"object", s.Object, objectPattern, 253)
		if v.text(at+"storeName", s.StoreName, 1, MaxStoreName) && strings.Contains(s.StoreName, "<$>") {
			v.add(at+"storeName", s.StoreName, `a name without "<$>"`)
		}
		if objects[s.Object] {
			v.add(at+"object", s.Object, "each object once")
		}
		if names[s.StoreName] {
			v.add(at+"storeName", s.StoreName, "each store once")
		}
		objects[s.Object], names[s.StoreName] = true, true
		v.store(at, s)
	}
}

// store checks what depends on the role and the backend.
func (v *validation) store(at string, s Store) {
	const onlyMaster, onlyClone = "only with the role Master", "only with the role Clone"
	switch s.Role {
	case RoleMaster:
		v.oneOf(at+"backend", s.Backend, "", BackendMemory, BackendSQLite, BackendPebble)
		v.between(at+"entryBytes", s.EntryBytes, leastEntryBytes, MaxEntryBytes)
		v.between(at+"historyBytes", s.HistoryBytes, leastStoreBytes, MaxStoreBytes)
		v.seconds(at+"expirySeconds", s.ExpirySeconds, MaxExpirySeconds)
		v.succession(at, s)
		unset(v, at+"staleAfterSeconds", s.StaleAfterSeconds, onlyClone)
		unset(v, at+"staleReads", s.StaleReads, onlyClone)
		unset(v, at+"writeQueueBytes", s.WriteQueueBytes, onlyClone)
	case RoleClone:
		unset(v, at+"backend", s.Backend, onlyMaster)
		unset(v, at+"entryBytes", s.EntryBytes, onlyMaster)
		unset(v, at+"historyBytes", s.HistoryBytes, onlyMaster)
		unset(v, at+"epoch", s.Epoch, onlyMaster)
		unset(v, at+"promote", s.Promote, onlyMaster)
		unset(v, at+"strandForeignClones", s.StrandForeignClones, onlyMaster)
		unset(v, at+"leaseSeconds", s.LeaseSeconds, onlyMaster)
		unset(v, at+"expirySeconds", s.ExpirySeconds, onlyMaster)
		unset(v, at+"remove", s.Remove, onlyMaster)
		unset(v, at+"backupSchedule", s.BackupSchedule, onlyMaster)
		unset(v, at+"restoreClaim", s.RestoreClaim, onlyMaster)
		v.seconds(at+"staleAfterSeconds", s.StaleAfterSeconds, MaxStaleAfterSeconds)
		v.oneOf(at+"staleReads", s.StaleReads, "", StaleRefuse, StaleServe)
		v.between(at+"writeQueueBytes", s.WriteQueueBytes, leastStoreBytes, MaxStoreBytes)
	default:
		v.oneOf(at+"role", s.Role, RoleMaster, RoleClone)
		return
	}
	v.backup(at, s)
	v.restore(at, s)
	v.backend(at, s)
}

// backup checks what a master is told of backups. Whether the schedule means anything is known to who keeps it.
func (v *validation) backup(at string, s Store) {
	if s.BackupSchedule == "" {
		unset(v, at+"backupKeep", s.BackupKeep, "only with backupSchedule")
		unset(v, at+"backupClaim", s.BackupClaim, "only with backupSchedule")
		return
	}
	v.text(at+"backupSchedule", s.BackupSchedule, 1, MaxText)
	v.match(at+"backupClaim", s.BackupClaim, objectPattern, 253)
	if s.BackupKeep < 1 || s.BackupKeep > MaxBackupKeep {
		v.add(at+"backupKeep", s.BackupKeep, fmt.Sprintf("1 to %d", MaxBackupKeep))
	}
}

// restore checks what a master is told to begin with.
func (v *validation) restore(at string, s Store) {
	if s.RestoreClaim == "" {
		unset(v, at+"restoreStore", s.RestoreStore, "only with restoreClaim")
		unset(v, at+"restoreFile", s.RestoreFile, "only with restoreClaim")
		return
	}
	v.match(at+"restoreClaim", s.RestoreClaim, objectPattern, 253)
	v.text(at+"restoreStore", s.RestoreStore, 1, MaxStoreName)
	if s.RestoreFile != "" {
		v.match(at+"restoreFile", s.RestoreFile, backupPattern, 32)
	}
}

// succession checks what a master has to do with others of its name.
func (v *validation) succession(at string, s Store) {
	if s.Epoch > MaxEpoch {
		v.add(at+"epoch", s.Epoch, fmt.Sprintf("at most %d", uint64(MaxEpoch)))
	}
	if s.Epoch == 0 {
		unset(v, at+"promote", s.Promote, "only with epoch")
		unset(v, at+"strandForeignClones", s.StrandForeignClones, "only with epoch")
	}
	if s.LeaseSeconds != 0 && !(s.LeaseSeconds >= MinLeaseSeconds && s.LeaseSeconds <= MaxLeaseSeconds) { // NaN too
		v.add(at+"leaseSeconds", s.LeaseSeconds, fmt.Sprintf("0, or %d to %d", MinLeaseSeconds, MaxLeaseSeconds))
	}
}

// backend checks what only one of the backends has.
func (v *validation) backend(at string, s Store) {
	if s.Role == RoleMaster && (s.Backend == BackendMemory || s.Backend == "") {
		v.between(at+"memoryBytes", s.MemoryBytes, leastStoreBytes, MaxStoreBytes)
	} else {
		unset(v, at+"memoryBytes", s.MemoryBytes, "only with the backend Memory")
	}
	switch s.Backend {
	case BackendSQLite:
		v.oneOf(at+"synchronous", s.Synchronous, "", "Off", "Normal", "Full", "Extra")
	case BackendPebble:
		v.oneOf(at+"synchronous", s.Synchronous, "", "Off", "Full")
	default:
		unset(v, at+"synchronous", s.Synchronous, "only with the backends SQLite and Pebble")
	}
	if s.Backend == BackendPebble {
		v.between(at+"cacheBytes", s.CacheBytes, leastStoreBytes, MaxStoreBytes)
	} else {
		unset(v, at+"cacheBytes", s.CacheBytes, "only with the backend Pebble")
	}
	if s.Backend == BackendSQLite {
		v.oneOf(at+"journalMode", s.JournalMode, "", "Delete", "WAL")
		v.oneOf(at+"failureMode", s.FailureMode, "", FailureFail, FailureDelete)
		return
	}
	const onlySQLite = "only with the backend SQLite"
	unset(v, at+"journalMode", s.JournalMode, onlySQLite)
	unset(v, at+"failureMode", s.FailureMode, onlySQLite)
	unset(v, at+"integrityCheck", s.IntegrityCheck, onlySQLite)
}

// unset checks that a field isn't set where it makes no sense.
func unset[T comparable](v *validation, field string, value T, allowed string) {
	var zero T
	if value != zero {
		v.add(field, value, allowed)
	}
}
