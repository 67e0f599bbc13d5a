// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// The statuses that halves look at.
var (
	peerAdded   = code.PeerAdded.String()
	peerRemoved = code.PeerRemoved.String()
	peerLost    = code.PeerLost.String()
)

// RelayOptions say what [Relay] stands between.
type RelayOptions struct {
	// Link leads to the sink, which is dialed before anybody can come in, and
	// to the source.
	Link
	// QueueBytes bounds what waits for a peer that is slower than the source;
	// 0 means 1 GiB. What doesn't fit ends the connection.
	QueueBytes int
}

// RelayResult is what a relay prints.
type RelayResult struct {
	Result
	// Dropped counts messages that the relay did not pass on.
	Dropped uint64 `json:"dropped"`
}

// relayQueue is the default of RelayOptions.QueueBytes, and the bound of
// messages in any case.
const relayQueue = 1 << 30

// Relay passes on what comes on the topics of source, sink, ping and pong, and
// consumes nothing. It ends when a peer has left that came by itself (any peer,
// if it doesn't listen) and everything is written. Its clock runs from the last
// peer's coming.
func Relay(ctx context.Context, o RelayOptions) (result RelayResult, err error) {
	if o.QueueBytes == 0 {
		o.QueueBytes = relayQueue
	}
	mode := broker.ForwardAll
	if o.Mesh {
		mode = broker.ForwardMesh
	}
	e, err := o.endpoint(broker.Options{
		Forward: mode, PeerQueue: broker.QueueLimit{Messages: relayQueue, Bytes: o.QueueBytes},
		MemoryLimit: o.QueueBytes + broker.DefaultMemoryLimit,
	})
	if err != nil {
		return RelayResult{}, err
	}
	defer func() { err = errors.Join(err, shut(ctx, e)) }()
	e.SetWants([]string{Topic, PingTopic, PongTopic})
	events, err := e.SubscribeStatus(false)
	if err != nil {
		return RelayResult{}, fmt.Errorf("watch the peers: %w", err)
	}
	defer events.Close()
	if err := o.meet(ctx, e); err != nil {
		return RelayResult{}, err
	}
	m, err := untilLeft(ctx, e, events, o.Listen != "")
	if err != nil {
		return RelayResult{}, err
	}
	if err := e.Flush(ctx); err != nil {
		return RelayResult{}, fmt.Errorf("flush: %w", err)
	}
	stats := e.Stats()
	for _, n := range stats.Dropped {
		result.Dropped += n
	}
	result.Result = m.stop(int(stats.Processed[wire.TypeData.String()]))
	return result, nil
}

// untilLeft waits until a peer has left, and answers a meter that began when
// the last one came before there was anything to pass on. Peers that were
// dialed may leave earlier if others are to come: a sink that has enough.
func untilLeft(ctx context.Context, e *broker.Endpoint, events *broker.StatusSubscriber, othersCome bool) (meter, error) {
	dialed := map[data.EndpointID]bool{}
	for _, p := range e.Peers() {
		dialed[p.ID] = p.Dialed
	}
	m := startMeter()
	for ev := range events.All(ctx) {
		switch ev.Code {
		case peerAdded:
			if e.Stats().Processed[wire.TypeData.String()] == 0 {
				m = startMeter()
			}
		case peerRemoved, peerLost:
			if !othersCome || !dialed[ev.ID] {
				return m, nil
			}
		}
	}
	return m, fmt.Errorf("wait for source and sink: %w", context.Cause(ctx))
}
