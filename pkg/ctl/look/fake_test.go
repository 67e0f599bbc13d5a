// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

var (
	me      = data.EndpointID{0xee}
	north   = data.EndpointID{1}
	east    = data.EndpointID{2}
	south   = data.EndpointID{3}
	zeek    = data.EndpointID{0x2e}
	gone    = data.EndpointID{0x60}
	started = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
)

// fakeMesh is three nodes in a row, north, east and south, with a foreign
// endpoint at south and this command at north.
type fakeMesh struct {
	sync.Mutex
	reports map[data.EndpointID]inspect.Report
	clocks  map[data.EndpointID]inspect.Clock
	routes  map[data.EndpointID]inspect.Route // by entering node
	records map[data.EndpointID][]inspect.TraceRecord
	// asked counts reports; each makes the counters rise and the clock advance
	// by a second.
	asked map[data.EndpointID]int
	taps  int
}

func peered(id data.EndpointID, class, address string) inspect.Peer {
	return inspect.Peer{ID: id, Class: class, Address: address, State: statePeered, Since: started.Add(-time.Hour), RTT: 250 * time.Microsecond}
}

func newFakeMesh() *fakeMesh {
	view := []inspect.Node{
		{ID: north, Reachable: true, Neighbours: []data.EndpointID{east}, Wants: []string{"/n"}, Leaves: []inspect.Leaf{{ID: me, Class: classClient}}},
		{ID: east, Reachable: true, Neighbours: []data.EndpointID{north, south}},
		{ID: south, Reachable: true, Neighbours: []data.EndpointID{east}, Wants: []string{"/s"}, Leaves: []inspect.Leaf{{ID: zeek, Class: classForeign, Wants: []string{"/s"}}}},
		{ID: gone},
	}
	f := &fakeMesh{
		clocks: map[data.EndpointID]inspect.Clock{
			north: {RTT: time.Millisecond}, east: {RTT: 2 * time.Millisecond, Ahead: time.Hour}, south: {RTT: 3 * time.Millisecond, Ahead: -time.Second},
		},
		asked: make(map[data.EndpointID]int), records: make(map[data.EndpointID][]inspect.TraceRecord), routes: make(map[data.EndpointID]inspect.Route),
	}
	foreign := peered(zeek, classForeign, "10.0.0.9:4000")
	foreign.Filter, foreign.Queued, foreign.Dropped, foreign.RTT = []string{"/s"}, 3, 7, 0
	down := inspect.Peer{Name: "south-nowhere", Address: "10.0.0.8:9999", State: broker.Disconnected.String(), Class: "Unknown", Since: started.Add(-90 * time.Second), LastError: "Refused", Flaps: 2}
	f.reports = map[data.EndpointID]inspect.Report{
		north: {
			Info: inspect.Info{Node: "north", Pod: "north-0", Version: "v1"}, Mesh: view,
			Peers:     []inspect.Peer{peered(east, classNode, "10.0.0.2:9999"), peered(me, classClient, "10.0.0.7:5")},
			Consumers: []inspect.Consumer{{Kind: "subscriber", Prefixes: []string{"/n"}, Queued: 4}, {Kind: "store", Prefixes: []string{"db/<$>/data/master"}}},
		},
		east:  {Info: inspect.Info{Node: "east"}, Mesh: view, Peers: []inspect.Peer{peered(north, classNode, "10.0.0.1:40000"), peered(south, classNode, "10.0.0.3:9999")}},
		south: {Info: inspect.Info{Node: "south\n"}, Mesh: view, Peers: []inspect.Peer{peered(east, classNode, "10.0.0.2:40001"), foreign, down}, Consumers: []inspect.Consumer{{Kind: "wants", Prefixes: []string{"/s"}}}},
	}
	return f
}

func (f *fakeMesh) Report(_ context.Context, id data.EndpointID) (inspect.Report, error) {
	f.Lock()
	defer f.Unlock()
	r, ok := f.reports[id]
	if !ok {
		return r, errors.New("no way")
	}
	n := f.asked[id]
	f.asked[id]++
	r.Started, r.Now = started, started.Add(time.Duration(n)*time.Second)
	r.Peers, r.Consumers = append([]inspect.Peer(nil), r.Peers...), append([]inspect.Consumer(nil), r.Consumers...)
	for i := range r.Peers {
		p := &r.Peers[i]
		p.Sent, p.Received, p.BytesIn, p.BytesOut = uint64(10*n), uint64(20*n), uint64(3000*n), uint64(1500*n)
		if p.Class == classForeign {
			p.Drops = map[string]uint64{"peer_queue": uint64(5 * n)}
		}
	}
	for i := range r.Consumers {
		r.Consumers[i].Received = uint64(7 * n)
	}
	r.Stats = inspect.Stats{BytesIn: uint64(9000 * n), BytesOut: uint64(4000 * n), Dropped: map[string]uint64{"ttl": uint64(n)}}
	return r, nil
}

func (f *fakeMesh) Ping(_ context.Context, id data.EndpointID) (inspect.Clock, error) {
	c, ok := f.clocks[id]
	if !ok {
		return c, context.DeadlineExceeded
	}
	return c, nil
}

func (f *fakeMesh) Route(_ context.Context, node data.EndpointID, _ string, entering, origin data.EndpointID) (inspect.Route, error) {
	r, ok := f.routes[entering]
	if !ok || node != entering {
		return r, fmt.Errorf("no route from %s", entering)
	}
	r.Entering, r.Origin = entering, origin
	return r, nil
}

func (f *fakeMesh) Trace(_ context.Context, id data.EndpointID, _ string, from uint64) (inspect.Trace, error) {
	f.Lock()
	defer f.Unlock()
	all := f.records[id]
	end := uint64(len(all))
	return inspect.Trace{Next: end, Records: all[min(from, end):]}, nil
}

func (f *fakeMesh) Tap(context.Context, data.EndpointID) error {
	f.Lock()
	defer f.Unlock()
	f.taps++
	return nil
}

// mesh is a way into the fake.
func (f *fakeMesh) mesh() *mesh {
	return &mesh{
		ask: f, self: me, first: north, timeout: 10 * time.Second, address: "10.0.0.1:9999",
		info: func() (broker.PeerInfo, bool) {
			return broker.PeerInfo{ID: north, Class: broker.ClassNode, State: broker.Peered, Filter: []string{"/"}}, true
		},
		publish: func(string, data.Value) error { return nil },
	}
}

// foreignMesh is a way to a foreign endpoint.
func foreignMesh() *mesh {
	m := newFakeMesh().mesh()
	m.first = zeek
	m.info = func() (broker.PeerInfo, bool) {
		return broker.PeerInfo{ID: zeek, Class: broker.ClassForeign, State: broker.Peered, Address: "10.0.0.9:9999", Since: time.Now(), Filter: []string{"/s"}}, true
	}
	m.ping = func(context.Context) (time.Duration, error) { return 4 * time.Millisecond, nil }
	return m
}

// picture looks at the fake.
func (f *fakeMesh) picture(t *testing.T) *Picture {
	t.Helper()
	p, err := f.mesh().picture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// same compares text line by line.
func same(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimPrefix(want, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
