// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"bytes"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// report is what an endpoint says of itself, its peers and its mesh.
func report(e *broker.Endpoint) answer {
	a := answer{ID: e.ID().String(), Stats: figures(e)}
	for _, p := range e.Peers() {
		r := peerReport{Address: p.Address, State: p.State.String(), Class: p.Class.String(), Since: p.Since.UnixNano(), Filter: p.Filter,
			Error: p.LastErrorText, Queued: p.QueuedBytes}
		if !p.ID.IsZero() {
			r.ID = p.ID.String()
		}
		a.Peers = append(a.Peers, r)
	}
	view := e.MeshView()
	if view == nil {
		return a
	}
	for _, n := range view.Nodes {
		r := nodeReport{ID: n.ID.String(), Reachable: n.Reachable, Neighbours: names(n.Neighbours), Wants: n.Wants, Leaves: map[string][]string{}}
		for _, l := range n.Leaves {
			r.Leaves[l.ID.String()] = l.Wants
		}
		a.Nodes = append(a.Nodes, r)
	}
	return a
}

func figures(e *broker.Endpoint) statsReport {
	s := e.Stats()
	r := statsReport{Dropped: map[string]uint64{}, Crowded: s.HandshakesCrowded, Refused: s.HandshakesFailed, DialsFailed: s.DialsFailed,
		Lost: s.PeeringsLost, Peers: s.Peers, Subscribers: s.Subscribers}
	for cause, n := range s.Dropped {
		if n > 0 {
			r.Dropped[cause.String()] = n
		}
	}
	return r
}

func names(ids []data.EndpointID) (out []string) {
	for _, id := range ids {
		out = append(out, id.String())
	}
	return out
}

// measure looks at the own process.
func measure() usage {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(sample)
	u := usage{Goroutines: runtime.NumGoroutine(), HeapInUse: sample[0].Value.Uint64() + sample[1].Value.Uint64()}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.Descriptors = len(entries) - 1 // one is that of the listing
	}
	status, _ := os.ReadFile("/proc/self/status")
	u.Resident, u.Peak = statusLine(status, "VmRSS:"), statusLine(status, "VmHWM:")
	return u
}

// statusLine reads a size in kB.
func statusLine(status []byte, name string) uint64 {
	_, rest, _ := bytes.Cut(status, []byte(name))
	fields := bytes.Fields(rest[:min(len(rest), 64)])
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseUint(string(fields[0]), 10, 64)
	return n << 10
}
