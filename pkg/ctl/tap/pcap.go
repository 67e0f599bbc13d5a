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
		count(s.Packets, "packet", "packets"),
		count(s.Connections, "connection", "connections") + " of Broker",
		count(s.Frames, "frame", "frames"),
	}
	if s.Bad > 0 {
		parts = append(parts, fmt.Sprintf("%d unreadable", s.Bad))
	}
	if s.Gaps > 0 {
		parts = append(parts, fmt.Sprintf("%s missing in %s", count(s.Lost, "byte", "bytes"), count(s.Gaps, "gap", "gaps")))
	}
	if s.Skipped > 0 {
		parts = append(parts, count(s.Skipped, "byte", "bytes")+" passed over")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Others)) {
		parts = append(parts, count(s.Others[name], "connection", "connections")+" of "+name)
	}
	if s.NoTCP > 0 {
		parts = append(parts, count(s.NoTCP, "packet", "packets")+" without TCP")
	}
	if s.Truncated {
		parts = append(parts, "the capture breaks off within a packet")
	}
	return strings.Join(parts, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func captureLine(r *Record) string {
	return fmt.Sprintf("%s  %s  %-14s  %s", clock(r.Time), r.Source, r.Kind, ending(r))
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
	topic, payload := string(e.Envelope.Topic), e.Envelope.Payload
	switch e.Type {
	case wire.TypeData:
		r.Topic, r.Value = topic, e.Value
	case wire.TypeCommand:
		r.Topic = topic
		if e.Command != nil {
			r.Text = commandText(e.Command)
		}
	case wire.TypeRoutingUpdate:
		r.Text = filterText(e.Filter)
	case wire.TypePing, wire.TypePong:
		r.Text = pingText(payload)
	default:
		r.Topic, r.Text = topic, count(len(payload), "byte", "bytes")
	}
	return r
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
	return count(len(payload), "byte", "bytes")
}
