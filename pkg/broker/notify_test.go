// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// TestNotify tells of the first message of a queue and of the end, and of nothing in between.
func TestNotify(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	s, err := e.Subscribe([]string{"/a"}, QueueLimit{})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	s.Notify(func() { calls++ })
	want := func(n int, when string) {
		t.Helper()
		if calls != n {
			t.Fatalf("%s: %d calls, want %d", when, calls, n)
		}
	}
	want(0, "nothing there")
	e.PublishLocal("/a", data.Count(1))
	want(1, "first message")
	e.PublishLocal("/a", data.Count(2))
	want(1, "second message")
	e.PublishLocal("/b", data.Count(3))
	want(1, "a topic of others")
	var got [4]Message
	if n, err := s.PollBatch(got[:1]); n != 1 || err != nil {
		t.Fatalf("PollBatch: %d, %v", n, err)
	}
	e.PublishLocal("/a", data.Count(4))
	want(1, "one still waits")
	if n, err := s.PollBatch(got[:]); n != 2 || err != nil {
		t.Fatalf("PollBatch: %d, %v", n, err)
	}
	if n, err := s.PollBatch(got[:]); n != 0 || err != nil {
		t.Fatalf("PollBatch of nothing: %d, %v", n, err)
	}
	e.PublishLocal("/a", data.Count(5))
	want(2, "first message again")
	s.Notify(func() { calls += 10 })
	want(12, "set with a message waiting")
	s.Close()
	want(22, "the end")
	s.Close()
	want(22, "the second end")
	if n, err := s.PollBatch(got[:]); n != 1 || err != nil {
		t.Fatalf("PollBatch after the end: %d, %v", n, err)
	}
	if _, err := s.PollBatch(got[:]); !errors.Is(err, ErrClosed) {
		t.Fatalf("PollBatch of an ended, empty queue: %v", err)
	}
	s.Notify(nil)
	s.Notify(func() { calls++ })
	want(23, "set after the end")
}

// TestNotifyWhileItWaits tells a consumer that is waited for of messages that it has not been told of, and of those that come after it
// has emptied the queue.
func TestNotifyWhileItWaits(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	s, err := e.Subscribe([]string{"/a"}, QueueLimit{Messages: 2, Overflow: OverflowWait})
	if err != nil {
		t.Fatal(err)
	}
	bell := make(chan struct{}, 1)
	s.Notify(func() {
		select {
		case bell <- struct{}{}:
		default:
		}
	})
	done := make(chan int)
	go func() {
		msgs := make([]Message, 7)
		for i := range msgs {
			msgs[i] = Message{Topic: "/a", Value: data.Count(uint64(i))}
		}
		done <- s.push(msgs, nil)
	}()
	var got [8]Message
	for n := 0; n < 7; {
		<-bell
		k, err := s.PollBatch(got[:])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got[:k] {
			if x, _ := m.Value.AsCount(); x != uint64(n) {
				t.Fatalf("message %d is %s", n, m.Value)
			}
			n++
		}
	}
	if dropped := <-done; dropped != 0 {
		t.Errorf("%d messages were dropped", dropped)
	}
}

// TestPublisherBytes publishes what is encoded already, with the policy of the publisher.
func TestPublisherBytes(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	h, err := e.NewHub([]string{"/a"}, QueueLimit{Messages: 1, Overflow: OverflowWait})
	if err != nil {
		t.Fatal(err)
	}
	p := e.NewPublisher("/a", PublisherOptions{Full: FullFail})
	encoded := data.String("kept").AppendBinary(nil)
	if err := p.PublishBytes(t.Context(), encoded); err != nil {
		t.Fatal(err)
	}
	clear(encoded)
	if err := p.PublishBytes(t.Context(), data.String("more").AppendBinary(nil)); !errors.Is(err, ErrFull) {
		t.Errorf("with a full queue: %v", err)
	}
	if err := p.PublishBytes(t.Context(), []byte{99}); !errors.Is(err, ErrValue) {
		t.Errorf("bytes that are no value: %v", err)
	}
	if m, ok := h.Poll(); !ok || !data.Equal(m.Value, data.String("kept")) {
		t.Errorf("got %s", m.Value)
	}
}
