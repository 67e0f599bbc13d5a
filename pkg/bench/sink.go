// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// SinkOptions say how [Sink] is reached and when it is done.
type SinkOptions struct {
	Link
	// Count is the number of messages to wait for.
	Count int
	// CountOnly counts frames and reads nothing of them, without an endpoint
	// behind it: the cheapest thing that a peer can do.
	CountOnly bool
}

// sinkQueue lets the source wait when the sink is slower.
var sinkQueue = broker.QueueLimit{Overflow: broker.OverflowWait}

// sinkBatch is how many messages the sink takes at a time.
const sinkBatch = 1024

// Sink receives messages on [Topic] and reads every leaf of them. Its clock
// runs from the first message to the last one asked for.
func Sink(ctx context.Context, o SinkOptions) (result Result, err error) {
	if o.CountOnly {
		return count(ctx, o)
	}
	err = o.converse(ctx, Topic, func(ctx context.Context, _ *broker.Endpoint, s *broker.Subscriber) error {
		result, err = receive(ctx, s, o.Count)
		return err
	})
	return result, err
}

// receive reads until the count is reached. What has come before the peers
// left is still read.
func receive(ctx context.Context, s *broker.Subscriber, count int) (Result, error) {
	var m meter
	var sum uint64
	batch := make([]broker.Message, sinkBatch)
	for received := 0; received < count; {
		n, err := s.GetBatch(ctx, batch)
		if err != nil {
			return Result{}, fmt.Errorf("after %d of %d messages: %w", received, count, cause(ctx, err))
		}
		if received == 0 {
			m = startMeter()
		}
		n = min(n, count-received)
		for i := range batch[:n] {
			sum += Checksum(batch[i].Value)
		}
		received += n
		if lost := s.Dropped(); lost > 0 {
			return Result{}, fmt.Errorf("%d messages were dropped at the sink", lost)
		}
	}
	return m.stop(count).withSum(sum), nil
}
