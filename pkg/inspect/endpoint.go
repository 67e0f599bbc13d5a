// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/mesh"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// PeerOf is what reports say of a peer.
func PeerOf(p broker.PeerInfo) Peer {
	out := Peer{
		Name: p.Name, Address: p.Address, Dialed: p.Dialed, ID: p.ID, URI: p.URI, Class: p.Class.String(), State: p.State.String(), Since: p.Since,
		RTT: p.RTT, Queued: p.QueuedMessages, QueuedBytes: p.QueuedBytes, Dropped: p.Dropped, Sent: p.Sent, Received: p.Received,
		BytesIn: p.BytesIn, BytesOut: p.BytesOut, Flaps: p.Flaps, LastError: string(p.LastError), LastErrorText: p.LastErrorText, Filter: p.Filter,
		Confirmed: p.Confirmed, InDoubt: p.InDoubt, DroppedTopics: mostOf(p.DroppedTopics),
	}
	if len(p.Drops) > 0 {
		out.Drops = make(map[string]uint64, len(p.Drops))
		for cause, n := range p.Drops {
			out.Drops[cause.String()] = n
		}
	}
	return out
}

// shownTopics is how many topics a report names for each peer.
const shownTopics = 5

// mostOf are the largest of the counts.
func mostOf(counts map[string]uint64) map[string]uint64 {
	if len(counts) <= shownTopics {
		return counts
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	most := make(map[string]uint64, shownTopics)
	for _, k := range keys[:shownTopics] {
		most[k] = counts[k]
	}
	return most
}

func consumerOf(c broker.Consumer) Consumer {
	return Consumer{Kind: c.Kind.String(), Prefixes: c.Prefixes, Queued: c.Queued, Received: c.Received, Dropped: c.Dropped}
}

func flowOf(f broker.Flow) Flow {
	return Flow{
		Subscriber: f.Subscriber, Prefixes: f.Prefixes, Sent: f.Sent, Credit: f.Credit, CreditBytes: f.CreditBytes,
		StalledSince: known(f.StalledSince), DroppedSince: known(f.DroppedSince),
	}
}

// known is a time, or nil for the zero one.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func statsOf(s broker.Stats) Stats {
	out := Stats{
		Processed: s.Processed, Dropped: make(map[string]uint64, len(s.Dropped)), BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Peers: s.Peers, Subscribers: s.Subscribers, HandshakesFailed: s.HandshakesFailed, DialsFailed: s.DialsFailed, PeeringsLost: s.PeeringsLost,
		InDoubt: s.InDoubt, MemoryUsed: s.MemoryUsed, MemoryLimit: s.MemoryLimit, MemoryReached: s.MemoryReached,
		FlowsDropped: s.FlowsDropped,
	}
	for cause, n := range s.Dropped {
		out.Dropped[cause.String()] = n
	}
	return out
}

// nodeOf is what reports say of a node of the mesh. It shares no memory with
// the view, which is everybody's.
func nodeOf(n mesh.Node) Node {
	out := Node{ID: n.ID, Reachable: n.Reachable, Neighbours: slices.Clone(n.Neighbours), Wants: slices.Clone(n.Wants)}
	for _, l := range n.Leaves {
		out.Leaves = append(out.Leaves, Leaf{ID: l.ID, Class: leafClass(l.Class), Wants: slices.Clone(l.Wants)})
	}
	return out
}

// leafClass is the name of a leaf's class.
func leafClass(c uint8) string {
	switch c {
	case wire.LeafNode:
		return broker.ClassNode.String()
	case wire.LeafClient:
		return broker.ClassClient.String()
	case wire.LeafForeign:
		return broker.ClassForeign.String()
	default:
		return broker.ClassUnknown.String()
	}
}

func stepOf(s mesh.Step) Step {
	return Step{From: s.From, To: s.To, Leaf: s.Leaf, Wants: s.Wants, Hops: s.Hops}
}
