// SPDX-License-Identifier: Apache-2.0

// Package broker is an endpoint of a Broker mesh: it peers with other endpoints (C++ Broker, Zeek or this package), publishes and
// subscribes, and carries the commands of data stores. It follows the wire and routing specifications.
//
// # Who owns what
//
// Peers, subscribers, attached stores and wanted prefixes are guarded by one mutex of the Endpoint. Each change publishes an
// immutable snapshot of what follows from them, and messages look at nothing else: a reader of a peer and a publishing goroutine
// take no lock but that of the queue that a message ends in. Each peer has a goroutine that reads and routes, and one that writes.
//
// # Order
//
// Messages of one source arrive in order: one Publisher, one goroutine that calls Publish, one peer. A subscriber sees peer_added
// before the first message of that peer and peer_lost or peer_removed after its last one. When Subscribe has returned, later messages
// are seen; SubscribeSync also waits until the direct peers know of the subscription.
//
// # Who sees what
//
// What an endpoint publishes goes to its peers and not to its own subscribers; PublishLocal is for those. What peers send goes to
// subscribers, and on to other peers as Options.Forward says.
package broker
