// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"sync"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// source is where the messages of a stream come from.
type source interface {
	// poll takes as many messages as there are, at most len(dst). After the last one it answers broker.ErrClosed, or why there are no more.
	poll(dst []broker.Message) (int, error)
	// waiting is how many messages there are, and whether there is nothing more to come behind them.
	waiting() (n int, ended bool)
	// end ends the source.
	end()
}

// stream is a queue to take messages from, with a descriptor: a subscriber, a cursor, a watch. Sources call news when a first message has
// come, and in the end.
type stream struct {
	source
	mu struct {
		sync.Mutex
		bell
		chunk []broker.Message // what messages are taken into
		held  []broker.Message // the rest of it, not handed over yet
		err   error            // why there are no more messages; set when the source has said so
		gone  bool
	}
}

// takeAtOnce is how many messages are moved under one lock.
const takeAtOnce = 512

func newStream(s source) (*stream, error) {
	b, err := newBell()
	if err != nil {
		return nil, err
	}
	out := &stream{source: s}
	out.mu.bell = b
	return out, nil
}

// news makes the descriptor readable if there is something to be taken.
func (s *stream) news() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ringLocked()
}

func (s *stream) ringLocked() {
	n, ended := s.waiting()
	s.mu.ring(n > 0 || ended || len(s.mu.held) > 0)
}

// close ends the stream. What waits is gone.
func (s *stream) close() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.gone = true
	s.mu.held, s.mu.chunk = nil, nil
	s.mu.bell.close()
}

// self is the stream, also of what embeds one.
func (s *stream) self() *stream { return s }

// streaming is every object that messages are taken from.
type streaming interface {
	object
	self() *stream
}

// batches are used again.
var batches = sync.Pool{New: func() any { return new(Batch) }}

// Release gives the batch back; it must not be used any more.
func (b *Batch) Release() {
	clear(b.msgs)
	b.msgs, b.size = b.msgs[:0], 0
	if cap(b.msgs) <= 8*takeAtOnce {
		batches.Put(b)
	}
}

// Take takes at most most messages, of at most maxBytes together (0: any), but one if there is one. Nothing there is an empty batch; if
// nothing will come, the error says why, errClosed if on purpose. The batch is to be released.
func Take(h Handle, most, maxBytes int) (*Batch, error) {
	o, err := find[streaming](h)
	if err != nil {
		return nil, err
	}
	b := batches.Get().(*Batch)
	if err := o.self().take(b, most, maxBytes); err != nil {
		b.Release()
		return nil, err
	}
	return b, nil
}

func (s *stream) take(b *Batch, most, maxBytes int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.gone {
		return errClosed
	}
	defer s.ringLocked()
	for len(b.msgs) < most {
		if len(s.mu.held) == 0 && !s.refillLocked(most-len(b.msgs)) {
			break
		}
		m := &s.mu.held[0]
		size := frameSize(m)
		if maxBytes > 0 && len(b.msgs) > 0 && b.size+size > maxBytes {
			break
		}
		b.msgs = append(b.msgs, *m)
		b.size += size
		*m = broker.Message{}
		s.mu.held = s.mu.held[1:]
	}
	if len(b.msgs) == 0 && most > 0 {
		return s.mu.err
	}
	return nil
}

// refillLocked takes messages from the source; false if there are none.
func (s *stream) refillLocked(most int) bool {
	if s.mu.err != nil {
		return false
	}
	if s.mu.chunk == nil {
		s.mu.chunk = make([]broker.Message, takeAtOnce)
	}
	n, err := s.poll(s.mu.chunk[:min(most, takeAtOnce)])
	switch {
	case errors.Is(err, broker.ErrClosed):
		s.mu.err = errClosed
	case err != nil:
		s.mu.err = err
	}
	s.mu.held = s.mu.chunk[:n]
	return n > 0
}

// Available is how many messages wait.
func Available(h Handle) (int, error) {
	o, err := find[streaming](h)
	if err != nil {
		return 0, err
	}
	s := o.self()
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := s.waiting()
	return n + len(s.mu.held), nil
}

// descriptor is the number to poll.
func (s *stream) descriptor() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.bell.descriptor()
}

// Descriptor is the number to poll for a handle.
func Descriptor(h Handle) (int, error) {
	o, err := find[interface {
		object
		descriptor() (int, error)
	}](h)
	if err != nil {
		return -1, err
	}
	return o.descriptor()
}
