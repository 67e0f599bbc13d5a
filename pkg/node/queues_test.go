// SPDX-License-Identifier: Apache-2.0

package node

import (
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// TestQueues: what the config says of queues is the endpoint's, and a change waits for a new process.
func TestQueues(t *testing.T) {
	a, b := newNode(t, ""), newNode(t, "")
	apply(t, b, config("b"))
	c := config("a")
	c.Queues = &nodeconfig.Queues{PeerOverflow: nodeconfig.OverflowDropOldest, MemoryLimitBytes: 1 << 20}
	c.Peers = []nodeconfig.Peer{{Name: "a-b", Address: port(t, b, portBroker)}}
	apply(t, a, c)
	s := await(t, a, "the peering", func(s statusapi.Status) bool { return len(s.Peers) == 1 && s.Peers[0].State == statusapi.PeerPeered })
	if s.Peers[0].DropPolicy != "DropOldest" {
		t.Errorf("policy %s", s.Peers[0].DropPolicy)
	}
	_, text := get(t, a, "/metrics")
	for _, line := range []string{"broker_memory_limit_bytes 1.048576e+06\n", "broker_memory_used_bytes ", "broker_in_doubt_messages_total 0\n", "broker_memory_limit_reached_total 0\n"} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("no %q in the metrics", line)
		}
	}
	hash := s.ConfigHash
	c.Revision, c.Queues = 2, nil
	apply(t, a, c)
	if s := a.Status(); s.RestartNeeded != "queues" || s.ConfigHash != hash {
		t.Errorf("%q needs a restart, hash %s", s.RestartNeeded, s.ConfigHash)
	}
	closeNode(t, a)
	closeNode(t, b)
}
