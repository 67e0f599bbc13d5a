// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// SinkOptions say where [Sink] listens and when it is done.
type SinkOptions struct {
	// Listen is the HOST:PORT to listen on.
	Listen string
	// Count is the number of messages to wait for.
	Count int
	// Listening, if set, is told the address once the port is open.
	Listening func(net.Addr)
}

// sinkQueue lets the source wait when the sink is slower.
var sinkQueue = broker.QueueLimit{Overflow: broker.OverflowWait}

// sinkBatch is how many messages the sink takes at a time.
const sinkBatch = 1024

// Sink receives messages on [Topic] and reads every leaf of them. Its clock
// runs from the first message to the last one asked for.
func Sink(ctx context.Context, o SinkOptions) (result Result, err error) {
	e, err := broker.New(broker.Options{Forward: broker.ForwardNone, PlainProtocol: true})
	if err != nil {
		return Result{}, fmt.Errorf("make an endpoint: %w", err)
	}
	defer func() { err = errors.Join(err, e.Close(context.WithoutCancel(ctx))) }()
	// The subscription comes first: the handshake tells it to the source.
	s, err := e.Subscribe([]string{Topic}, sinkQueue)
	if err != nil {
		return Result{}, fmt.Errorf("subscribe: %w", err)
	}
	defer s.Close()
	address, err := e.Listen(o.Listen)
	if err != nil {
		return Result{}, fmt.Errorf("listen on %s: %w", o.Listen, err)
	}
	if o.Listening != nil {
		o.Listening(address)
	}
	return receive(ctx, s, o.Count)
}

func receive(ctx context.Context, s *broker.Subscriber, count int) (Result, error) {
	var m meter
	var sum uint64
	batch := make([]broker.Message, sinkBatch)
	for received := 0; received < count; {
		n, err := s.GetBatch(ctx, batch)
		if err != nil {
			return Result{}, fmt.Errorf("after %d of %d messages: %w", received, count, err)
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
	return m.stop(count, sum), nil
}
