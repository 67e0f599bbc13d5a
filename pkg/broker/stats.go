// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"sync"
	"sync/atomic"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// DropCause says why a message was discarded.
type DropCause uint8

// The causes.
const (
	DropPeerQueue    DropCause = iota // a peer's queue was full
	DropCommandQueue                  // the same for store commands
	DropSubscriber                    // a subscriber's queue was full
	DropPayload                       // not a valid value
	DropFrame                         // an envelope that can't be read, or a control frame for somebody else
	DropSender                        // the sender is not the peer
	DropLocalTopic                    // a topic that must not leave an endpoint
	DropTTL                           // no hops left
	DropNoPath                        // addressed to an endpoint to which no way leads
	DropDuplicate                     // a message of the mesh that came before, or that a later one of its origin has overtaken
	DropEntry                         // from a leaf that is attached to several nodes, of which another one lets its messages in
	DropNotParent                     // a message of the mesh from a node that is not the way to where it entered, after a change of path
	dropCauses
)

// String is the cause as metrics name it.
func (c DropCause) String() string {
	return [...]string{"peer_queue", "command_queue", "subscriber_queue", "payload", "frame", "sender", "local_topic", "ttl", "no_path",
		"duplicate", "entry", "not_parent"}[c]
}

// Stats are figures since the endpoint was made.
type Stats struct {
	// Processed counts messages that peers sent or this endpoint published, by the name of their type.
	Processed map[string]uint64
	// Dropped counts discarded messages by cause.
	Dropped map[DropCause]uint64
	// BytesIn and BytesOut are those of all connections, ended ones too, framing included.
	BytesIn, BytesOut uint64
	// Data and Commands are the figures of the queues towards all peers, ended connections included, and Received the messages from
	// them. Of those that were written, peers have Confirmed some (see PeerInfo), and InDoubt were neither confirmed nor denied when
	// their connection was lost.
	Data, Commands               LaneStats
	Received, Confirmed, InDoubt uint64
	// DroppedTopics says to which topics belonged what was dropped for peers, as PeerInfo does for one.
	DroppedTopics map[string]uint64
	// MemoryUsed is how many bytes are held of the MemoryLimit, and MemoryReached how often it was reached.
	MemoryUsed, MemoryLimit int64
	MemoryReached           uint64
	// Peers is the number of peerings that stand, Subscribers that of subscribers.
	Peers, Subscribers int
	// HandshakesFailed counts accepted connections, DialsFailed attempts that did not become a peering; PeeringsLost counts peerings
	// that broke.
	HandshakesFailed, DialsFailed, PeeringsLost uint64
	// FlowsDropped counts how often a subscriber under flow control was no longer counted on (see Flow).
	FlowsDropped uint64
	// HandshakesCrowded counts accepted connections that were closed at once because too many were in the handshake.
	HandshakesCrowded uint64
}

type counters struct {
	processed                     [wire.TypePong + 1]atomic.Uint64 // stamped messages count as what they carry
	linkStates                    atomic.Uint64
	dropped                       [dropCauses]atomic.Uint64
	handshakesFailed, dialsFailed atomic.Uint64
	lost                          atomic.Uint64 // peerings
	handshakesCrowded             atomic.Uint64
	flowsDropped                  atomic.Uint64
	bytesIn, bytesOut             atomic.Uint64 // of connections that have ended
	refusal                       sharedThrottle
	tight                         sharedThrottle // logs that the memory is used up
}

func (c *counters) drop(cause DropCause, n uint64) { c.dropped[cause].Add(n) }

// drop counts discarded messages that came from the peer or were meant for it.
func (p *peer) drop(cause DropCause, n uint64) {
	p.drops[cause].Add(n)
	p.e.counters.drop(cause, n)
}

func (c *counters) count(counts *[wire.TypePong + 1]uint64) {
	for t, n := range counts {
		if n > 0 {
			c.processed[t].Add(n)
		}
	}
}

// retire adds up what a connection has carried.
func (c *counters) retire(p *peer) {
	c.bytesIn.Add(p.BytesIn.Load())
	c.bytesOut.Add(p.BytesOut.Load())
}

// Stats reads the figures.
func (e *Endpoint) Stats() Stats {
	c := &e.counters
	s := Stats{
		Processed: make(map[string]uint64), Dropped: make(map[DropCause]uint64),
		HandshakesFailed: c.handshakesFailed.Load(), DialsFailed: c.dialsFailed.Load(), PeeringsLost: c.lost.Load(),
		HandshakesCrowded: c.handshakesCrowded.Load(), FlowsDropped: c.flowsDropped.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
	}
	for t := wire.TypeData; t <= wire.TypePong; t++ {
		s.Processed[t.String()] = c.processed[t].Load()
	}
	s.Processed[wire.TypeLinkState.String()] = c.linkStates.Load()
	for cause := range dropCauses {
		s.Dropped[cause] = c.dropped[cause].Load()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Peers, s.Subscribers = len(e.mu.peers), len(e.mu.subs)
	var sum carried
	sum.add(&e.mu.past)
	for p := range e.mu.conns {
		c := p.carried(false)
		sum.add(&c)
		s.BytesIn += p.BytesIn.Load()
		s.BytesOut += p.BytesOut.Load()
	}
	s.MemoryUsed, s.MemoryLimit, s.MemoryReached = e.memory.Used(), e.memory.Limit(), e.memory.Relieved()
	s.Data, s.Commands, s.Received, s.Confirmed, s.InDoubt = sum.data, sum.commands, sum.received, sum.confirmed, sum.inDoubt
	s.DroppedTopics = sum.topics.Counts()
	return s
}

// sharedThrottle is a throttle for several goroutines.
type sharedThrottle struct {
	mu sync.Mutex
	t  throttle
}

func (s *sharedThrottle) log(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.log(f)
}
