// SPDX-License-Identifier: Apache-2.0

package node

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// collector gives Prometheus the figures of the moment.
type collector struct{ node *Node }

func family(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("broker_"+name, help, labels, nil)
}

// The families that the reference has.
var (
	connections = family("connections", "Peerings that are established.")
	processed   = family("processed_messages_total", "Messages that went through the endpoint, local and remote.", "type")
	entries     = family("store_entries", "Entries of a store that this node holds.", "name")
	outputs     = family("store_output_channels", "Clones that are attached to a master of this node.", "name")
)

// The families that it hasn't.
var (
	peerUp            = family("peer_up", "1 while the peering is established.", "peering", "peer")
	peerQueued        = family("peer_queued_messages", "Messages that wait for the peer.", "peering", "peer")
	peerBytes         = family("peer_queued_bytes", "Bytes that wait for the peer.", "peering", "peer")
	peerDropped       = family("peer_dropped_messages_total", "Messages for the peer that were dropped.", "peering", "peer")
	peerSent          = family("peer_sent_messages_total", "Messages sent to the peer.", "peering", "peer")
	peerReceived      = family("peer_received_messages_total", "Messages received from the peer.", "peering", "peer")
	storeSequence     = family("store_sequence", "Number of the newest change that the store has seen.", "name", "role")
	storeLag          = family("store_lag", "Changes that the store knows of and hasn't applied, or that clones haven't acknowledged.", "name", "role")
	storeBytes        = family("store_bytes", "Bytes of the store's keys and values.", "name", "role")
	storeAge          = family("store_age_seconds", "How long ago a clone last knew that it had everything that its master had.", "name")
	storeWaiting      = family("store_waiting_writes", "Writes of a clone that its master has not answered yet.", "name")
	storeUnknown      = family("store_unknown_writes_total", "Writes of a clone of which nobody knows whether they were executed.", "name")
	storeEpoch        = family("store_epoch", "Epoch of the store's history.", "name", "role")
	storeConflict     = family("store_conflict", "1 while there is another master of the store's name.", "name")
	storeNewHistory   = family("store_new_history", "1 while a clone keeps its content because its master began a new history.", "name")
	storeStranded     = family("store_stranded_clones", "Clones of other implementations that can't go on with the master.", "name")
	droppedTotal      = family("dropped_messages_total", "Messages that were discarded.", "cause")
	bytesIn           = family("received_bytes_total", "Bytes received from peers.")
	bytesOut          = family("sent_bytes_total", "Bytes sent to peers.")
	handshakesFailed  = family("handshakes_failed_total", "Accepted connections that did not become a peering.")
	handshakesCrowded = family("handshakes_crowded_total", "Accepted connections that were closed because too many were in the handshake.")
	dialsFailed       = family("dials_failed_total", "Attempts to connect that did not become a peering.")
	inDoubt           = family("in_doubt_messages_total", "Messages sent and not confirmed when their connection was lost.")
	memoryUsed        = family("memory_used_bytes", "What queues and histories of stores hold of the memory limit.")
	memoryLimit       = family("memory_limit_bytes", "What queues and histories of stores may hold together.")
	memoryReached     = family("memory_limit_reached_total", "How often the memory limit was reached, and the largest queue had to give something up.")
	subscribers       = family("subscribers", "Subscribers at the endpoint, WebSocket clients included.")
	storeUp           = family("store_up", "1 while a master serves or a clone is in sync.", "name", "role")
)

// Describe sends nothing: what there is depends on the config.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the status, which is all that there is to know.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.node.Status()
	peers, established := sumPeers(s.Peers)
	send(out, connections, prometheus.GaugeValue, float64(established))
	for name, f := range peers {
		collectPeer(out, name, f)
	}
	for _, t := range s.Stores {
		collectStore(out, t)
	}
	c.collectEndpoint(out)
}

// collectEndpoint reads the endpoint's own counters; before there is an
// endpoint they are all zero.
func (c collector) collectEndpoint(out chan<- prometheus.Metric) {
	c.node.mu.Lock()
	e := c.node.mu.engine
	c.node.mu.Unlock()
	var s broker.Stats
	if e != nil {
		s = e.endpoint.Stats()
		collectDetails(out, e.endpoint.Peers())
		collectFlows(out, e.endpoint.Flows(), time.Now())
	}
	for _, kind := range []string{"data", "command", "routing_update", "ping", "pong"} {
		send(out, processed, prometheus.CounterValue, float64(s.Processed[kind]), strings.ReplaceAll(kind, "_", "-"))
	}
	for cause, count := range s.Dropped {
		send(out, droppedTotal, prometheus.CounterValue, float64(count), cause.String())
	}
	send(out, bytesIn, prometheus.CounterValue, float64(s.BytesIn))
	send(out, bytesOut, prometheus.CounterValue, float64(s.BytesOut))
	send(out, handshakesFailed, prometheus.CounterValue, float64(s.HandshakesFailed))
	send(out, handshakesCrowded, prometheus.CounterValue, float64(s.HandshakesCrowded))
	send(out, dialsFailed, prometheus.CounterValue, float64(s.DialsFailed))
	send(out, peeringsLost, prometheus.CounterValue, float64(s.PeeringsLost))
	send(out, flowsDropped, prometheus.CounterValue, float64(s.FlowsDropped))
	send(out, inDoubt, prometheus.CounterValue, float64(s.InDoubt))
	send(out, memoryUsed, prometheus.GaugeValue, float64(s.MemoryUsed))
	send(out, memoryLimit, prometheus.GaugeValue, float64(s.MemoryLimit))
	send(out, memoryReached, prometheus.CounterValue, float64(s.MemoryReached))
	send(out, subscribers, prometheus.GaugeValue, float64(s.Subscribers))
}

// peerName is what the series of a peer are labelled with: the Peering, if the
// peer was dialed for one, and the name in the peer's certificate, or else the
// address.
type peerName struct{ peering, peer string }

// peerFigures are the sums over all connections of one name.
type peerFigures struct {
	up, queued, bytes, dropped, sent, received float64
}

func sumPeers(peers []statusapi.Peer) (sums map[peerName]peerFigures, established int) {
	sums = make(map[peerName]peerFigures)
	for _, p := range peers {
		name := peerName{p.Peering, p.Address}
		if p.URI != "" {
			name.peer = p.URI
		}
		f := sums[name]
		if p.State == statusapi.PeerPeered {
			established++
			f.up = 1
		}
		f.queued += float64(p.QueueMessages)
		f.bytes += float64(p.QueueBytes)
		f.dropped += float64(p.Dropped)
		f.sent += float64(p.Sent)
		f.received += float64(p.Received)
		sums[name] = f
	}
	return sums, established
}

func collectPeer(out chan<- prometheus.Metric, n peerName, f peerFigures) {
	send(out, peerUp, prometheus.GaugeValue, f.up, n.peering, n.peer)
	send(out, peerQueued, prometheus.GaugeValue, f.queued, n.peering, n.peer)
	send(out, peerBytes, prometheus.GaugeValue, f.bytes, n.peering, n.peer)
	send(out, peerDropped, prometheus.CounterValue, f.dropped, n.peering, n.peer)
	send(out, peerSent, prometheus.CounterValue, f.sent, n.peering, n.peer)
	send(out, peerReceived, prometheus.CounterValue, f.received, n.peering, n.peer)
}

func collectStore(out chan<- prometheus.Metric, t statusapi.Store) {
	send(out, entries, prometheus.GaugeValue, float64(t.Entries), t.Name)
	if t.Role == statusapi.RoleMaster {
		send(out, outputs, prometheus.GaugeValue, float64(t.Clones), t.Name)
		send(out, storeConflict, prometheus.GaugeValue, truth(t.Conflict != ""), t.Name)
		send(out, storeStranded, prometheus.GaugeValue, float64(len(t.Stranded)), t.Name)
	} else {
		send(out, storeAge, prometheus.GaugeValue, t.AgeSeconds, t.Name)
		send(out, storeWaiting, prometheus.GaugeValue, float64(t.WritesWaiting), t.Name)
		send(out, storeUnknown, prometheus.CounterValue, float64(t.WritesUnknown), t.Name)
		send(out, storeNewHistory, prometheus.GaugeValue, truth(t.NewHistory), t.Name)
	}
	if t.Epoch > 0 {
		send(out, storeEpoch, prometheus.GaugeValue, float64(t.Epoch), t.Name, t.Role)
	}
	up := t.State == statusapi.StoreServing || t.State == statusapi.StoreSynced
	send(out, storeUp, prometheus.GaugeValue, truth(up), t.Name, t.Role)
	send(out, storeSequence, prometheus.GaugeValue, float64(t.Sequence), t.Name, t.Role)
	send(out, storeLag, prometheus.GaugeValue, float64(t.Lag), t.Name, t.Role)
	send(out, storeBytes, prometheus.GaugeValue, float64(t.Bytes), t.Name, t.Role)
}

func send(out chan<- prometheus.Metric, d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, kind, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	out <- m
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
