// SPDX-License-Identifier: Apache-2.0

package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// pingPause is the time between two pings to one node, pingPatience how long
// an answer may take.
const (
	pingPause    = 100 * time.Millisecond
	pingPatience = 2 * time.Second
)

// pinged is what pings to one endpoint told.
type pinged struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	// How the time was measured: asked (through the mesh, by this command),
	// ping (a ping of the protocol, by this command), or by the node Via next
	// to it, which is a smoothed value.
	How  string `json:"how"`
	Via  string `json:"via,omitempty"`
	Sent int    `json:"sent,omitempty"`
	Lost int    `json:"lost,omitempty"`

	Min time.Duration `json:"minNanoseconds"`
	Avg time.Duration `json:"avgNanoseconds"`
	P99 time.Duration `json:"p99Nanoseconds"`
	// Ahead is by how much the clock is ahead of the one here, from the
	// fastest answer, and wrong by at most half of Min; nil if unknown.
	Ahead *time.Duration `json:"clockAheadNanoseconds,omitempty"`
}

const (
	howAsked  = "asked"
	howPing   = "ping"
	howByNode = "by node"
)

// Ping measures round trips and clocks of all nodes.
func Ping(ctx context.Context, o client.Options, count int, asJSON bool, out io.Writer) error {
	if count < 1 {
		return ctl.BadInput(fmt.Errorf("--count: %d: allowed: 1 and more", count))
	}
	return with(ctx, o, func(m *mesh) error {
		p, err := m.picture(ctx)
		if err != nil {
			return err
		}
		var all []pinged
		if p.Foreign != nil {
			all, err = m.pingForeign(ctx, count)
		} else {
			all, err = m.pingNodes(ctx, p, count)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(out, all)
		}
		remarks := p.remarks()
		if p.Foreign != nil {
			remarks = append(remarks, "The endpoint is foreign: it tells nothing of its clock, nor of others.")
		}
		return write(out, pingTable(all), remarks, 0)
	})
}

// pingForeign pings the endpoint that this command is connected with.
func (m *mesh) pingForeign(ctx context.Context, count int) ([]pinged, error) {
	s := series{sent: count}
	for i := range count {
		if i > 0 && !pause(ctx, pingPause) {
			return nil, ctx.Err()
		}
		asking, cancel := context.WithTimeout(ctx, pingPatience)
		rtt, err := m.ping(asking)
		cancel()
		switch {
		case err == nil:
			s.clocks = append(s.clocks, inspect.Clock{RTT: rtt})
		case !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
	}
	r := s.result()
	r.Name, r.ID, r.How, r.Ahead = Short(m.first), m.first.String(), howPing, nil
	return []pinged{r}, ctx.Err()
}

// pingNodes pings every node, all at the same time.
func (m *mesh) pingNodes(ctx context.Context, p *Picture, count int) ([]pinged, error) {
	results := make(map[data.EndpointID]pinged)
	var ids []data.EndpointID
	for i := range p.Reports {
		ids = append(ids, p.Reports[i].ID)
	}
	var mu sync.Mutex
	each(ids, func(id data.EndpointID) {
		s := series{sent: count}
		for i := range count {
			if i > 0 && !pause(ctx, pingPause) {
				break
			}
			asking, cancel := context.WithTimeout(ctx, pingPatience)
			clock, err := m.ask.Ping(asking, id)
			cancel()
			if err == nil {
				s.clocks = append(s.clocks, clock)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		results[id] = s.result()
	})
	var all []pinged
	for i := range p.Reports {
		id := p.Reports[i].ID
		r := results[id]
		r.Name, r.ID, r.How = p.Name(id), id.String(), howAsked
		all = append(all, r)
	}
	return append(all, p.foreignPings()...), ctx.Err()
}

// foreignPings are what nodes have measured of the foreign endpoints that they
// are connected with.
func (p *Picture) foreignPings() []pinged {
	var all []pinged
	for i := range p.Reports {
		r := &p.Reports[i]
		for _, peer := range r.Peers {
			if peer.Class != classForeign || peer.State != statePeered {
				continue
			}
			name := p.peerName(peer)
			if name == "-" {
				name = Short(peer.ID)
			}
			all = append(all, pinged{Name: name, ID: peer.ID.String(), How: howByNode, Via: p.Name(r.ID), Avg: peer.RTT})
		}
	}
	return all
}

// pause waits; false if the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// series are the answers of one endpoint.
type series struct {
	sent   int
	clocks []inspect.Clock
}

func (s series) result() pinged {
	r := pinged{Sent: s.sent, Lost: s.sent - len(s.clocks)}
	if len(s.clocks) == 0 {
		return r
	}
	slices.SortFunc(s.clocks, func(a, b inspect.Clock) int { return cmp.Compare(a.RTT, b.RTT) })
	var sum time.Duration
	for _, c := range s.clocks {
		sum += c.RTT
	}
	n := len(s.clocks)
	r.Min, r.Avg, r.P99 = s.clocks[0].RTT, sum/time.Duration(n), s.clocks[(n*99+99)/100-1].RTT
	r.Ahead = &s.clocks[0].Ahead
	return r
}

func pingTable(all []pinged) [][]string {
	rows := [][]string{{"ENDPOINT", "MIN", "AVG", "P99", "LOST", "CLOCK", "ID"}}
	for _, r := range all {
		name, lost := r.Name, "-"
		if r.Via != "" {
			name += " (as " + r.Via + " measures it)"
		}
		if r.Sent > 0 {
			lost = strconv.Itoa(r.Lost) + "/" + strconv.Itoa(r.Sent)
		}
		rows = append(rows, []string{name, roundTrip(r.Min), roundTrip(r.Avg), roundTrip(r.P99), lost, clockText(r), r.ID[:8]})
	}
	return rows
}

// clockText is a difference of clocks, as far as it is known.
func clockText(r pinged) string {
	if r.Ahead == nil {
		return "-"
	}
	d, doubt := *r.Ahead, r.Min/2
	if d.Abs() <= doubt {
		return "same ±" + roundTrip(doubt)
	}
	word := "ahead"
	if d < 0 {
		word = "behind"
	}
	return fmt.Sprintf("%s %s ±%s", roundTrip(d.Abs()), word, roundTrip(doubt))
}
