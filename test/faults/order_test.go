// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

// order is a line for a worker. Do is one of the words below; the other fields are for those that name them.
type order struct {
	Do string

	// start: an endpoint that listens. ID is empty for a random one.
	Name     string `json:",omitempty"`
	Life     uint64 `json:",omitempty"` // how often the member has been started
	ID       string `json:",omitempty"`
	Kind     kind   `json:",omitempty"`
	Listen   string `json:",omitempty"`
	Queue    int    `json:",omitempty"` // bytes that wait for a peer at most
	Messages int    `json:",omitempty"` // and messages
	Policy   uint8  `json:",omitempty"`
	MaxFrame int    `json:",omitempty"`
	Window   int    `json:",omitempty"` // flow control: messages that the subscriber has room for, and publishers wait
	Files    uint64 `json:",omitempty"` // open files that the process may have
	TLS      string `json:",omitempty"` // a way to protect connections; empty: none
	CertPEM  []byte `json:",omitempty"`
	KeyPEM   []byte `json:",omitempty"`
	CAPEM    []byte `json:",omitempty"`

	// peer, unpeer
	Address string `json:",omitempty"`

	// subscribe: what is wanted from now on
	Prefixes []string `json:",omitempty"`

	// pump publishes until halt, burst so many messages: AtOnce (or one) each Every milliseconds, to topics by dice of Seed.
	Count  int    `json:",omitempty"`
	AtOnce int    `json:",omitempty"`
	Every  int    `json:",omitempty"`
	Seed   uint64 `json:",omitempty"`
	Size   int    `json:",omitempty"` // of further bytes in each message
}

// The words.
const (
	doStart     = "start"
	doPeer      = "peer"
	doUnpeer    = "unpeer"
	doSubscribe = "subscribe"
	doPump      = "pump"
	doBurst     = "burst"
	doHalt      = "halt"
	doState     = "state"
	doArrivals  = "arrivals"
	doUsage     = "usage"
	doClose     = "close"
)

// Ways to protect connections.
const (
	tlsCertificates = "certificates"
	tlsAnonymous    = "anonymous"
)

// answer is a worker's line to an order.
type answer struct {
	Error string `json:",omitempty"`

	// start, state
	ID    string       `json:",omitempty"`
	Peers []peerReport `json:",omitempty"`
	Nodes []nodeReport `json:",omitempty"`
	Stats statsReport  `json:",omitzero"`

	// arrivals and, after halt and burst, what has been published
	Streams   map[string]stream `json:",omitempty"`
	Published map[string]uint64 `json:",omitempty"`
	Broken    []string          `json:",omitempty"` // promises

	// usage, close
	Use usage `json:",omitzero"`
}

// peerReport is what an endpoint says of a peer.
type peerReport struct {
	ID, Address, State, Class, Error string
	Since                            int64
	Filter                           []string
	Queued                           int // bytes
}

// nodeReport is what a node says of another one.
type nodeReport struct {
	ID         string
	Reachable  bool
	Neighbours []string
	Wants      []string
	Leaves     map[string][]string // and what they want
}

// statsReport are figures of an endpoint.
type statsReport struct {
	Dropped                          map[string]uint64
	Crowded, Refused, DialsFailed    uint64
	Lost                             uint64
	Peers, Subscribers, Disconnected int
}

// usage is what a process takes.
type usage struct {
	Goroutines, Descriptors   int
	HeapInUse, Resident, Peak uint64 // bytes; Resident and Peak of the whole process
}

// stream is what came of one member: the numbers of its topics, by life and topic, as ranges without gaps.
type stream map[string][]span

// span is a range of numbers, both ends included.
type span [2]uint64

// missing answers the numbers above from, up to to, that are in no span; spans rise.
func missing(spans []span, from, to uint64) (out []span) {
	next := from + 1
	for _, s := range spans {
		if s[1] < next {
			continue
		}
		if s[0] > to {
			break
		}
		if s[0] > next {
			out = append(out, span{next, s[0] - 1})
		}
		next = s[1] + 1
	}
	if next <= to {
		out = append(out, span{next, to})
	}
	return out
}

// sum is how many numbers are in spans.
func sum(spans []span) (n uint64) {
	for _, s := range spans {
		n += s[1] - s[0] + 1
	}
	return n
}
