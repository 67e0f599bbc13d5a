// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// What a feed holds before its producer waits.
const (
	feedMessages = 1024
	feedBytes    = 1 << 20
)

// feed is a source with a goroutine behind it that goes no further ahead than a bound: a cursor, a watch.
type feed struct {
	cancel context.CancelFunc
	news   func() // calls the stream; set before the producer begins
	mu     struct {
		sync.Mutex
		queue []broker.Message
		bytes int
		ended bool
		err   error         // why, if the producer failed
		room  chan struct{} // what the producer waits for
	}
}

// newFeed makes a stream of what a producer puts into it. put answers false when nobody wants more.
func (e *endpoint) newFeed(produce func(ctx context.Context, put func(data.Value) bool) error) (Handle, error) {
	ctx, cancel := context.WithCancel(e.ctx)
	f := &feed{cancel: cancel}
	s, err := newStream(f)
	if err != nil {
		cancel()
		return 0, err
	}
	f.news = s.news
	started := e.background(func() {
		defer cancel()
		_, err := guarded(ctx, func(ctx context.Context) (answer, error) {
			return answer{}, produce(ctx, func(v data.Value) bool { return f.put(ctx, v) })
		})
		if ctx.Err() != nil {
			err = nil // it was wanted
		}
		f.finish(err)
	})
	if !started {
		cancel()
		s.close()
		return 0, errClosed
	}
	return objects.add(s), nil
}

// put waits for room and queues a value.
func (f *feed) put(ctx context.Context, v data.Value) bool {
	size := v.BinarySize()
	for {
		f.mu.Lock()
		if len(f.mu.queue) == 0 || len(f.mu.queue) < feedMessages && f.mu.bytes+size <= feedBytes {
			break
		}
		room := make(chan struct{})
		f.mu.room = room
		f.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
	f.mu.queue = append(f.mu.queue, broker.Message{Value: v})
	f.mu.bytes += size
	first := len(f.mu.queue) == 1
	f.mu.Unlock()
	if first {
		f.news()
	}
	return ctx.Err() == nil
}

func (f *feed) finish(err error) {
	f.mu.Lock()
	f.mu.ended, f.mu.err = true, err
	f.mu.Unlock()
	f.news()
}

func (f *feed) poll(dst []broker.Message) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(dst, f.mu.queue)
	for i := range dst[:n] {
		f.mu.bytes -= dst[i].Value.BinarySize()
	}
	clear(f.mu.queue[:n])
	if f.mu.queue = f.mu.queue[n:]; len(f.mu.queue) == 0 {
		f.mu.queue = nil
	}
	if f.mu.room != nil && 2*len(f.mu.queue) <= feedMessages && 2*f.mu.bytes <= feedBytes {
		close(f.mu.room)
		f.mu.room = nil
	}
	switch {
	case n > 0 || !f.mu.ended || len(dst) == 0:
		return n, nil
	case f.mu.err != nil:
		return 0, f.mu.err
	}
	return 0, broker.ErrClosed
}

func (f *feed) waiting() (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.queue), f.mu.ended
}

func (f *feed) end() { f.cancel() }
