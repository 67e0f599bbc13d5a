// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import "slices"

// Optional features of a document. A node that doesn't know one refuses a document with it, so that it isn't sent any.
const (
	// FeatureAccept is Config.Accept, and several peers of one peering that run elsewhere.
	FeatureAccept = "AcceptedPeers"
	// FeaturePeerQueues are the queues of Peer and Accept.
	FeaturePeerQueues = "PeerQueues"
	// FeatureWebSocket is Config.WebSocket.
	FeatureWebSocket = "WebSocketClients"
	// FeatureAnonymousTLS is the value Anonymous of Config.TLS and Peer.TLS.
	FeatureAnonymousTLS = "AnonymousTLS"
	// FeaturePeerTLS is Peer.TLS.
	FeaturePeerTLS = "PeerTLS"
	// FeatureQueues is Config.Queues.
	FeatureQueues = "Queues"
	// FeatureFlowControl is Queues.FlowControl.
	FeatureFlowControl = "FlowControl"
	// FeatureConnectionsPerAddress is Limits.ConnectionsPerAddress.
	FeatureConnectionsPerAddress = "ConnectionsPerAddress"
	// FeatureStoreBackup is Store.BackupSchedule.
	FeatureStoreBackup = "StoreBackup"
	// FeatureStoreExpiry is Store.ExpirySeconds.
	FeatureStoreExpiry = "StoreExpiry"
	// FeatureStoreOptions are the fields of Store besides the backend, SQLite's synchronous and journal mode, and the stale limit.
	FeatureStoreOptions = "StoreOptions"
	// FeatureStoreRemoval is Store.Remove.
	FeatureStoreRemoval = "StoreRemoval"
	// FeatureStoreRestore is Store.RestoreClaim.
	FeatureStoreRestore = "StoreRestore"
	// FeatureStoreSuccession are Store.Epoch, Promote, StrandForeignClones and LeaseSeconds: masters that move and that write under leases.
	FeatureStoreSuccession = "StoreSuccession"
)

// KnownFeatures are all that this package reads, sorted.
func KnownFeatures() []string {
	return []string{FeatureAccept, FeatureAnonymousTLS, FeatureConnectionsPerAddress, FeatureFlowControl, FeaturePeerQueues, FeaturePeerTLS, FeatureQueues, FeatureStoreBackup, FeatureStoreExpiry, FeatureStoreOptions, FeatureStoreRemoval, FeatureStoreRestore, FeatureStoreSuccession, FeatureWebSocket}
}

// Features are those that a node has to know to read the canonical form of the document; sorted.
func (c Config) Features() []string {
	var need []string
	c = c.sorted()
	anonymous := c.TLS == TLSAnonymous
	peers := false
	for _, p := range c.Peers {
		peers = peers || p.TLS != ""
		anonymous = anonymous || p.TLS == TLSAnonymous
	}
	if len(c.Accept) > 0 || c.hasSeveralOutside() {
		need = append(need, FeatureAccept)
	}
	if anonymous {
		need = append(need, FeatureAnonymousTLS)
	}
	w := c.WebSocket.canonical()
	if w != nil && w.Limits != nil && w.Limits.ConnectionsPerAddress != 0 {
		need = append(need, FeatureConnectionsPerAddress)
	}
	q := c.Queues.Canonical()
	if q != nil && q.FlowControl != "" {
		need = append(need, FeatureFlowControl)
	}
	if c.hasPeerQueues() {
		need = append(need, FeaturePeerQueues)
	}
	if peers {
		need = append(need, FeaturePeerTLS)
	}
	if q != nil {
		need = append(need, FeatureQueues)
	}
	if slices.ContainsFunc(c.Stores, func(s Store) bool { return s.BackupSchedule != "" }) {
		need = append(need, FeatureStoreBackup)
	}
	if slices.ContainsFunc(c.Stores, func(s Store) bool { return s.ExpirySeconds != 0 }) {
		need = append(need, FeatureStoreExpiry)
	}
	if slices.ContainsFunc(c.Stores, Store.hasOptions) {
		need = append(need, FeatureStoreOptions)
	}
	if slices.ContainsFunc(c.Stores, func(s Store) bool { return s.Remove }) {
		need = append(need, FeatureStoreRemoval)
	}
	if slices.ContainsFunc(c.Stores, func(s Store) bool { return s.RestoreClaim != "" }) {
		need = append(need, FeatureStoreRestore)
	}
	if slices.ContainsFunc(c.Stores, Store.hasSuccession) {
		need = append(need, FeatureStoreSuccession)
	}
	if w != nil {
		need = append(need, FeatureWebSocket)
	}
	return need
}

// Missing are the features that the document needs and a node with these doesn't know.
func (c Config) Missing(known []string) []string {
	return slices.DeleteFunc(c.Features(), func(f string) bool { return slices.Contains(known, f) })
}
