// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// PingOptions say whom [Ping] asks, and how often.
type PingOptions struct {
	Link
	Count int
}

// PingResult is what a ping prints. Times are in microseconds, from just
// before an event is published to when its answer has been received.
type PingResult struct {
	Result
	P50 float64 `json:"rtt_us_p50"`
	P99 float64 `json:"rtt_us_p99"`
	Max float64 `json:"rtt_us_max"`
}

// Ping publishes event 1 on [PingTopic], waits for an answer on [PongTopic],
// and does so again.
func Ping(ctx context.Context, o PingOptions) (result PingResult, err error) {
	err = o.converse(ctx, PongTopic, func(ctx context.Context, e *broker.Endpoint, s *broker.Subscriber) error {
		if err := awaitWants(ctx, e, PingTopic); err != nil {
			return err
		}
		result, err = ping(ctx, e.NewPublisher(PingTopic, broker.PublisherOptions{}), s, o.Count)
		return err
	})
	return result, err
}

func ping(ctx context.Context, p *broker.Publisher, s *broker.Subscriber, count int) (PingResult, error) {
	build, err := EventBuilder(1)
	if err != nil {
		return PingResult{}, err
	}
	times := make([]time.Duration, 0, count)
	m := startMeter()
	for i := range count {
		began := time.Now()
		if err := p.Publish(ctx, build()); err != nil {
			return PingResult{}, fmt.Errorf("ping %d of %d: %w", i+1, count, cause(ctx, err))
		}
		answer, err := s.Get(ctx)
		if err != nil {
			return PingResult{}, fmt.Errorf("the answer to ping %d of %d: %w", i+1, count, cause(ctx, err))
		}
		if _, ok := answer.Value.AsCount(); !ok {
			return PingResult{}, fmt.Errorf("the answer to ping %d is %s and no count", i+1, answer.Value)
		}
		times = append(times, time.Since(began))
	}
	result := PingResult{Result: m.stop(count)}
	slices.Sort(times)
	result.P50, result.P99, result.Max = quantile(times, 50), quantile(times, 99), quantile(times, 100)
	return result, nil
}

// quantile is the time, in microseconds, that so many percent of sorted times
// don't exceed.
func quantile(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := (len(sorted)*percent + 99) / 100
	return float64(sorted[max(at, 1)-1].Nanoseconds()) / 1e3
}

// PongOptions say how [Pong] is reached, and when it ends.
type PongOptions struct {
	Link
	// Count is the number of answers; 0: as many as there are questions until
	// the peers have left.
	Count int
}

// Pong answers each message on [PingTopic] with a count on [PongTopic].
func Pong(ctx context.Context, o PongOptions) (result Result, err error) {
	err = o.converse(ctx, PingTopic, func(ctx context.Context, e *broker.Endpoint, s *broker.Subscriber) error {
		var m meter
		p := e.NewPublisher(PongTopic, broker.PublisherOptions{})
		for i := 0; o.Count == 0 || i < o.Count; i++ {
			if _, err := s.Get(ctx); err != nil {
				if o.Count == 0 && i > 0 && errors.Is(context.Cause(ctx), ErrLeft) {
					break
				}
				return fmt.Errorf("after %d answers: %w", i, cause(ctx, err))
			}
			if i == 0 {
				m = startMeter()
			}
			if err := p.Publish(ctx, data.Count(uint64(i+1))); err != nil {
				return fmt.Errorf("answer %d: %w", i+1, cause(ctx, err))
			}
			result.Messages = i + 1
		}
		result = m.stop(result.Messages)
		return nil
	})
	return result, err
}

// converse runs a half that subscribes to a topic.
func (l *Link) converse(ctx context.Context, topic string, do func(context.Context, *broker.Endpoint, *broker.Subscriber) error) error {
	return l.with(ctx, func(ctx context.Context, e *broker.Endpoint, meet func() error) error {
		s, err := e.Subscribe([]string{topic}, sinkQueue)
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		defer s.Close()
		if err := meet(); err != nil {
			return err
		}
		return do(ctx, e, s)
	})
}
