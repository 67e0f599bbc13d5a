// SPDX-License-Identifier: Apache-2.0

package look

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// losses say what was dropped for peers, what is in doubt, and where memory
// was short.
func (p *Picture) losses() (lines []string) {
	for i := range p.Reports {
		r := &p.Reports[i]
		for _, peer := range r.Peers {
			name := p.peerName(peer)
			if name == "-" {
				name = Short(peer.ID)
			}
			at := p.Name(r.ID) + " to " + name + ": "
			if len(peer.DroppedTopics) > 0 {
				lines = append(lines, at+"dropped "+topicsText(peer.DroppedTopics))
			}
			if peer.InDoubt > 0 {
				lines = append(lines, at+table.Count(int(peer.InDoubt), "message", "messages")+" in doubt: not confirmed when the connection was lost")
			}
		}
		if m := r.Stats; m.MemoryReached > 0 {
			lines = append(lines, fmt.Sprintf("%s: the memory limit of %d MiB was reached %s; %d MiB are in use", p.Name(r.ID), m.MemoryLimit>>20,
				table.Count(int(m.MemoryReached), "time", "times"), m.MemoryUsed>>20))
		}
	}
	return lines
}

// topicsText is for instance "120 /zeek/conn, 3 /zeek/dns".
func topicsText(counts map[string]uint64) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	parts := make([]string, 0, len(keys))
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%d %s", counts[k], table.Plain(k)))
	}
	return strings.Join(parts, ", ")
}
