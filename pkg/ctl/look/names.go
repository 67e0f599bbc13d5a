// SPDX-License-Identifier: Apache-2.0

package look

import (
	"fmt"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// myself is what the endpoint of this command is called.
const myself = "(this command)"

// Short is the beginning of an ID, by which people tell endpoints apart.
func Short(id data.EndpointID) string {
	if id.IsZero() {
		return "-"
	}
	return id.String()[:8]
}

// Name is what an endpoint is called: the node's name, or the beginning of its
// ID.
func (p *Picture) Name(id data.EndpointID) string {
	if id == p.Self && !id.IsZero() {
		return myself
	}
	if name := p.names[id]; name != "" {
		return table.Plain(name)
	}
	return Short(id)
}

// Find is the node that a name, or the beginning of an ID, stands for.
func (p *Picture) Find(text string) (data.EndpointID, error) {
	var found []data.EndpointID
	for i := range p.Reports {
		r := &p.Reports[i]
		if p.names[r.ID] == text || r.Node == text || r.Pod == text || strings.HasPrefix(r.ID.String(), strings.ToLower(text)) {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return data.EndpointID{}, fmt.Errorf("no node %q answers; those that do: %s", text, strings.Join(p.nodeNames(), ", "))
	default:
		return data.EndpointID{}, fmt.Errorf("%q stands for %d nodes", text, len(found))
	}
}

func (p *Picture) nodeNames() []string {
	names := make([]string, len(p.Reports))
	for i := range p.Reports {
		names[i] = p.Name(p.Reports[i].ID)
	}
	return names
}

// remarks are the sentences below every table: who did not answer, and whom
// nobody can ask.
func (p *Picture) remarks() []string {
	var lines []string
	for _, s := range p.Silent {
		lines = append(lines, fmt.Sprintf("%s did not answer: %s", s.ID, table.Plain(s.Error)))
	}
	foreign, truncated := 0, 0
	for i := range p.Reports {
		truncated += p.Reports[i].Truncated
		for _, peer := range p.Reports[i].Peers {
			if peer.Class == classForeign {
				foreign++
			}
		}
	}
	if foreign > 0 {
		lines = append(lines, "Foreign endpoints answer no questions: what is shown of them is what the node next to them sees.")
	}
	if truncated > 0 {
		lines = append(lines, fmt.Sprintf("%s left out: the lists were too long.", table.Count(truncated, "entry was", "entries were")))
	}
	return lines
}
