// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Info is what a node says of itself that its endpoint doesn't know.
type Info struct {
	// Node is the BrokerNode's name, Pod that of the process, Version its
	// program's.
	Node    string `json:"node,omitempty"`
	Pod     string `json:"pod,omitempty"`
	Version string `json:"version,omitempty"`
}

// Report is a node as it sees itself.
type Report struct {
	Info
	ID data.EndpointID `json:"id"`
	// Now is the node's clock, Started when it began to answer questions.
	Now     time.Time `json:"now"`
	Started time.Time `json:"started"`

	Peers     []Peer     `json:"peers"`
	Consumers []Consumer `json:"consumers"`
	// Flows are subscriptions elsewhere that grant credit to the node.
	Flows []Flow `json:"flows,omitempty"`
	Stats Stats  `json:"stats"`
	// Mesh are all nodes that it knows, itself included.
	Mesh []Node `json:"mesh"`
	// Truncated counts what the lists above have left out.
	Truncated int `json:"truncated,omitempty"`
}

// Peer is a connection, or an address that is dialed.
type Peer struct {
	Name    string          `json:"name,omitempty"`
	Address string          `json:"address,omitempty"`
	Dialed  bool            `json:"dialed,omitempty"`
	ID      data.EndpointID `json:"id"`
	URI     string          `json:"uri,omitempty"`
	// Class is Node, Client, Foreign or Unknown; State is Connecting, Peered,
	// Disconnected or Closing.
	Class string    `json:"class"`
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// RTT is zero while unknown.
	RTT         time.Duration     `json:"rttNanoseconds,omitempty"`
	Queued      int               `json:"queuedMessages"`
	QueuedBytes int               `json:"queuedBytes"`
	Dropped     uint64            `json:"dropped"`
	Drops       map[string]uint64 `json:"drops,omitempty"`
	// DroppedTopics are the topics of most of what was dropped for the peer,
	// by their beginning.
	DroppedTopics map[string]uint64 `json:"droppedTopics,omitempty"`
	// Confirmed is how much of what was sent the peer said it has received,
	// InDoubt what was not confirmed when earlier connections were lost.
	Confirmed     uint64   `json:"confirmed,omitempty"`
	InDoubt       uint64   `json:"inDoubt,omitempty"`
	Sent          uint64   `json:"sent"`
	Received      uint64   `json:"received"`
	BytesIn       uint64   `json:"bytesIn"`
	BytesOut      uint64   `json:"bytesOut"`
	Flaps         uint64   `json:"flaps"`
	LastError     string   `json:"lastError,omitempty"`
	LastErrorText string   `json:"lastErrorText,omitempty"`
	Filter        []string `json:"filter,omitempty"`
}

// Consumer is something of the node that asks for topics.
type Consumer struct {
	// Kind is subscriber, store or wants.
	Kind     string   `json:"kind"`
	Prefixes []string `json:"prefixes"`
	Queued   int      `json:"queued,omitempty"`
	Received uint64   `json:"received,omitempty"`
	Dropped  uint64   `json:"dropped,omitempty"`
}

// Flow is a subscription elsewhere under flow control to which the node, or its clients, publish.
type Flow struct {
	// Subscriber is the endpoint that subscribes.
	Subscriber data.EndpointID `json:"subscriber"`
	Prefixes   []string        `json:"prefixes"`
	// Sent is how many messages went out, Credit how many, and CreditBytes how many bytes, may go out now.
	Sent        uint64 `json:"sent"`
	Credit      uint64 `json:"credit"`
	CreditBytes uint64 `json:"creditBytes"`
	// StalledSince is since when publishers find no room there, DroppedSince since when they don't wait for it any more.
	StalledSince *time.Time `json:"stalledSince,omitempty"`
	DroppedSince *time.Time `json:"droppedSince,omitempty"`
}

// Stats are counters of the whole node.
type Stats struct {
	Processed        map[string]uint64 `json:"processed"`
	Dropped          map[string]uint64 `json:"dropped"`
	BytesIn          uint64            `json:"bytesIn"`
	BytesOut         uint64            `json:"bytesOut"`
	Peers            int               `json:"peers"`
	Subscribers      int               `json:"subscribers"`
	HandshakesFailed uint64            `json:"handshakesFailed"`
	DialsFailed      uint64            `json:"dialsFailed"`
	PeeringsLost     uint64            `json:"peeringsLost"`
	InDoubt          uint64            `json:"inDoubt,omitempty"`
	// MemoryUsed is what the queues hold of MemoryLimit, in bytes.
	MemoryUsed    int64  `json:"memoryUsed,omitempty"`
	MemoryLimit   int64  `json:"memoryLimit,omitempty"`
	MemoryReached uint64 `json:"memoryReached,omitempty"`
	FlowsDropped  uint64 `json:"flowsDropped,omitempty"`
	// Of the inspection itself.
	Questions uint64 `json:"questions"`
	Malformed uint64 `json:"malformedQuestions"`
	Refused   uint64 `json:"refusedQuestions"`
}

// Node is a node of the mesh as another one knows it.
type Node struct {
	ID         data.EndpointID   `json:"id"`
	Reachable  bool              `json:"reachable"`
	Neighbours []data.EndpointID `json:"neighbours,omitempty"`
	Wants      []string          `json:"wants,omitempty"`
	Leaves     []Leaf            `json:"leaves,omitempty"`
}

// Leaf is an endpoint at the edge of the mesh.
type Leaf struct {
	ID data.EndpointID `json:"id"`
	// Class is Client, Foreign, or Node for a node that knows nothing of
	// whole meshes.
	Class string   `json:"class"`
	Wants []string `json:"wants,omitempty"`
}

// Pong is when a node got a question, and when it answered, by its own clock.
type Pong struct {
	Received time.Time `json:"received"`
	Sent     time.Time `json:"sent"`
}

// Route is where a message of a topic goes.
type Route struct {
	// Entering is the node where it enters the mesh, Origin who publishes it.
	Entering data.EndpointID `json:"entering"`
	Origin   data.EndpointID `json:"origin"`
	// Steps are the connections that it goes over, nearest first.
	Steps     []Step `json:"steps"`
	Truncated int    `json:"truncated,omitempty"`
}

// Step is one connection on the way of a message.
type Step struct {
	From data.EndpointID `json:"from"`
	To   data.EndpointID `json:"to"`
	// Leaf: To is at the edge. Wants: To wants the message itself.
	Leaf  bool `json:"leaf,omitempty"`
	Wants bool `json:"wants,omitempty"`
	Hops  int  `json:"hops"`
}

// Trace is what happened to messages at a node.
type Trace struct {
	// Next is the number to ask for next time.
	Next uint64 `json:"next"`
	// Lost counts records that came too fast to be kept.
	Lost    uint64        `json:"lost,omitempty"`
	Records []TraceRecord `json:"records"`
}

// TraceRecord is what happened to one message at one node.
type TraceRecord struct {
	Time  time.Time `json:"time"`
	Topic string    `json:"topic"`
	// Command: it is a store command and not data.
	Command bool `json:"command,omitempty"`
	// Origin, Entering and Number name the message; zero for one without a
	// stamp.
	Origin   data.EndpointID `json:"origin"`
	Entering data.EndpointID `json:"entering"`
	Number   uint64          `json:"number,omitempty"`
	// From is who it came from: the node itself for its own.
	From data.EndpointID `json:"from"`
	// To are the peers that it was passed to, the first of them if there are
	// many; Receivers is their number, Delivered that of local consumers.
	To        []data.EndpointID `json:"to,omitempty"`
	Receivers int               `json:"receivers,omitempty"`
	Delivered int               `json:"delivered,omitempty"`
	// Dropped is why it was not taken, if it was not.
	Dropped string `json:"dropped,omitempty"`
}
