// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// Peers shows every endpoint of the mesh with its peers.
func Peers(ctx context.Context, o client.Options, asJSON bool, out io.Writer) error {
	return with(ctx, o, func(m *mesh) error {
		p, err := m.picture(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(out, p.document())
		}
		if err := write(out, peersTable(p, time.Now()), append(peersSummary(p), p.remarks()...), 0); err != nil {
			return err
		}
		return p.writeFlows(out)
	})
}

// pictureDocument is a picture in JSON.
type pictureDocument struct {
	Nodes  []inspect.Report `json:"nodes"`
	Silent []Silent         `json:"silent,omitempty"`
	// Foreign is the endpoint that was asked, if it is no node of brokermesh,
	// as this command's own endpoint sees it.
	Foreign *inspect.Peer `json:"foreign,omitempty"`
}

func (p *Picture) document() pictureDocument {
	d := pictureDocument{Nodes: p.Reports, Silent: p.Silent}
	if d.Nodes == nil {
		d.Nodes = []inspect.Report{}
	}
	if p.Foreign != nil {
		peer := inspect.PeerOf(*p.Foreign)
		d.Foreign = &peer
	}
	return d
}

func writeJSON(out io.Writer, doc any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

func peersTable(p *Picture, now time.Time) [][]string {
	rows := [][]string{{"NODE", "PEER", "CLASS", "ADDRESS", "STATE", "SINCE", "RTT", "QUEUED", "DROPPED", "FLAPS", "ID"}}
	if p.Foreign != nil {
		return append(rows, p.peerRow(myself, inspect.PeerOf(*p.Foreign), now))
	}
	for i := range p.Reports {
		r := &p.Reports[i]
		name := p.Name(r.ID)
		if len(r.Peers) == 0 {
			rows = append(rows, []string{name, "-"})
		}
		for _, peer := range r.Peers {
			rows = append(rows, p.peerRow(name, peer, r.Now))
			name = ""
		}
	}
	return rows
}

func (p *Picture) peerRow(node string, peer inspect.Peer, now time.Time) []string {
	state := peer.State
	if peer.LastError != "" && state != statePeered {
		state += " (" + peer.LastError + ")"
	}
	return []string{
		node, p.peerName(peer), peer.Class, table.Dash(table.Plain(peer.Address)), table.Plain(state), span(now.Sub(peer.Since)), roundTrip(peer.RTT),
		strconv.Itoa(peer.Queued), strconv.FormatUint(peer.Dropped, 10), strconv.FormatUint(peer.Flaps, 10), Short(peer.ID),
	}
}

// peerName is what a peer is called: by its own name, else by that of the
// peering.
func (p *Picture) peerName(peer inspect.Peer) string {
	if !peer.ID.IsZero() && (p.names[peer.ID] != "" || peer.ID == p.Self) {
		return p.Name(peer.ID)
	}
	if peer.Name != "" {
		return table.Plain(peer.Name)
	}
	return "-"
}

// peersSummary counts nodes, connections between them and what is attached.
func peersSummary(p *Picture) []string {
	if p.Foreign != nil {
		return []string{"The endpoint is foreign: it answers no questions, and this is what can be seen of it from here."}
	}
	links, foreign, clients, down := make(map[[2]string]bool), 0, 0, 0
	for i := range p.Reports {
		for _, peer := range p.Reports[i].Peers {
			switch {
			case peer.State != statePeered:
				down++
			case peer.Class == classNode:
				a, b := p.Reports[i].ID.String(), peer.ID.String()
				links[[2]string{min(a, b), max(a, b)}] = true
			case peer.Class == classForeign:
				foreign++
			case peer.ID != p.Self:
				clients++
			}
		}
	}
	line := table.Count(len(p.Reports), "node", "nodes") + ", " + table.Count(len(links), "connection", "connections") + " between nodes"
	for _, part := range []struct {
		n         int
		one, many string
	}{
		{foreign, "foreign endpoint", "foreign endpoints"}, {clients, "client", "clients"}, {down, "peering that does not stand", "peerings that do not stand"},
	} {
		if part.n > 0 {
			line += ", " + table.Count(part.n, part.one, part.many)
		}
	}
	return append([]string{line}, p.losses()...)
}

// foreignError says why a command can't do anything with an endpoint.
func foreignError(address string, info broker.PeerInfo) error {
	return fmt.Errorf("%s (%s) is a foreign endpoint: it answers no questions", address, info.ID)
}
