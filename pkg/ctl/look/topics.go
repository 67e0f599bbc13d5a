// SPDX-License-Identifier: Apache-2.0

package look

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// want is one prefix that somebody wants.
type want struct {
	Prefix string `json:"prefix"`
	// By is the node, or the endpoint at its edge.
	By string `json:"by"`
	ID string `json:"id"`
	// As is subscriber, store or wants of a node, or client or foreign for an
	// endpoint at the edge, which is attached to Via.
	As  string `json:"as"`
	Via string `json:"via,omitempty"`
	// Rate is in messages a second; nil where nobody counts. Shared tells that
	// it is of all prefixes of that subscriber or endpoint.
	Rate    *float64 `json:"messagesPerSecond,omitempty"`
	Shared  bool     `json:"rateIsShared,omitempty"`
	Queued  int      `json:"queued"`
	Dropped uint64   `json:"dropped"`
}

// Topics shows which prefixes are wanted by whom. It looks twice, so that it
// can tell rates; with interval 0 it looks once and tells none.
func Topics(ctx context.Context, o client.Options, interval time.Duration, asJSON bool, out io.Writer) error {
	return with(ctx, o, func(m *mesh) error {
		before, err := m.picture(ctx)
		if err != nil {
			return err
		}
		after := before
		if interval > 0 && before.Foreign == nil {
			if after, err = m.later(ctx, interval); err != nil {
				return err
			}
		}
		wants := wantsOf(before, after)
		if asJSON {
			return writeJSON(out, wants)
		}
		remarks := after.remarks()
		if slices.ContainsFunc(wants, func(w want) bool { return w.Shared && w.Rate != nil }) {
			remarks = slices.Insert(remarks, 0, "~ is the rate of all prefixes of that subscriber or endpoint together.")
		}
		if after.Foreign != nil {
			remarks = append(remarks, "The endpoint is foreign: it shows what it asks of this command, and nothing else.")
		}
		return write(out, wantsTable(wants), remarks, 0)
	})
}

// later is a picture after a while.
func (m *mesh) later(ctx context.Context, interval time.Duration) (*Picture, error) {
	select {
	case <-time.After(interval):
		return m.picture(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func wantsTable(wants []want) [][]string {
	rows := [][]string{{"PREFIX", "WANTED BY", "AS", "MSG/S", "QUEUED", "DROPPED"}}
	last := ""
	for i, w := range wants {
		prefix := strconv.Quote(w.Prefix)
		if i > 0 && w.Prefix == last {
			prefix = ""
		}
		last = w.Prefix
		by, rate := w.By, "-"
		if w.Via != "" {
			by += " at " + w.Via
		}
		if w.Rate != nil {
			rate = perSecond(*w.Rate)
			if w.Shared {
				rate = "~" + rate
			}
		}
		rows = append(rows, []string{prefix, by, w.As, rate, strconv.Itoa(w.Queued), strconv.FormatUint(w.Dropped, 10)})
	}
	return rows
}

// wantsOf are the wants of the later picture, with the rates since the earlier.
func wantsOf(before, after *Picture) []want {
	wants := []want{}
	if after.Foreign != nil {
		for _, prefix := range after.Foreign.Filter {
			wants = append(wants, want{Prefix: prefix, By: Short(after.First), ID: after.First.String(), As: strings.ToLower(classForeign)})
		}
		return wants
	}
	earlier := make(map[string]*inspect.Report)
	for i := range before.Reports {
		earlier[before.Reports[i].ID.String()] = &before.Reports[i]
	}
	for i := range after.Reports {
		r := &after.Reports[i]
		wants = append(wants, after.wantsAt(earlier[r.ID.String()], r)...)
	}
	wants = append(wants, after.wantsOfSilent()...)
	slices.SortStableFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Via, b.Via), cmp.Compare(a.By, b.By), cmp.Compare(a.As, b.As))
	})
	return wants
}

// wantsAt are the wants of one node and of the endpoints at its edge.
func (p *Picture) wantsAt(before, after *inspect.Report) []want {
	var wants []want
	name := p.Name(after.ID)
	add := func(prefixes []string, w want) {
		for _, prefix := range prefixes {
			w.Prefix, w.Shared = prefix, len(prefixes) > 1
			wants = append(wants, w)
		}
	}
	for i, c := range after.Consumers {
		w := want{By: name, ID: after.ID.String(), As: table.Plain(c.Kind), Queued: c.Queued, Dropped: c.Dropped}
		if b := sameConsumer(before, after, i); b != nil {
			w.Rate = rate(b.Received, c.Received, before, after)
		}
		add(c.Prefixes, w)
	}
	for _, peer := range after.Peers {
		if peer.State != statePeered || peer.Class == classNode || peer.ID == p.Self {
			continue
		}
		w := want{By: p.peerName(peer), ID: peer.ID.String(), As: strings.ToLower(table.Plain(peer.Class)), Via: name, Queued: peer.Queued, Dropped: peer.Dropped}
		if w.By == "-" {
			w.By = Short(peer.ID)
		}
		if b := samePeer(before, peer); b != nil {
			w.Rate = rate(b.Sent, peer.Sent, before, after)
		}
		add(peer.Filter, w)
	}
	return wants
}

// wantsOfSilent are what others know of nodes that did not answer.
func (p *Picture) wantsOfSilent() []want {
	var wants []want
	for _, s := range p.Silent {
		for i := range p.Reports {
			at := slices.IndexFunc(p.Reports[i].Mesh, func(n inspect.Node) bool { return n.ID == s.ID })
			if at < 0 {
				continue
			}
			for _, prefix := range p.Reports[i].Mesh[at].Wants {
				wants = append(wants, want{Prefix: prefix, By: p.Name(s.ID), ID: s.ID.String(), As: "node"})
			}
			break
		}
	}
	return wants
}

// sameConsumer finds the i-th consumer of a report in an earlier one. Nothing
// names them but what they ask for; if several ask for the same, they are in
// the order of what they have received.
func sameConsumer(before, after *inspect.Report, i int) *inspect.Consumer {
	if before == nil || before == after || after.Consumers[i].Kind != kindSubscriber {
		return nil
	}
	like := func(c inspect.Consumer) bool {
		return c.Kind == kindSubscriber && slices.Equal(c.Prefixes, after.Consumers[i].Prefixes)
	}
	nth := 0
	for _, c := range after.Consumers[:i] {
		if like(c) {
			nth++
		}
	}
	for j := range before.Consumers {
		if like(before.Consumers[j]) {
			if nth == 0 {
				return &before.Consumers[j]
			}
			nth--
		}
	}
	return nil
}

const kindSubscriber = "subscriber"

// samePeer finds a connection in an earlier report.
func samePeer(before *inspect.Report, peer inspect.Peer) *inspect.Peer {
	if before == nil {
		return nil
	}
	for i := range before.Peers {
		if b := &before.Peers[i]; b.ID == peer.ID && b.Address == peer.Address && b.Since.Equal(peer.Since) {
			return b
		}
	}
	return nil
}

// rate is by how much a counter rises in a second; nil if there is nothing to
// compare with.
func rate(from, to uint64, before, after *inspect.Report) *float64 {
	seconds := after.Now.Sub(before.Now).Seconds()
	if seconds <= 0 || to < from {
		return nil
	}
	n := float64(to-from) / seconds
	return &n
}
