// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"iter"
)

// callbackKey marks the contexts that callbacks of an endpoint get.
type callbackKey struct{ e *Endpoint }

func inCallback(ctx context.Context, e *Endpoint) bool { return ctx.Value(callbackKey{e}) != nil }

// Handle calls f for each message, one after the other, until the context ends or the subscriber is closed and has nothing queued any
// more; the answer is the context's error or ErrClosed. It runs in the caller's goroutine: several callers share the messages, and a
// panic of f is the caller's.
//
// The context that f gets is marked: a Publisher or Hub of the same endpoint that would have to wait with it fails with ErrWouldBlock,
// because two callbacks that wait for each other's queues would do so for ever.
func (s *Subscriber) Handle(ctx context.Context, f func(ctx context.Context, m Message)) error {
	marked := context.WithValue(ctx, callbackKey{s.e}, true)
	for {
		m, err := s.next(ctx)
		if err != nil {
			return err
		}
		f(marked, m)
	}
}

// All yields messages until the context ends, or the subscriber is closed and has nothing queued any more.
func (s *Subscriber) All(ctx context.Context) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for {
			m, err := s.next(ctx)
			if err != nil || !yield(m) {
				return
			}
		}
	}
}

// next is Get, but nothing is taken once the context has ended: a loop over a queue that never runs empty ends as well.
func (s *Subscriber) next(ctx context.Context) (Message, error) {
	if err := ctx.Err(); err != nil {
		return Message{}, err
	}
	return s.Get(ctx)
}

// Batches yields what is queued, at most so many messages at once, until the context ends, or the subscriber is closed and has nothing
// queued any more. It is the quickest way to receive. The slice is used again for the next batch.
func (s *Subscriber) Batches(ctx context.Context, most int) iter.Seq[[]Message] {
	return func(yield func([]Message) bool) {
		batch := make([]Message, max(most, 1))
		for ctx.Err() == nil {
			n, err := s.GetBatch(ctx, batch)
			if err != nil || !yield(batch[:n]) {
				return
			}
			clear(batch[:n])
		}
	}
}

// Chan answers a channel of messages for those who select. It is closed when the context ends, or when the subscriber has been closed
// and everything queued has been received. A reader that stops earlier must end the context: the goroutine that feeds the channel waits
// for one of the two, and the message that it holds is lost then.
func (s *Subscriber) Chan(ctx context.Context) <-chan Message {
	ch := make(chan Message)
	go func() {
		defer close(ch)
		for m := range s.All(ctx) {
			select {
			case ch <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ch
}
