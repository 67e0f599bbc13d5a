// SPDX-License-Identifier: Apache-2.0

package store

import "sync"

// account is a part of an endpoint's memory.
type account = interface {
	// Add counts bytes that are held from now on, or with a negative number that are not any more.
	Add(bytes int64)
	// Check has somebody give something up if too much is held.
	Check()
	// Leave ends the account.
	Leave()
}

// limitedBus is what a Bus may offer besides: a limit to what all histories and queues of the endpoint hold together.
type limitedBus interface {
	// AccountHistory makes a history count. shed is called, from any goroutine, when it should give up so many bytes, and tells whether
	// it does; histories are asked before queues.
	AccountHistory(shed func(bytes int64) bool) interface {
		Add(bytes int64)
		Check()
		Leave()
	}
}

const (
	// shareStep is by how much what is held has to change until it is worth counting.
	shareStep = 32 << 10
	// shareLeft is what a history may always keep: clones that keep up lack less, and cutting a foreign one is for good.
	shareLeft = 512 << 10
)

// share is the part of a history in the memory of the endpoint, if that has a limit. The history's goroutine says what it keeps. The
// endpoint asks from any goroutine, and perhaps from that one, so what it asks for is promised, counts as gone at once, and is given up
// by the goroutine at the end of its group.
type share struct {
	account account // nil: nobody counts
	// promised wakes the goroutine; nil: nothing can be given up.
	promised func()
	mu       struct {
		sync.Mutex
		// kept is what the history keeps, owed what it has promised of that.
		kept, owed int
	}
}

// newShare is a share that counts if the bus has a limit.
func newShare(bus Bus, promised func()) *share {
	s := &share{promised: promised}
	s.account = openAccount(bus, s.shed)
	return s
}

// openAccount is an account that shed makes room in; nil if the bus has no limit, so that nobody counts.
func openAccount(bus Bus, shed func(bytes int64) bool) account {
	if b, ok := bus.(limitedBus); ok {
		return b.AccountHistory(shed)
	}
	return nil
}

// worthCounting tells whether a change by d to what is held is worth being told: small ones add up first, until nothing is held any more.
func worthCounting(d, held int) bool { return d >= shareStep || d <= -shareStep || held == 0 && d != 0 }

// countedLocked is what counts at the endpoint.
func (s *share) countedLocked() int { return max(0, s.mu.kept-s.mu.owed) }

// shed promises to give up so many bytes, as far as they are there and not too few to matter.
func (s *share) shed(bytes int64) bool {
	if s.promised == nil {
		return false
	}
	s.mu.Lock()
	n := int(min(bytes, int64(s.countedLocked()-shareLeft)))
	s.mu.owed += max(0, n)
	s.mu.Unlock()
	if n <= 0 {
		return false
	}
	s.account.Add(-int64(n))
	s.promised()
	return true
}

// owed is how much has to be given up.
func (s *share) owed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.owed
}

// keep says what the history keeps now, after it has given up given bytes of what it owed.
func (s *share) keep(kept, given int) {
	if s.account == nil {
		return
	}
	s.mu.Lock()
	d := kept - s.mu.kept
	if given == 0 && !worthCounting(d, kept) {
		s.mu.Unlock()
		return
	}
	before := s.countedLocked()
	s.mu.kept = kept
	s.mu.owed -= given
	d = s.countedLocked() - before
	s.mu.Unlock()
	s.account.Add(int64(d))
	if d > 0 {
		s.account.Check()
	}
}

// keepShare gives up what the history has promised, and says what it keeps.
func (m *Master) keepShare() {
	owed := m.share.owed()
	if owed > 0 {
		m.log.Info("the memory of the endpoint is used up; what is kept for clones makes room", "bytes", owed, "kept", m.clones.Kept())
		m.clones.Shed(owed)
		m.forgetDropped()
	}
	m.share.keep(m.clones.Kept(), owed)
}

// keepShare says what the writes take that the master has not acknowledged. They can't be given up.
func (c *Clone) keepShare() {
	w, pending := &c.writes, 0
	if w.producer != nil {
		pending = w.producer.Kept()
	}
	c.share.keep(pending+w.queueBytes, 0)
}

// leave ends the share.
func (s *share) leave() {
	if s.account != nil {
		s.account.Leave()
	}
}
