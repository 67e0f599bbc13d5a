// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import "cmp"

// Version is the document version that this package reads and writes.
const Version = 1

// Ports that every node of a cluster has besides those of its config.
const (
	// ControlPort takes configuration and answers with status, over mutual TLS.
	ControlPort = 9990
	// HTTPPort serves health and metrics, in the clear.
	HTTPPort = 9991
)

// Values of Config.TLS and Peer.TLS.
const (
	// TLSMesh is mutual TLS with certificates of the mesh's authority.
	TLSMesh = "Mesh"
	// TLSDisabled is plain TCP.
	TLSDisabled = "Disabled"
	// TLSAnonymous is TLS without certificates, as Zeek does by default.
	TLSAnonymous = "Anonymous"
)

// Values of Config.Forward.
const (
	ForwardMesh = "Mesh"
	ForwardNone = "None"
	ForwardAll  = "All"
)

// Values of Config.LogLevel.
const (
	LogDebug = "Debug"
	LogInfo  = "Info"
	LogWarn  = "Warn"
	LogError = "Error"
)

// Config is everything that a node needs to know about itself and its neighbours. It is taken as a whole or refused as a whole.
type Config struct {
	// Version of the document; always 1.
	Version int `json:"version"`
	// Revision rises with every change the operator makes; it tells the newer of two documents and is not part of the hash.
	Revision int64 `json:"revision,omitempty"`
	// Namespace, Node and Pod name this node; together they are its identity in certificates and logs.
	Namespace string `json:"namespace"`
	Node      string `json:"node"`
	Pod       string `json:"pod"`
	// ListenPort is the native port; 0 in the document means 9999.
	ListenPort int `json:"listenPort,omitempty"`
	// WebSocketPort is the port of the WebSocket gateway; 0 means none.
	WebSocketPort int `json:"webSocketPort,omitempty"`
	// TLS is "Mesh" (default), "Disabled" or "Anonymous" and concerns the native and the WebSocket port; with "Anonymous" the
	// WebSocket port has the mesh's certificates all the same.
	TLS string `json:"tls,omitempty"`
	// WebSocket says who may come to that port and what they may do; nil means the defaults.
	WebSocket *WebSocket `json:"webSocket,omitempty"`
	// Forward is "Mesh" (default), "None" or "All".
	Forward string `json:"forward,omitempty"`
	// LogLevel is "Debug", "Info" (default), "Warn" or "Error".
	LogLevel string `json:"logLevel,omitempty"`
	// Queues bounds what waits for peers and subscribers; nil means the defaults. A change takes effect with a new process.
	Queues *Queues `json:"queues,omitempty"`
	// Subscriptions are topic prefixes that the node asks its peers for, besides what its clients and stores need.
	Subscriptions []string `json:"subscriptions,omitempty"`
	// Peers are the endpoints that this node connects to.
	Peers []Peer `json:"peers,omitempty"`
	// Accept are peerings that this node doesn't dial: what it knows of those who connect to it. Others are let in as well.
	Accept []Accept `json:"accept,omitempty"`
	// Stores are the masters and clones that this node holds.
	Stores []Store `json:"stores,omitempty"`
}

// Peer is an endpoint that the node connects to and keeps connected to.
type Peer struct {
	// Name of the Peering; shown in the status.
	Name string `json:"name"`
	// Address is HOST:PORT.
	Address string `json:"address"`
	// Node is the BrokerNode behind the address, whose certificate is checked; empty for an endpoint outside.
	Node string `json:"node,omitempty"`
	// Pod is the pod behind the address; empty for an endpoint outside.
	Pod string `json:"pod,omitempty"`
	// RetrySeconds is the longest pause between attempts; 0 means 10.
	RetrySeconds float64 `json:"retrySeconds,omitempty"`
	// TLS is how the address is dialed; empty means as the config's own TLS.
	TLS string `json:"tls,omitempty"`
	// Queues of the connection, instead of the node's own.
	Queues PeerQueues `json:"queues,omitzero"`
}

// Dials is how the config dials a peer of its own: TLSMesh, TLSDisabled or TLSAnonymous.
func (c Config) Dials(p Peer) string {
	return cmp.Or(p.TLS, c.TLS, DefaultTLS)
}
