// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
)

// TraceOptions say what is traced.
type TraceOptions struct {
	Topic string
	// Origin is the name or ID of the node that publishes; empty: the node
	// that the command is connected with.
	Origin string
	// Watch shows what happens to messages of the topic, to Count of them (0:
	// until the context ends).
	Watch bool
	Count int
	// Send, if not nil, is published, and its way shown.
	Send *data.Value
	JSON bool
}

// Trace shows where a message would go, and, if asked to, where it went.
func Trace(ctx context.Context, o client.Options, t TraceOptions, out io.Writer) error {
	if t.Topic == "" {
		return ctl.BadInput(errors.New("the topic is empty"))
	}
	if t.Count < 0 {
		return ctl.BadInput(fmt.Errorf("--count: %d: allowed: 0 (no end) and more", t.Count))
	}
	err := with(ctx, o, func(m *mesh) error { return m.trace(ctx, t, out) })
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (m *mesh) trace(ctx context.Context, t TraceOptions, out io.Writer) error {
	p, err := m.nodes(ctx)
	if err != nil {
		return err
	}
	origin := m.first
	if t.Origin != "" {
		if origin, err = p.Find(t.Origin); err != nil {
			return ctl.BadInput(fmt.Errorf("--origin: %w", err))
		}
	}
	publisher := origin
	if t.Send != nil {
		publisher = m.self
	}
	asking, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	r, err := m.ask.Route(asking, origin, t.Topic, origin, publisher)
	if err != nil {
		return fmt.Errorf("ask %s for the route: %w", p.Name(origin), err)
	}
	predicted := p.predict(t.Topic, r)
	if t.JSON {
		err = writeJSON(out, predicted)
	} else {
		_, err = io.WriteString(out, strings.Join(append(predicted.lines(p), p.remarks()...), "\n")+"\n")
	}
	if err != nil || !t.Watch && t.Send == nil {
		return err
	}
	w := newWatch(m, p, t)
	if err := w.begin(ctx); err != nil {
		return err
	}
	return w.run(ctx, out)
}

const (
	// pollEvery is how often nodes are asked for their records.
	pollEvery = 250 * time.Millisecond
	// settled is how long nothing must have come of a message before it is
	// shown.
	settled = time.Second
)
