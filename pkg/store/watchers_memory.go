// SPDX-License-Identifier: Apache-2.0

package store

// growthLocked is what has to be added to the account.
func (s *watchers) growthLocked() int64 {
	d := s.mu.ring.bytes - s.counted
	if s.account == nil || !worthCounting(d, s.mu.ring.bytes) {
		return 0
	}
	s.counted += d
	return int64(d)
}

// count adds to the account.
func (s *watchers) count(growth int64) {
	if growth == 0 {
		return
	}
	if s.account.Add(growth); growth > 0 {
		s.account.Check()
	}
}

// shed gives up the oldest changes: whoever has not read them yet has lost the thread.
func (s *watchers) shed(bytes int64) bool {
	s.mu.Lock()
	before := s.mu.ring.bytes
	for s.mu.ring.count() > 0 && int64(before-s.mu.ring.bytes) < bytes {
		s.mu.from = s.mu.ring.pop()
	}
	growth, given := int64(s.mu.ring.bytes-s.counted), before-s.mu.ring.bytes
	s.counted = s.mu.ring.bytes
	s.mu.Unlock()
	s.account.Add(growth)
	return given > 0
}

// leave ends the account.
func (s *watchers) leave() {
	if s.account != nil {
		s.account.Leave()
	}
}
