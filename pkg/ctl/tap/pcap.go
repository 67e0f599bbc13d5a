// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/capture"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
)

// Capture prints what a capture holds, and on notes what was found in all.
func Capture(ctx context.Context, in io.Reader, o Output, out, notes io.Writer) error {
	if err := o.Validate(); err != nil {
		return ctl.BadInput(err)
	}
	p := newPrinter(o, out, captureLine)
	s, err := capture.Read(ctx, in, func(e capture.Event) error {
		r := recordOf(e)
		if err := p.print(&r, time.Now()); err != nil {
			return err
		}
		return p.out.Flush()
	})
	err = errors.Join(err, p.out.Flush())
	switch {
	case errors.Is(err, errEnough), ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil
	case errors.Is(err, capture.ErrFormat):
		return ctl.BadInput(err)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintln(notes, summary(s))
	return err
}

// summary is what a capture held, in a sentence.
func summary(s capture.Summary) string {
	parts := []string{
		table.Count(s.Packets, "packet", "packets"),
		table.Count(s.Connections, "connection", "connections") + " of Broker",
		table.Count(s.Frames, "frame", "frames"),
	}
	if s.Bad > 0 {
		parts = append(parts, fmt.Sprintf("%d unreadable", s.Bad))
	}
	if s.Gaps > 0 {
		parts = append(parts, fmt.Sprintf("%s missing in %s", table.Count(s.Lost, "byte", "bytes"), table.Count(s.Gaps, "gap", "gaps")))
	}
	if s.Skipped > 0 {
		parts = append(parts, table.Count(s.Skipped, "byte", "bytes")+" passed over")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Others)) {
		parts = append(parts, table.Count(s.Others[name], "connection", "connections")+" of "+name)
	}
	if s.NoTCP > 0 {
		parts = append(parts, table.Count(s.NoTCP, "packet", "packets")+" without TCP")
	}
	if s.Truncated {
		parts = append(parts, "the capture breaks off within a packet")
	}
	return strings.Join(parts, ", ")
}

func captureLine(r *Record) string {
	line := fmt.Sprintf("%s  %s  %-17s  %s", clock(r.Time), r.Source, r.Kind, ending(r))
	if !r.Origin.IsZero() {
		line += fmt.Sprintf("  [from %s, %s]", r.Origin, table.Count(r.Hops, "hop", "hops"))
	}
	return line
}

// recordOf is a captured frame as a record.
func recordOf(e capture.Event) Record {
	r := Record{Time: e.Time, Source: e.From.String() + " > " + e.To.String(), Hops: -1, Err: e.Err}
	switch {
	case e.Note != "":
		r.Kind, r.Text = kindNote, e.Note
		return r
	case e.Type == 0:
		r.Kind = "frame"
		return r
	}
	r.Kind, r.From = e.Type.String(), e.Envelope.Sender
	if e.Handshake != nil {
		r.Text, r.From = handshakeText(e.Handshake)
		return r
	}
	if e.Stamp != nil {
		r.Origin, r.Hops = e.Stamp.Origin, int(e.Stamp.Hops)
		if e.Stamp.Sent != 0 {
			r.Sent = time.Unix(0, e.Stamp.Sent)
		}
	}
	switch e.Type {
	case wire.TypeData, wire.TypeStampedData:
		r.Kind, r.Topic, r.Value = kindData, string(e.Envelope.Topic), e.Value
	case wire.TypeCommand, wire.TypeStampedCommand:
		r.Kind, r.Topic = kindCommand, string(e.Envelope.Topic)
		if e.Command != nil {
			r.Text = commandText(e.Command)
		}
	case wire.TypeRoutingUpdate:
		r.Text = filterText(e.Filter)
	case wire.TypeLinkState:
		r.Text = linkStateText(e.LinkState)
	case wire.TypePing, wire.TypePong:
		r.Text = pingText(e.Envelope.Payload)
	}
	return r
}

func linkStateText(l *wire.LinkState) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("%s, version %d, %s, %s, %s", l.Node, l.Version, table.Count(len(l.Neighbours), "neighbour", "neighbours"),
		table.Count(len(l.Leaves), "leaf", "leaves"), filterText(l.Wants))
}

func handshakeText(h wire.Handshake) (text string, from data.EndpointID) {
	switch m := h.(type) {
	case *wire.Hello:
		return fmt.Sprintf("%s, versions %d to %d", m.Sender, m.Min, m.Max), m.Sender
	case *wire.VersionSelect:
		return fmt.Sprintf("%s, version %d", m.Sender, m.Version), m.Sender
	case *wire.DropConn:
		return fmt.Sprintf("%s, %s: %s", m.Sender, m.Code, m.Text), m.Sender
	case *wire.OriginatorSyn:
		return filterText(m.Filter), from
	case *wire.ResponderSynAck:
		return filterText(m.Filter), from
	default:
		return "-", from
	}
}

func filterText(filter []string) string {
	quoted := make([]string, len(filter))
	for i, prefix := range filter {
		quoted[i] = fmt.Sprintf("%q", prefix)
	}
	return "wants " + strings.Join(quoted, " ")
}

func pingText(payload []byte) string {
	if a, ok := wire.ParseAnnouncement(payload); ok {
		return fmt.Sprintf("brokermesh, announcement %d, features %#x", a.Version, a.Features)
	}
	if wire.IsBye(payload) {
		return "goodbye"
	}
	return table.Count(len(payload), "byte", "bytes")
}
