// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// SourceOptions say what [Source] publishes, and where to.
type SourceOptions struct {
	// Peer is the HOST:PORT of the sink; it is dialed until it answers.
	Peer string
	// Count is the number of events.
	Count int
	// Event is 1 or 2, see [EventBuilder].
	Event int
}

// Source publishes events on [Topic], each built anew, as fast as the peer
// takes them; none is dropped. It returns when all are written and the
// connection is closed with the goodbye of the protocol.
func Source(ctx context.Context, o SourceOptions) (result Result, err error) {
	build, err := EventBuilder(o.Event)
	if err != nil {
		return Result{}, err
	}
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone, PlainProtocol: true})
	if err != nil {
		return Result{}, fmt.Errorf("make an endpoint: %w", err)
	}
	defer func() { err = errors.Join(err, e.Close(context.WithoutCancel(ctx))) }()
	if _, err := e.Peer(ctx, o.Peer, broker.PeerOptions{Retry: 100 * time.Millisecond}); err != nil {
		return Result{}, fmt.Errorf("peer with %s: %w", o.Peer, err)
	}
	p := e.NewPublisher(Topic, broker.PublisherOptions{})
	m := startMeter()
	for range o.Count {
		if err := p.Publish(ctx, build()); err != nil {
			return Result{}, fmt.Errorf("publish: %w", err)
		}
	}
	if err := e.Flush(ctx); err != nil {
		return Result{}, fmt.Errorf("flush: %w", err)
	}
	return m.stop(o.Count, uint64(o.Count)*Checksum(build())), nil
}
