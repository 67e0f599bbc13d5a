// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Backend is where a master keeps its entries.
type Backend string

// The values of spec.master.backend.
const (
	BackendMemory Backend = "Memory"
	BackendSQLite Backend = "SQLite"
	BackendPebble Backend = "Pebble"
)

// DataStoreSpec declares a store: its master and its clones.
type DataStoreSpec struct {
	StoreName string      `json:"storeName,omitempty"`
	Master    MasterSpec  `json:"master"`
	Clones    []CloneSpec `json:"clones,omitempty"`
}

// MasterSpec says where the authoritative copy lives.
type MasterSpec struct {
	Node    string      `json:"node"`
	Backend Backend     `json:"backend,omitempty"`
	SQLite  *SQLiteSpec `json:"sqlite,omitempty"`
}

// SQLiteSpec tunes the SQLite backend.
type SQLiteSpec struct {
	Synchronous string `json:"synchronous,omitempty"`
	JournalMode string `json:"journalMode,omitempty"`
}

// CloneSpec is one full copy.
type CloneSpec struct {
	Node       string           `json:"node"`
	StaleAfter *metav1.Duration `json:"staleAfter,omitempty"`
}

// DataStoreStatus is what is known of a store.
type DataStoreStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	StoreName          string             `json:"storeName,omitempty"`
	ClonesSynced       string             `json:"clonesSynced,omitempty"`
	Clones             []CloneStatus      `json:"clones,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// CloneStatus is one clone that isn't in sync.
type CloneStatus struct {
	Node       string       `json:"node"`
	State      string       `json:"state"`
	StaleSince *metav1.Time `json:"staleSince,omitempty"`
}

// DataStore is a key-value store shared by the nodes of a mesh.
type DataStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DataStoreSpec   `json:"spec,omitempty"`
	Status DataStoreStatus `json:"status,omitempty"`
}

// DataStoreList is a list of DataStores.
type DataStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DataStore `json:"items"`
}
