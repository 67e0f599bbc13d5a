// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"context"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TopicValue is one message of a batch.
type TopicValue struct {
	Topic string
	Value data.Value
}

// PublishBatch publishes messages in order, as Publish does each of them. It stops at the first that fails; the error says which, and
// those before it have been published.
func (e *Endpoint) PublishBatch(msgs []TopicValue) error {
	for i := range msgs {
		if err := e.Publish(msgs[i].Topic, msgs[i].Value); err != nil {
			return batchError(i, len(msgs), err)
		}
	}
	return nil
}

func batchError(i, n int, err error) error { return fmt.Errorf("message %d of %d: %w", i+1, n, err) }

// PublishBytes is Publish for a value in its binary form (data.Value.AppendBinary). The bytes must be exactly one well-formed value, or
// the error is ErrValue; nothing is decoded. They may be changed once PublishBytes has returned.
func (e *Endpoint) PublishBytes(name string, encoded []byte) error {
	return e.publishBytes(context.Background(), &unasked, name, encoded)
}

// PublishBytes is Publish for a value in its binary form, as [Endpoint.PublishBytes] takes it.
func (p *Publisher) PublishBytes(ctx context.Context, encoded []byte) error {
	return p.e.publishBytes(ctx, &p.how, p.topic, encoded)
}

func (e *Endpoint) publishBytes(ctx context.Context, how *sending, name string, encoded []byte) error {
	s := e.routes.Load()
	if s.closed {
		return ErrClosed
	}
	o, err := s.own(name)
	if err != nil {
		return err
	}
	if len(how.local(o)) > 0 || anyPeer(o.peers, true) || anyPeer(o.stamped, true) {
		encoded = bytes.Clone(encoded) // they keep it
	}
	v, err := data.View(encoded)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrValue, err)
	}
	return e.send(ctx, how, o, v)
}
