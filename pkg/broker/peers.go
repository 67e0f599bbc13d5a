// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// PeerState says how far a connection is.
type PeerState uint8

// The states.
const (
	// Connecting: dialing, or the peering does not stand yet.
	Connecting PeerState = iota
	// Peered: messages flow.
	Peered
	// Disconnected: waiting for the next attempt.
	Disconnected
	// Closing: the closing handshake is under way.
	Closing
)

// String is the state's name, for instance "Peered".
func (s PeerState) String() string {
	return [...]string{"Connecting", "Peered", "Disconnected", "Closing"}[s]
}

// PeerClass says what a peer is in the mesh.
type PeerClass uint8

// The classes.
const (
	// ClassUnknown: not peered yet.
	ClassUnknown PeerClass = iota
	// ClassNode: an endpoint of this project that forwards.
	ClassNode
	// ClassClient: an endpoint of this project that forwards nothing.
	ClassClient
	// ClassForeign: any other endpoint.
	ClassForeign
)

// String is the class's name, for instance "Node".
func (c PeerClass) String() string {
	return [...]string{"Unknown", "Node", "Client", "Foreign"}[c]
}

// PeerError is why Peer failed or a connection ended: errors.As finds it in the errors of Peer and PeerAll.
type PeerError = peering.Error

// PeerErrorClass is the reason of a failed attempt or of a lost connection, in one word. Empty: none.
type PeerErrorClass = peering.ErrorClass

// The error classes, see package peering.
const (
	PeerRefused      = peering.Refused
	PeerUnreachable  = peering.Unreachable
	PeerTLSFailed    = peering.TLSFailed
	PeerIncompatible = peering.Incompatible
	PeerTimeout      = peering.Timeout
	PeerRedundant    = peering.Redundant
	PeerOverflow     = peering.Overflow
	PeerLost         = peering.Lost
)

// PeerInfo describes one connection, or one dialed address that has none.
type PeerInfo struct {
	// Name is that of PeerOptions, or of Recognized for accepted peers.
	Name string
	// Address is as it was dialed, or the remote address; "local" for endpoints of the same process, which Local tells.
	Address string
	Local   bool
	Dialed  bool
	ID      data.EndpointID // zero while unknown
	URI     string          // in the peer's verified certificate
	Subject string          // of that certificate, for instance CN=zeek,O=Example
	// Security is how the connection is protected: "none", "TLS 1.2", "TLS 1.3", "anonymous TLS 1.2", which authenticates nobody, or
	// "in process".
	// Empty without a connection.
	Security string
	State    PeerState
	Since    time.Time // when the state was entered
	Class    PeerClass
	// LastError is why the last attempt failed or the last connection was lost. It stays after a later success.
	LastError     PeerErrorClass
	LastErrorText string
	// Queue bounds what waits for the peer; zero without a connection.
	Queue QueueLimit
	// Of the queue towards the peer, and of data messages and commands in both directions, since the connection stands.
	QueuedMessages, QueuedBytes int
	Dropped, Sent, Received     uint64
	// Data and Commands are the exact figures of the queue towards the peer, which Dropped, Sent and what is queued sum up.
	Data, Commands LaneStats
	// Confirmed is how many of the messages sent the peer has received, as it said last. Nodes and clients of this project say so in
	// their pings, at most five seconds after they have received something and at the end of a peering; others never do.
	Confirmed uint64
	// InDoubt counts messages that were sent and not confirmed when their connection was lost, over all connections to this address
	// since it is dialed. It is zero for accepted peers, and for peers that confirm nothing; Stats has the sum over all connections.
	InDoubt uint64
	// DroppedTopics says to which topics the dropped messages belonged: by their first two segments, of which 64 are told apart; the
	// rest is counted under OtherTopics. For an address that is dialed it goes on over all connections.
	DroppedTopics map[string]uint64
	// BytesIn and BytesOut are all bytes of the connection, framing included; zero within the process, where nothing is encoded.
	BytesIn, BytesOut uint64
	// Drops are the messages from the peer and for it that were discarded, by cause, without the causes that didn't occur. Dropped
	// also counts what waited when the connection ended.
	Drops map[DropCause]uint64
	// Filter is what the peer asks for.
	Filter []string
	// RTT is how long the peer takes to answer a ping, smoothed over the last of them; zero while unknown. It is measured at least
	// every 30 s and contains what either end takes to get at the ping, so it is what a message would take at best.
	RTT time.Duration
	// Flaps is how often a peering with this address was lost, since it is dialed. It stays zero for accepted peers.
	Flaps uint64
}

// Peers describes every connection and every dialed address, by address.
func (e *Endpoint) Peers() []PeerInfo {
	e.mu.Lock()
	var out []PeerInfo
	shown := make(map[*peer]bool)
	for _, t := range e.mu.targets {
		out = append(out, t.infoLocked())
		shown[t.peer] = true
	}
	for p := range e.mu.conns {
		if !shown[p] {
			info := PeerInfo{Name: p.known.Name, Address: p.address, Dialed: p.dialed}
			p.infoLocked(&info)
			out = append(out, info)
		}
	}
	e.mu.Unlock()
	slices.SortFunc(out, func(a, b PeerInfo) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), a.ID.Compare(b.ID))
	})
	return out
}

func (t *target) infoLocked() PeerInfo {
	info := PeerInfo{Name: t.opt.Name, Address: t.address, Dialed: true, State: t.state, Since: t.since, Flaps: t.flaps}
	if t.lastErr != nil {
		info.LastError, info.LastErrorText = classOf(t.lastErr), t.lastErr.Error()
	}
	info.InDoubt = t.past.inDoubt
	if t.peer != nil {
		t.peer.infoLocked(&info)
	}
	if past := t.past.topics.Counts(); past != nil {
		var sum peering.TopicDrops
		sum.Add(past)
		sum.Add(info.DroppedTopics)
		info.DroppedTopics = sum.Counts()
	}
	return info
}

func (p *peer) infoLocked(info *PeerInfo) {
	info.Local = p.Local()
	info.ID, info.URI, info.Subject, info.State, info.Since = p.Peer, p.URI, p.Subject, p.state, p.since
	limit := p.Queue.Limit()
	info.Queue = QueueLimit{Messages: limit.Messages, Bytes: limit.Bytes, Overflow: limit.Overflow}
	if p.state == Peered || p.state == Closing {
		info.Class = p.class()
	}
	sum := p.carried(false)
	all := sum.data.Plus(sum.commands)
	still := all.Still()
	info.QueuedMessages, info.QueuedBytes = int(still.Messages), int(still.Bytes)
	info.Dropped, info.Sent, info.Received = all.Dropped.Messages, all.Written.Messages, sum.received
	info.Data, info.Commands, info.Confirmed, info.DroppedTopics = sum.data, sum.commands, sum.confirmed, sum.topics.Counts()
	info.BytesIn, info.BytesOut = p.BytesIn.Load(), p.BytesOut.Load()
	info.Filter, info.Security = slices.Clone(p.filter), p.Security
	info.RTT = time.Duration(p.rtt.smoothed.Load())
	for cause := range dropCauses {
		if n := p.drops[cause].Load(); n > 0 {
			if info.Drops == nil {
				info.Drops = make(map[DropCause]uint64)
			}
			info.Drops[cause] = n
		}
	}
}

// PeerAll is Peer for several addresses at once. It waits for all of them, and answers the IDs of those that are peered, by address as
// it was given, with the errors of the others joined.
func (e *Endpoint) PeerAll(ctx context.Context, addresses []string, o PeerOptions) (map[string]data.EndpointID, error) {
	type dialing struct {
		t       *target
		created bool
	}
	all, failures := make(map[string]dialing), make(map[string]error)
	for _, address := range addresses {
		if _, twice := all[address]; twice || failures[address] != nil {
			continue
		}
		t, created, err := e.dial(address, o)
		if err != nil {
			failures[address] = err
			continue
		}
		all[address] = dialing{t, created}
	}
	ids := make(map[string]data.EndpointID)
	for address, d := range all {
		id, err := e.await(ctx, d.t, d.created)
		if err != nil {
			failures[address] = err
			continue
		}
		ids[address] = id
	}
	var errs []error
	for _, address := range slices.Sorted(maps.Keys(failures)) {
		errs = append(errs, fmt.Errorf("peer %s: %w", address, failures[address]))
	}
	return ids, errors.Join(errs...)
}

// AwaitPeer waits until an endpoint is a direct peer, whoever connected to whom. The error is that of the context, or ErrClosed.
func (e *Endpoint) AwaitPeer(ctx context.Context, id data.EndpointID) error {
	for {
		news := e.news.wait()
		s := e.routes.Load()
		switch {
		case s.peers[id] != nil:
			return nil
		case s.closed:
			return ErrClosed
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("await peer %s: %w", id, ctx.Err())
		}
	}
}
