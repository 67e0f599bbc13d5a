// SPDX-License-Identifier: Apache-2.0

package look

import (
	"slices"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

func TestLosses(t *testing.T) {
	a, b := data.EndpointID{1}, data.EndpointID{2}
	p := &Picture{names: map[data.EndpointID]string{a: "north", b: "south"}, Reports: []inspect.Report{
		{ID: a, Peers: []inspect.Peer{
			{ID: b, DroppedTopics: map[string]uint64{"/zeek/dns": 3, "/zeek/conn": 120, "/a\x1bb": 3}, InDoubt: 1},
			{ID: data.EndpointID{3}, InDoubt: 7},
		}, Stats: inspect.Stats{MemoryUsed: 200 << 20, MemoryLimit: 256 << 20, MemoryReached: 2}},
		{ID: b, Peers: []inspect.Peer{{ID: a}}, Stats: inspect.Stats{MemoryLimit: 256 << 20}},
	}}
	want := []string{
		"north to south: dropped 120 /zeek/conn, 3 /a\\x1bb, 3 /zeek/dns",
		"north to south: 1 message in doubt: not confirmed when the connection was lost",
		"north to 03000000: 7 messages in doubt: not confirmed when the connection was lost",
		"north: the memory limit of 256 MiB was reached 2 times; 200 MiB are in use",
	}
	if got := p.losses(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
