// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// SourceOptions say what [Source] publishes, and where to.
type SourceOptions struct {
	// Link leads to the sinks: all that it dials or, if it dials none, the
	// first that comes.
	Link
	// Count is the number of events.
	Count int
	// Event is 1 or 2, see [EventBuilder].
	Event int
}

// SourceResult is what a source prints.
type SourceResult struct {
	Result
	// Sinks is the number of peers, and CPUPerSink the CPU time for each
	// message and each of them, in microseconds.
	Sinks      int     `json:"sinks"`
	CPUPerSink float64 `json:"cpu_us_per_message_and_sink"`
}

// Source publishes events on [Topic], each built anew, as fast as the peers
// take them; none is dropped. It waits until all peers have subscribed, and
// returns when everything is written and the connections are closed with the
// goodbye of the protocol.
func Source(ctx context.Context, o SourceOptions) (result SourceResult, err error) {
	build, err := EventBuilder(o.Event)
	if err != nil {
		return SourceResult{}, err
	}
	err = o.with(ctx, func(ctx context.Context, e *broker.Endpoint, meet func() error) error {
		if err := meet(); err != nil {
			return err
		}
		if err := awaitWants(ctx, e, Topic); err != nil {
			return err
		}
		sinks := e.Stats().Peers
		m := startMeter()
		if err := publish(ctx, e, build, o.Count); err != nil {
			return err
		}
		result.Result = m.stop(o.Count).withSum(uint64(o.Count) * Checksum(build()))
		result.Sinks, result.CPUPerSink = sinks, result.CPUPerMessage/float64(max(sinks, 1))
		return nil
	})
	return result, err
}

func publish(ctx context.Context, e *broker.Endpoint, build Builder, count int) error {
	p := e.NewPublisher(Topic, broker.PublisherOptions{})
	for i := range count {
		if err := p.Publish(ctx, build()); err != nil {
			return fmt.Errorf("publish event %d of %d: %w", i+1, count, cause(ctx, err))
		}
	}
	if err := e.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", cause(ctx, err))
	}
	return nil
}
