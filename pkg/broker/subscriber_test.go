// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// numbers takes everything that is queued.
func numbers(s *Subscriber) (out []uint64) {
	for m, ok := s.Poll(); ok; m, ok = s.Poll() {
		n, _ := m.Value.AsCount()
		out = append(out, n)
	}
	return out
}

func TestSubscriberPolicies(t *testing.T) {
	e := endpoint(t, Options{})
	for _, c := range []struct {
		limit   QueueLimit
		want    []uint64
		dropped uint64
	}{
		{QueueLimit{Messages: 3, Overflow: OverflowDropOldest}, []uint64{7, 8, 9}, 7},
		{QueueLimit{Messages: 3}, []uint64{7, 8, 9}, 7},
		{QueueLimit{Messages: 3, Overflow: OverflowDropNewest}, []uint64{0, 1, 2}, 7},
		{QueueLimit{Bytes: 2 * (messageOverhead + 9), Overflow: OverflowDropNewest}, []uint64{0, 1}, 8},
		{QueueLimit{}, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0},
	} {
		s, err := e.Subscribe([]string{"/t"}, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			e.PublishLocal("/t", data.Count(uint64(i)))
		}
		if n := s.Available(); n != len(c.want) {
			t.Errorf("%+v: %d available", c.limit, n)
		}
		if got := numbers(s); !slices.Equal(got, c.want) || s.Dropped() != c.dropped {
			t.Errorf("%+v: got %v, dropped %d", c.limit, got, s.Dropped())
		}
		s.Close()
	}
}

// TestSlowSubscriber does not read: others get everything, and it gets the newest.
func TestSlowSubscriber(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	slow, _ := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 10})
	quick, _ := b.Subscribe([]string{"/t"}, QueueLimit{})
	connect(t, a, b)
	for i := range 5000 {
		publish(t, a, "/t", data.Count(uint64(i)))
	}
	for i := range 5000 {
		if n, _ := get(t, quick).Value.AsCount(); n != uint64(i) {
			t.Fatalf("got %d, want %d", n, i)
		}
	}
	if got := numbers(slow); len(got) != 10 || got[9] != 4999 || slow.Dropped() != 4990 {
		t.Errorf("got %v, dropped %d", got, slow.Dropped())
	}
}

// TestWaitingSubscriber loses nothing although its queue and the publisher's are short.
func TestWaitingSubscriber(t *testing.T) {
	a, b := endpoint(t, Options{PeerQueue: QueueLimit{Messages: 10}}), endpoint(t, Options{})
	sub, _ := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 10, Overflow: OverflowWait})
	connect(t, a, b)
	const n = 20_000
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		p := a.NewPublisher("/t", PublisherOptions{})
		for i := range n {
			if err := p.Publish(t.Context(), data.Count(uint64(i))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	batch := make([]Message, 7)
	for want := 0; want < n; {
		k, err := sub.GetBatch(within(t), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch[:k] {
			if got, _ := m.Value.AsCount(); got != uint64(want) {
				t.Fatalf("got %d, want %d", got, want)
			}
			want++
		}
	}
}

// TestWaitingSubscriberCloses frees the peers' readers when a waiting subscriber that does not read is closed, and Close of the
// endpoint is not held up by one.
func TestWaitingSubscriberCloses(t *testing.T) {
	a, b := endpoint(t, Options{}), endpoint(t, Options{})
	stuck, _ := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 1, Overflow: OverflowWait})
	connect(t, a, b)
	other := subscribe(t, b, "/other")
	for range 10 {
		publish(t, a, "/t", data.None())
	}
	publish(t, a, "/other", data.None())
	stuck.Close()
	get(t, other)
	if _, err := b.Subscribe([]string{"/t"}, QueueLimit{Messages: 1, Overflow: OverflowWait}); err != nil {
		t.Fatal(err)
	}
	if err := b.syncPeers(within(t)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		publish(t, a, "/t", data.None())
	}
	ctx, cancel := context.WithTimeout(within(t), 100*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); err != nil && !errors.Is(err, ErrNotFlushed) {
		t.Error(err)
	}
}

func TestSubscriberEnds(t *testing.T) {
	e := endpoint(t, Options{})
	s, _ := e.Subscribe([]string{"/t"}, QueueLimit{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	e.PublishLocal("/t", data.Count(1))
	e.PublishLocal("/t", data.Count(2))
	if m, err := s.Get(ctx); err != nil || m.From != e.ID() {
		t.Errorf("a queued message is delivered even when the context has ended: %+v, %v", m, err)
	}
	s.Close()
	s.Close()
	e.PublishLocal("/t", data.Count(3))
	var got []uint64
	for m := range s.All(t.Context()) {
		n, _ := m.Value.AsCount()
		got = append(got, n)
	}
	if !slices.Equal(got, []uint64{2}) {
		t.Errorf("after Close: %v", got)
	}
	if _, err := s.Get(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Get: %v", err)
	}
}

// TestSubscriberModel compares the ring with a list under random pushes and reads of several goroutines' worth of messages.
func TestSubscriberModel(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.For(t), 0))
	e := endpoint(t, Options{})
	s, _ := e.Subscribe(nil, QueueLimit{Messages: 40})
	var model []uint64
	next := uint64(0)
	for range 5000 {
		if r.IntN(2) == 0 {
			var msgs []Message
			for range r.IntN(10) {
				msgs = append(msgs, Message{Value: data.Count(next)})
				model = append(model, next)
				next++
			}
			dropped := s.push(msgs, nil)
			if want := max(0, len(model)-40); dropped != want {
				t.Fatalf("%d dropped, want %d", dropped, want)
			}
			model = model[max(0, len(model)-40):]
			continue
		}
		dst := make([]Message, r.IntN(8))
		s.mu.Lock()
		n := s.popLocked(dst)
		s.mu.Unlock()
		for i, m := range dst[:n] {
			if got, _ := m.Value.AsCount(); got != model[i] {
				t.Fatalf("got %d, want %d", got, model[i])
			}
		}
		model = model[n:]
	}
}

// TestManyReaders shares one subscriber among goroutines: each message goes to exactly one of them.
func TestManyReaders(t *testing.T) {
	e := endpoint(t, Options{})
	s, _ := e.Subscribe([]string{"/t"}, QueueLimit{})
	const n = 2000
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for m := range s.All(t.Context()) {
				k, _ := m.Value.AsCount()
				mu.Lock()
				if seen[k] {
					t.Errorf("%d came twice", k)
				}
				seen[k] = true
				mu.Unlock()
			}
		})
	}
	for i := range n {
		e.PublishLocal("/t", data.Count(uint64(i)))
	}
	s.Close()
	readers.Wait()
	if len(seen) != n {
		t.Errorf("%d of %d messages", len(seen), n)
	}
}
