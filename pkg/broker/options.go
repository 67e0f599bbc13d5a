// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// ForwardMode says what an endpoint does with messages that are not its own.
type ForwardMode uint8

// The modes.
const (
	// ForwardMesh makes the endpoint a node: each message reaches everybody who wants it once, over any number of nodes that are
	// peered in any way. Clients and foreign endpoints are the leaves of a mesh; from one foreign endpoint nothing goes to another
	// one that is attached to the same node.
	ForwardMesh ForwardMode = iota
	// ForwardNone passes nothing on. The endpoint is a leaf.
	ForwardNone
	// ForwardAll passes everything to everybody but the peer that it came from. Cycles of such endpoints circulate messages until
	// their TTL is used up.
	ForwardAll
)

// Overflow says what happens when a queue is full and one more message arrives.
type Overflow = peering.Policy

// The policies.
const (
	// OverflowDisconnect ends the connection to the peer. For a subscriber it means OverflowDropOldest.
	OverflowDisconnect = peering.Disconnect
	// OverflowDropNewest discards the new message.
	OverflowDropNewest = peering.DropNewest
	// OverflowDropOldest discards the oldest queued message.
	OverflowDropOldest = peering.DropOldest
	// OverflowWait, for subscribers only: reading from the peer waits until the subscriber has taken messages. Nothing is lost, but
	// while the subscriber does not read, everything else that this peer sends waits too; a peer that has to wait for long may give
	// the connection up.
	OverflowWait = peering.DropOldest + 1
)

// QueueLimit bounds a queue: in messages, and in the bytes that they have when encoded, whichever is reached first. Zero fields mean
// defaults. One message is always taken, however large.
type QueueLimit struct {
	Messages, Bytes int
	Overflow        Overflow
	// FlowControl, for subscribers and hubs only: endpoints of this project that publish what is subscribed to send no more than the
	// queue has room for. Publishers there that wait (see Full) wait until messages have been taken out of it, wherever in the mesh
	// the subscriber is. They don't wait for who takes nothing for five seconds; Overflow then says what is lost, as it does of what
	// others send. Where foreign endpoints publish, nothing changes.
	FlowControl bool
}

// toPeer is the limit as queues towards peers know it.
func (q QueueLimit) toPeer() peering.Limit {
	return peering.Limit{Messages: q.Messages, Bytes: q.Bytes, Overflow: q.Overflow}
}

// MaxBusyPoll is the longest Options.BusyPoll: Close may wait that long for a reader.
const MaxBusyPoll = 10 * time.Millisecond

// Defaults of queues and frames.
const (
	DefaultPeerMessages       = 8192
	DefaultSubscriberMessages = 65536
	DefaultQueueBytes         = 32 << 20
	DefaultMaxFrame           = 64 << 20
	DefaultMemoryLimit        = 256 << 20
)

func (q QueueLimit) withDefaults(messages int) QueueLimit {
	if q.Messages <= 0 {
		q.Messages = messages
	}
	if q.Bytes <= 0 {
		q.Bytes = DefaultQueueBytes
	}
	return q
}

// validPeerQueue says why a peer's queue can't have the limit; nil is none.
func (q *QueueLimit) validPeerQueue() error {
	switch {
	case q == nil:
		return nil
	case q.Overflow > OverflowDropOldest:
		return errors.New("a peer's queue can't wait: its policy is to disconnect or to drop")
	case q.FlowControl:
		return errors.New("flow control is for subscribers, not for a peer's queue")
	}
	return nil
}

// peerLimit is the limit of one peer's queue, where nil and zero mean Options.PeerQueue.
func (e *Endpoint) peerLimit(q *QueueLimit) peering.Limit {
	limit := e.opt.PeerQueue
	if q != nil {
		limit = QueueLimit{
			Messages: cmp.Or(max(q.Messages, 0), limit.Messages), Bytes: cmp.Or(max(q.Bytes, 0), limit.Bytes), Overflow: q.Overflow,
		}
	}
	return limit.toPeer()
}

// forSubscriber fills in the defaults of a subscriber's queue.
func (q QueueLimit) forSubscriber() QueueLimit {
	if q.Overflow == OverflowDisconnect {
		q.Overflow = OverflowDropOldest
	}
	return q.withDefaults(DefaultSubscriberMessages)
}

// Options of an Endpoint. The zero Options are good for a node on a trusted network.
type Options struct {
	// ID names the endpoint; zero for a random one. No two endpoints of a mesh may have the same.
	ID      data.EndpointID
	Forward ForwardMode
	// TLS is used for all connections; nil means plain TCP.
	TLS *peering.TLS
	// PlainProtocol keeps to what C++ Broker knows: the endpoint announces no extensions and looks for none, so that its peers count
	// as foreign endpoints.
	PlainProtocol bool
	// ForeignGuests takes peers that come in over plain TCP or anonymous TLS for foreign endpoints, whatever they say that they are:
	// they publish and subscribe, and can neither steer the mesh's routing nor look into it. It is for the one endpoint of an
	// authenticated mesh that listens for others. Peers that it dials are not concerned.
	ForeignGuests bool
	// PeerQueue bounds what waits for each peer, by default 8192 messages and 32 MiB.
	PeerQueue QueueLimit
	// SubscriberQueue is the limit of subscribers that name none, by default 65536 messages and 32 MiB, dropping the oldest.
	SubscriberQueue QueueLimit
	// MemoryLimit is how many bytes the queues of peers and subscribers, large messages that have come in part, and what else has joined
	// (see Endpoint.Account, and AccountHistory) may hold together, by default 256 MiB. When it is reached, histories of stores give
	// something up, then those that hold the most do what their policy says until there is room: connections end, messages are dropped. Publishers that can wait begin to wait a little before.
	MemoryLimit int
	// TTL is how many hops this endpoint's messages may travel, at most 65535: a backstop against cycles, not a way to choose who gets
	// them. Zero means 64 between nodes of a mesh and 16 towards others, as C++ Broker writes.
	TTL int
	// MaxFrame is the largest frame body that is received or sent, by default 64 MiB.
	MaxFrame int
	// NoFlowControl keeps publishers from waiting for the room that subscribers elsewhere have (see QueueLimit.FlowControl): anybody who
	// may peer may hold them up by asking for it and taking messages slowly.
	NoFlowControl bool
	// BusyPoll is for how long, after something has come from a peer, its reader looks for more before it sleeps, at most MaxBusyPoll.
	// Who sleeps is woken late, by tens of microseconds; who looks keeps a processor busy. Only an endpoint with one peer gains by it,
	// and one thread (GOMAXPROCS=1) gains most: while several connections of the process would poll, none does. It works on TCP
	// connections of Linux. Zero: sleep at once.
	BusyPoll time.Duration
	// Logger gets what happens to connections, with peer, topic and code as attributes; nil discards it.
	Logger *slog.Logger

	// firstStep makes a node as it was before whole-mesh routing, for tests with both.
	firstStep bool
}

func (o Options) validate() (Options, error) {
	if o.Forward > ForwardAll {
		return o, fmt.Errorf("forward mode %d is unknown", o.Forward)
	}
	if err := o.PeerQueue.validPeerQueue(); err != nil {
		return o, err
	}
	if o.MemoryLimit < 0 {
		return o, fmt.Errorf("memory limit of %d bytes", o.MemoryLimit)
	}
	o.MemoryLimit = cmp.Or(o.MemoryLimit, DefaultMemoryLimit)
	if o.TTL < 0 || o.TTL > 1<<16-1 {
		return o, fmt.Errorf("TTL %d: allowed are 1 to 65535", o.TTL)
	}
	if o.BusyPoll < 0 || o.BusyPoll > MaxBusyPoll {
		return o, fmt.Errorf("busy polling for %v: allowed are 0 to %v", o.BusyPoll, MaxBusyPoll)
	}
	if o.MaxFrame < 0 || o.MaxFrame > 1<<31-6 {
		return o, fmt.Errorf("largest frame of %d bytes: allowed are 1 to 2147483642", o.MaxFrame)
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	if o.ID.IsZero() {
		o.ID = data.NewEndpointID()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.PeerQueue = o.PeerQueue.withDefaults(DefaultPeerMessages)
	return o, nil
}

// features are what the endpoint announces to its peers.
func (o *Options) features() uint64 {
	switch {
	case o.PlainProtocol:
		return 0
	case o.Forward == ForwardMesh && !o.firstStep:
		return wire.FeatureNode | wire.FeatureMesh | wire.FeatureStamps | wire.FeatureCounts
	case o.firstStep:
		return wire.FeatureNode
	case o.Forward != ForwardNone:
		return wire.FeatureNode | wire.FeatureCounts
	}
	return wire.FeatureStamps | wire.FeatureCounts
}

// The hops of own messages if Options.TTL doesn't say.
const (
	plainTTL   = wire.DefaultTTL
	stampedTTL = 64
)

// ttl is the number of hops that an own message starts with.
func (o *Options) ttl(stamped bool) uint16 {
	switch {
	case o.TTL > 0:
		return uint16(o.TTL)
	case stamped:
		return stampedTTL
	}
	return plainTTL
}
