// SPDX-License-Identifier: Apache-2.0

package look

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// writeFlows writes who lets whose publishers wait; nothing if no node has published to a flow.
func (p *Picture) writeFlows(out io.Writer) error {
	rows := p.flowsTable()
	if len(rows) == 1 {
		return nil
	}
	if _, err := io.WriteString(out, "\n"); err != nil {
		return err
	}
	return write(out, rows, p.flowsSummary(), 0)
}

func (p *Picture) flowsTable() [][]string {
	rows := [][]string{{"NODE", "FLOW TO", "PREFIXES", "SENT", "CREDIT", "STATE"}}
	for i := range p.Reports {
		r := &p.Reports[i]
		name := p.Name(r.ID)
		for _, f := range r.Flows {
			if f.Sent == 0 && f.StalledSince == nil {
				continue // every node has the flows of all subscribers
			}
			rows = append(rows, []string{
				name, p.placed(f.Subscriber), quoted(f.Prefixes), strconv.FormatUint(f.Sent, 10), strconv.FormatUint(f.Credit, 10), flowState(f, r.Now),
			})
			name = ""
		}
	}
	return rows
}

// flowState is "open", "stalled 3s" while publishers wait, or "given up 12s" since they no longer do.
func flowState(f inspect.Flow, now time.Time) string {
	switch {
	case f.DroppedSince != nil:
		return "given up " + span(now.Sub(*f.DroppedSince))
	case f.StalledSince != nil:
		return "stalled " + span(now.Sub(*f.StalledSince))
	}
	return "open"
}

func (p *Picture) flowsSummary() []string {
	given, stalled := 0, 0
	for i := range p.Reports {
		for _, f := range p.Reports[i].Flows {
			switch {
			case f.DroppedSince != nil:
				given++
			case f.StalledSince != nil:
				stalled++
			}
		}
	}
	var lines []string
	if stalled > 0 {
		lines = append(lines, fmt.Sprintf("%s publishers up: its queue is full.", table.Count(stalled, "flow holds", "flows hold")))
	}
	if given > 0 {
		lines = append(lines, fmt.Sprintf("%s not waited for: the subscriber granted nothing for five seconds, and may lose messages.", table.Count(given, "flow is", "flows are")))
	}
	return lines
}

// placed is the name of an endpoint, and for one at the edge the node that it is attached to.
func (p *Picture) placed(id data.EndpointID) string {
	if p.names[id] != "" || id == p.Self {
		return p.Name(id)
	}
	for i := range p.Reports {
		for _, peer := range p.Reports[i].Peers {
			if peer.ID == id && peer.State == statePeered {
				return Short(id) + " at " + p.Name(p.Reports[i].ID)
			}
		}
	}
	return Short(id)
}

// quoted are prefixes, the first few of many.
func quoted(prefixes []string) string {
	const shown = 3
	var b strings.Builder
	for i, prefix := range prefixes {
		if i == shown {
			fmt.Fprintf(&b, ", and %d more", len(prefixes)-shown)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(prefix))
	}
	return b.String()
}
