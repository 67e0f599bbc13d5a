// SPDX-License-Identifier: Apache-2.0

package broker

// Notify has f called whenever the queue got its first message, and when the subscriber has ended: for those who wait for a descriptor
// or a condition of their own and then Poll. It is called in the goroutine that brought the message, with nothing locked, and must not
// block; somebody else may have taken the message by then. Messages and an end that were there before bring one call at once. Nil ends
// that, but a call may be under way still.
func (s *Subscriber) Notify(f func()) {
	if f == nil {
		s.notice.Store(nil)
		return
	}
	s.notice.Store(&f)
	s.mu.Lock()
	due := s.mu.n > 0 || s.mu.closed
	s.mu.Unlock()
	if due {
		f()
	}
}

func (s *Subscriber) notify() {
	if f := s.notice.Load(); f != nil {
		(*f)()
	}
}

// Notify has f called as [Subscriber.Notify] does, for events.
func (s *StatusSubscriber) Notify(f func()) { s.sub.Notify(f) }

// PollBatch takes as many messages as there are, at most len(dst), and answers how many. ErrClosed: none, and none will come.
func (s *Subscriber) PollBatch(dst []Message) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.takeLocked(dst)
	if n == 0 && len(dst) > 0 && s.mu.closed {
		return 0, ErrClosed
	}
	return n, nil
}

// Ended tells whether the subscriber has been closed, or its endpoint; what is queued can still be taken.
func (s *Subscriber) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closed
}

// Ended is that of [Subscriber.Ended].
func (s *StatusSubscriber) Ended() bool { return s.sub.Ended() }
