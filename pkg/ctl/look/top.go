// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// TopOptions say what top shows.
type TopOptions struct {
	// Interval is the time between two looks, by default a second.
	Interval time.Duration
	// Once ends after the first table.
	Once bool
	JSON bool
	// Width, if not nil, is that of the terminal, which is cleared for each
	// table; without, tables follow each other.
	Width func() int
}

// Top shows the traffic of every peering, again and again until the context
// ends.
func Top(ctx context.Context, o client.Options, t TopOptions, out io.Writer) error {
	if t.Interval <= 0 {
		return ctl.BadInput(fmt.Errorf("--interval: %v: allowed: more than 0", t.Interval))
	}
	err := with(ctx, o, func(m *mesh) error { return m.top(ctx, t, out) })
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (m *mesh) top(ctx context.Context, t TopOptions, out io.Writer) error {
	before, err := m.nodes(ctx)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(t.Interval)
	defer ticker.Stop()
	for first := true; ; first = false {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		after, err := m.nodes(ctx)
		if err != nil {
			return err
		}
		if err := t.show(trafficOf(before, after), after, first, out); err != nil || t.Once {
			return err
		}
		before = after
	}
}

func (t TopOptions) show(nodes []nodeTraffic, p *Picture, first bool, out io.Writer) error {
	if t.JSON {
		return writeJSON(out, struct {
			Time   time.Time     `json:"time"`
			Nodes  []nodeTraffic `json:"nodes"`
			Silent []Silent      `json:"silent,omitempty"`
		}{time.Now().UTC(), nodes, p.Silent})
	}
	width, begin := 0, ""
	switch {
	case t.Width != nil:
		width, begin = t.Width(), "\x1b[H\x1b[2J"
	case !first:
		begin = "\n"
	}
	if _, err := io.WriteString(out, begin); err != nil {
		return err
	}
	return write(out, trafficTable(nodes), p.remarks(), width)
}

// traffic are rates, all in a second.
type traffic struct {
	In       float64            `json:"messagesIn"`
	Out      float64            `json:"messagesOut"`
	BytesIn  float64            `json:"bytesIn"`
	BytesOut float64            `json:"bytesOut"`
	Drops    map[string]float64 `json:"drops,omitempty"`
}

// nodeTraffic is what goes through a node.
type nodeTraffic struct {
	Name        string `json:"name"`
	ID          string `json:"id"`
	Subscribers int    `json:"subscribers"`
	// Queued waits for being read by the subscribers.
	Queued int `json:"queuedMessages"`
	traffic
	Peers []peerTraffic `json:"peers"`
}

// peerTraffic is what goes over a connection.
type peerTraffic struct {
	Name        string `json:"name"`
	ID          string `json:"id"`
	Class       string `json:"class"`
	State       string `json:"state"`
	Queued      int    `json:"queuedMessages"`
	QueuedBytes int    `json:"queuedBytes"`
	traffic
}

// trafficOf are the rates between two pictures.
func trafficOf(before, after *Picture) []nodeTraffic {
	nodes := []nodeTraffic{}
	for i := range after.Reports {
		r := &after.Reports[i]
		n := nodeTraffic{Name: after.Name(r.ID), ID: r.ID.String()}
		for _, c := range r.Consumers {
			n.Queued += c.Queued
			if c.Kind == kindSubscriber {
				n.Subscribers++
			}
		}
		at := slices.IndexFunc(before.Reports, func(b inspect.Report) bool { return b.ID == r.ID && b.Started.Equal(r.Started) })
		seconds := 0.0
		var b *inspect.Report
		if at >= 0 {
			b = &before.Reports[at]
			seconds = r.Now.Sub(b.Now).Seconds()
			n.BytesIn, n.BytesOut = per(seconds, b.Stats.BytesIn, r.Stats.BytesIn), per(seconds, b.Stats.BytesOut, r.Stats.BytesOut)
			n.Drops = dropRates(seconds, b.Stats.Dropped, r.Stats.Dropped)
		}
		for _, peer := range r.Peers {
			t := after.peerTraffic(samePeer(b, peer), peer, seconds)
			n.In += t.In
			n.Out += t.Out
			n.Peers = append(n.Peers, t)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (p *Picture) peerTraffic(before *inspect.Peer, after inspect.Peer, seconds float64) peerTraffic {
	t := peerTraffic{
		Name: p.peerName(after), ID: after.ID.String(), Class: table.Plain(after.Class), State: table.Plain(after.State),
		Queued: after.Queued, QueuedBytes: after.QueuedBytes,
	}
	if t.Name == "-" {
		t.Name = Short(after.ID)
	}
	if before != nil {
		t.In, t.Out = per(seconds, before.Received, after.Received), per(seconds, before.Sent, after.Sent)
		t.BytesIn, t.BytesOut = per(seconds, before.BytesIn, after.BytesIn), per(seconds, before.BytesOut, after.BytesOut)
		t.Drops = dropRates(seconds, before.Drops, after.Drops)
	}
	return t
}

// per is how much a counter rises in a second. Counters that went back were
// begun anew.
func per(seconds float64, from, to uint64) float64 {
	if seconds <= 0 || to < from {
		return 0
	}
	return float64(to-from) / seconds
}

func dropRates(seconds float64, from, to map[string]uint64) map[string]float64 {
	rates := make(map[string]float64)
	for cause, n := range to {
		if r := per(seconds, from[cause], n); r > 0 {
			rates[cause] = r
		}
	}
	return rates
}

func trafficTable(nodes []nodeTraffic) [][]string {
	rows := [][]string{{"NODE", "PEER", "CLASS", "MSG/S IN", "OUT", "BYTES/S IN", "OUT", "QUEUED", "DROPS/S", "SUBSCRIBERS"}}
	for _, n := range nodes {
		rows = append(rows, append(append([]string{n.Name, "", ""}, n.cells()...), strconv.Itoa(n.Queued), dropsText(n.Drops), strconv.Itoa(n.Subscribers)))
		for _, p := range n.Peers {
			class := p.Class
			if p.State != statePeered {
				class = p.State
			}
			rows = append(rows, append(append([]string{"", p.Name, class}, p.cells()...), strconv.Itoa(p.Queued), dropsText(p.Drops)))
		}
	}
	return rows
}

func (t traffic) cells() []string {
	return []string{perSecond(t.In), perSecond(t.Out), perSecond(t.BytesIn), perSecond(t.BytesOut)}
}

// dropsText is for instance "12 peer_queue, 3.0 ttl".
func dropsText(drops map[string]float64) string {
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(drops)) {
		parts = append(parts, perSecond(drops[cause])+" "+table.Plain(cause))
	}
	return table.Dash(strings.Join(parts, ", "))
}
