// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// filled is a closed or open subscriber with the counts 0 to n-1 in its queue.
func filled(t *testing.T, e *Endpoint, n int, closed bool) *Subscriber {
	t.Helper()
	s, err := e.Subscribe([]string{"/t"}, QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e.PublishLocal("/t", data.Count(uint64(i)))
	}
	if closed {
		s.Close()
	}
	return s
}

func count(m Message) uint64 {
	n, _ := m.Value.AsCount()
	return n
}

// TestReceivingForms takes what is queued in each of the ways that there are, and ends with the subscriber.
func TestReceivingForms(t *testing.T) {
	e := endpoint(t, Options{})
	want := []uint64{0, 1, 2, 3, 4, 5, 6}
	for name, receive := range map[string]func(ctx context.Context, s *Subscriber) []uint64{
		"All": func(ctx context.Context, s *Subscriber) (out []uint64) {
			for m := range s.All(ctx) {
				out = append(out, count(m))
			}
			return out
		},
		"Chan": func(ctx context.Context, s *Subscriber) (out []uint64) {
			for m := range s.Chan(ctx) {
				out = append(out, count(m))
			}
			return out
		},
		"Batches": func(ctx context.Context, s *Subscriber) (out []uint64) {
			for msgs := range s.Batches(ctx, 3) {
				if len(msgs) > 3 || len(msgs) == 0 {
					t.Errorf("a batch of %d", len(msgs))
				}
				for _, m := range msgs {
					out = append(out, count(m))
				}
			}
			return out
		},
		"Handle": func(ctx context.Context, s *Subscriber) (out []uint64) {
			err := s.Handle(ctx, func(ctx context.Context, m Message) {
				if !inCallback(ctx, e) {
					t.Error("the context is not marked")
				}
				out = append(out, count(m))
			})
			if want := cmpErr(ctx.Err(), ErrClosed); !errors.Is(err, want) {
				t.Errorf("Handle: %v, want %v", err, want)
			}
			return out
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := receive(t.Context(), filled(t, e, 7, true)); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			s := filled(t, e, 7, false)
			if got := receive(ended, s); got != nil || s.Available() != 7 {
				t.Errorf("with a context that has ended: %v, %d left", got, s.Available())
			}
			s.Close()
		})
	}
}

// cmpErr is the first error that is one.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestFormsWait for messages and end with their context.
func TestFormsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		s := filled(t, e, 0, false)
		var got []uint64
		ended := make(chan error)
		go func() {
			ended <- s.Handle(ctx, func(_ context.Context, m Message) { got = append(got, count(m)) })
		}()
		other := filled(t, e, 0, false)
		ch := other.Chan(ctx)
		for i := range 3 {
			synctest.Wait()
			e.PublishLocal("/t", data.Count(uint64(i)))
			if m := <-ch; count(m) != uint64(i) {
				t.Errorf("Chan: %v, want %d", m, i)
			}
		}
		synctest.Wait()
		e.PublishLocal("/t", data.Count(3)) // the channel's goroutine waits with it
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || !slices.Equal(got, []uint64{0, 1, 2, 3}) {
			t.Errorf("Handle: %v, got %v", err, got)
		}
		synctest.Wait()
		if _, open := <-ch; open {
			t.Error("the channel is open after its context has ended")
		}
		e.Close(context.Background())
	})
}

// TestLoopsStop in the middle; what was not yielded stays queued.
func TestLoopsStop(t *testing.T) {
	e := endpoint(t, Options{})
	s := filled(t, e, 7, false)
	for m := range s.All(t.Context()) {
		if count(m) == 1 {
			break
		}
	}
	for msgs := range s.Batches(t.Context(), 2) {
		if count(msgs[0]) != 2 {
			t.Errorf("batch %v", msgs)
		}
		break
	}
	func() {
		defer func() {
			if r := recover(); r != "mine" {
				t.Errorf("recovered %v", r)
			}
		}()
		s.Handle(t.Context(), func(context.Context, Message) { panic("mine") })
	}()
	if m, ok := s.Poll(); !ok || count(m) != 5 || s.Available() != 1 {
		t.Errorf("next is %v, %d available", m, s.Available())
	}
}

// TestPublishFromCallback answers each message from inside of the callback, and is refused where it would have to wait for itself.
func TestPublishFromCallback(t *testing.T) {
	e := endpoint(t, Options{})
	in, _ := e.NewHub([]string{"/in"}, QueueLimit{Messages: 2, Overflow: OverflowWait})
	out, _ := e.NewHub(nil, QueueLimit{})
	var refused int
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e.PublishLocal("/in", data.Count(0))
	err := in.Handle(ctx, func(ctx context.Context, m Message) {
		for range 3 { // the queue has room for two
			err := out.Publish(ctx, "/in", data.Count(1))
			if errors.Is(err, ErrWouldBlock) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) || refused != 1 || in.Available() != 2 {
		t.Errorf("%v, %d refused, %d available", err, refused, in.Available())
	}
}
