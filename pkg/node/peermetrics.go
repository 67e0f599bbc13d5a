// SPDX-License-Identifier: Apache-2.0

package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// Families of the peers that come from the endpoint itself.
var (
	peerRoundTrip = family("peer_round_trip_seconds", "Smoothed time that the peer takes to answer a ping.", "peering", "peer")
	peerFlaps     = family("peer_flaps_total", "Established peerings of a dialed address that were lost.", "peering", "peer")
	peerDrops     = family("peer_discarded_messages_total", "Messages from the peer and for it that were discarded.", "peering", "peer", "cause")
	peerBytesIn   = family("peer_received_bytes_total", "Bytes received from the peer.", "peering", "peer")
	peerBytesOut  = family("peer_sent_bytes_total", "Bytes sent to the peer.", "peering", "peer")
	peerConfirmed = family("peer_confirmed_messages_total", "Messages that the peer said it has received.", "peering", "peer")
	peerInDoubt   = family("peer_in_doubt_messages_total", "Messages sent and not confirmed when their connection was lost, of a dialed address.", "peering", "peer")
	peerTopics    = family("peer_dropped_by_topic_messages_total", "Messages for the peer that were dropped, by the beginning of their topic.", "peering", "peer", "topic")
	peeringsLost  = family("peerings_lost_total", "Established peerings that were lost, of accepted peers too.")
)

// details are the sums over all connections of one name; the round trip is the longest.
type details struct {
	roundTrip time.Duration
	dialed    bool
	flaps     uint64
	in, out   uint64
	confirmed uint64
	inDoubt   uint64
	drops     map[broker.DropCause]uint64
	topics    map[string]uint64
}

func sumDetails(infos []broker.PeerInfo) map[peerName]*details {
	sums := make(map[peerName]*details)
	for _, p := range infos {
		name := peerName{p.Name, p.Address}
		if p.URI != "" {
			name.peer = p.URI
		}
		d := sums[name]
		if d == nil {
			d = &details{drops: make(map[broker.DropCause]uint64), topics: make(map[string]uint64)}
			sums[name] = d
		}
		d.roundTrip = max(d.roundTrip, p.RTT)
		d.dialed = d.dialed || p.Dialed
		d.flaps += p.Flaps
		d.in += p.BytesIn
		d.out += p.BytesOut
		d.confirmed += p.Confirmed
		d.inDoubt += p.InDoubt
		for topic, n := range p.DroppedTopics {
			d.topics[topic] += n
		}
		for cause, n := range p.Drops {
			d.drops[cause] += n
		}
	}
	return sums
}

// collectDetails leaves out what is not known: the round trip before the first answer, and flaps of peers that nobody dials.
func collectDetails(out chan<- prometheus.Metric, infos []broker.PeerInfo) {
	for n, d := range sumDetails(infos) {
		if d.roundTrip > 0 {
			send(out, peerRoundTrip, prometheus.GaugeValue, d.roundTrip.Seconds(), n.peering, n.peer)
		}
		if d.dialed {
			send(out, peerFlaps, prometheus.CounterValue, float64(d.flaps), n.peering, n.peer)
			send(out, peerInDoubt, prometheus.CounterValue, float64(d.inDoubt), n.peering, n.peer)
		}
		for cause, count := range d.drops {
			send(out, peerDrops, prometheus.CounterValue, float64(count), n.peering, n.peer, cause.String())
		}
		for topic, count := range d.topics {
			send(out, peerTopics, prometheus.CounterValue, float64(count), n.peering, n.peer, topic)
		}
		send(out, peerConfirmed, prometheus.CounterValue, float64(d.confirmed), n.peering, n.peer)
		send(out, peerBytesIn, prometheus.CounterValue, float64(d.in), n.peering, n.peer)
		send(out, peerBytesOut, prometheus.CounterValue, float64(d.out), n.peering, n.peer)
	}
}
