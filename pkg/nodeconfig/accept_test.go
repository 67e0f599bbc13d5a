// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"slices"
	"strings"
	"testing"
)

func TestAccept(t *testing.T) {
	head := `{"version":1,"namespace":"a","node":"b","pod":"b-0"`
	for _, c := range []struct {
		rest, canonical, problem string
		features                 []string
	}{
		{rest: `,"accept":[]`},
		{rest: `,"accept":[{"name":"z","node":"zeek"},{"name":"a","subject":"CN=x","source":"10.0.0.1"},{"name":"a","node":"far"}]`,
			canonical: `,"accept":[{"name":"a","subject":"CN=x","source":"10.0.0.1"},{"name":"a","node":"far"},{"name":"z","node":"zeek"}]`,
			features:  []string{FeatureAccept}},
		{rest: `,"accept":[{"name":"z","source":"zeek.example.org","queues":{"peerMessages":5,"peerOverflow":"DropOldest"}}]`,
			canonical: `,"accept":[{"name":"z","source":"zeek.example.org","queues":{"peerMessages":5,"peerOverflow":"DropOldest"}}]`,
			features:  []string{FeatureAccept, FeaturePeerQueues}},
		{rest: `,"peers":[{"name":"p","address":"x:1","queues":{}}]`, canonical: `,"peers":[{"name":"p","address":"x:1"}]`},
		{rest: `,"peers":[{"name":"p","address":"x:1","queues":{"peerBytes":65536}}]`,
			canonical: `,"peers":[{"name":"p","address":"x:1","queues":{"peerBytes":65536}}]`, features: []string{FeaturePeerQueues}},
		{rest: `,"peers":[{"name":"p","address":"x:1"},{"name":"p","address":"y:1"}]`,
			canonical: `,"peers":[{"name":"p","address":"x:1"},{"name":"p","address":"y:1"}]`, features: []string{FeatureAccept}},
		{rest: `,"accept":[{"name":"z"}]`, problem: `accept[0]: neither node nor subject nor source: allowed: at least one of them`},
		{rest: `,"accept":[{"name":"Z","node":"Zeek"}]`, problem: `accept[0].name: "Z": allowed: `},
		{rest: `,"accept":[{"name":"z","node":"Zeek"}]`, problem: `accept[0].node: "Zeek": allowed: `},
		{rest: `,"accept":[{"name":"z","source":"a b"}]`, problem: `accept[0].source: "a b": allowed: an IP address or a host name`},
		{rest: `,"accept":[{"name":"z","node":"a"},{"name":"z","node":"a"}]`, problem: `accept[1].name: "z": allowed: each peering once for a node`},
		{rest: `,"accept":[{"name":"z","node":"a","queues":{"peerBytes":1}}]`, problem: `accept[0].queues.peerBytes: 1: allowed: 0, or 65536 to 1099511627776`},
		{rest: `,"peers":[{"name":"p","address":"x:1","queues":{"peerOverflow":"Wait"}}]`, problem: `peers[0].queues.peerOverflow: "Wait": allowed: Disconnect, DropOldest, DropNewest`},
		{rest: `,"accept":[{"name":"z","node":"a","queues":{"messages":1}}]`, problem: `accept[0].queues.messages: unknown field`},
		{rest: `,"accept":[{"name":"z","uri":"a"}]`, problem: `accept[0].uri: unknown field`},
		{rest: `,"accept":[{"name":"z","subject":"` + strings.Repeat("x", MaxText+1) + `"}]`, problem: `accept[0].subject: 1025 bytes: allowed: at most 1024 bytes`},
	} {
		got, err := Parse([]byte(head + c.rest + `}`))
		switch {
		case c.problem != "":
			if err == nil || !strings.HasPrefix(err.Error(), c.problem) {
				t.Errorf("%s: %v", c.rest, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", c.rest, err)
			continue
		}
		if text := string(got.Canonical()); text != head+c.canonical+`}` {
			t.Errorf("%s: %s", c.rest, text)
		}
		if need := got.Features(); !slices.Equal(need, c.features) || len(got.Missing(KnownFeatures())) > 0 {
			t.Errorf("%s: needs %v, want %v", c.rest, need, c.features)
		}
	}
	if !slices.IsSorted(KnownFeatures()) {
		t.Error("the known features are not sorted")
	}
}

func TestPeerQueuesFor(t *testing.T) {
	node := Queues{PeerMessages: 7, PeerOverflow: OverflowDropNewest}
	got := PeerQueues{PeerBytes: 1 << 20}.For(node)
	if want := (PeerQueues{PeerMessages: 7, PeerBytes: 1 << 20, PeerOverflow: OverflowDropNewest}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got = PeerQueues{PeerOverflow: OverflowDropOldest}.For(Queues{})
	if want := (PeerQueues{PeerMessages: DefaultPeerMessages, PeerBytes: DefaultQueueBytes, PeerOverflow: OverflowDropOldest}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
