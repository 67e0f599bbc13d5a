// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Memory bounds what all queues of an endpoint hold together. It is counted in pieces of some ten KiB, so that the paths of messages have
// nothing to do with it but to look whether the limit is reached. Then the largest account gives something back, in its own way. A nil
// Memory has no limit.
type Memory struct {
	limit    int64
	used     atomic.Int64
	vain     atomic.Int64 // what was in use when nobody had anything left to give
	relieved atomic.Uint64
	busy     atomic.Bool // somebody relieves
	// Reached, if not nil, is called when the limit was reached and something was given back. It is set before the Memory is used.
	Reached func()

	mu struct {
		sync.Mutex
		accounts map[*Account]struct{}
	}
}

// Account is one holder of memory: a queue, or a buffer that grows.
type Account struct {
	m     *Memory
	shed  func(bytes int64) bool
	first bool // it is asked before others
	used  atomic.Int64

	mu struct {
		sync.Mutex
		left bool
	}
}

// NewMemory makes a memory of so many bytes.
func NewMemory(limit int64) *Memory {
	m := &Memory{limit: limit}
	m.mu.accounts = make(map[*Account]struct{})
	return m
}

// Join makes an account. shed is called, from any goroutine and with no lock of this package held, when it should give so many bytes
// back; it may give less, or nothing, and tells whether it has given any.
func (m *Memory) Join(shed func(bytes int64) bool) *Account {
	return m.join(&Account{m: m, shed: shed})
}

// JoinFirst is Join for who keeps what can be had again: it is asked before all accounts of Join, however little it holds.
func (m *Memory) JoinFirst(shed func(bytes int64) bool) *Account {
	return m.join(&Account{m: m, shed: shed, first: true})
}

func (m *Memory) join(a *Account) *Account {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.accounts[a] = struct{}{}
	return a
}

// Used is how many bytes are in use, Limit how many may be, and Relieved how often that was reached.
func (m *Memory) Used() int64 { return m.used.Load() }

// Limit is how many bytes may be in use.
func (m *Memory) Limit() int64 { return m.limit }

// Relieved is how often the limit was reached.
func (m *Memory) Relieved() uint64 { return m.relieved.Load() }

// Over tells whether more is in use than may be.
func (m *Memory) Over() bool { return m != nil && m.used.Load() > m.limit }

// Tight tells whether those who can wait should: little is left.
func (m *Memory) Tight() bool { return m != nil && m.used.Load() > m.limit-m.limit/8 }

// Check has the largest accounts give something back if the limit is reached. The caller holds no lock of a queue.
func (m *Memory) Check() {
	if m.Over() {
		m.relieve()
	}
}

func (m *Memory) relieve() {
	if vain := m.vain.Load(); vain > 0 && m.used.Load() < vain+chunkSize || !m.busy.CompareAndSwap(false, true) {
		return
	}
	defer m.busy.Store(false)
	// A little more than needed, so that the limit isn't reached again at once.
	goal := m.limit - max(m.limit/64, 4*chunkSize)
	all := m.holders()
	// It is the largest that gives: what others take meanwhile must not be at the cost of the small ones.
	for len(all) > 0 && m.Over() {
		i := largest(all)
		if !all[i].shed(m.used.Load() - goal) {
			all = slices.Delete(all, i, i+1)
		}
	}
	if used := m.used.Load(); used > m.limit {
		m.vain.Store(used)
	}
	m.relieved.Add(1)
	if m.Reached != nil {
		m.Reached()
	}
}

// holders are the accounts that hold something.
func (m *Memory) holders() []*Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*Account, 0, len(m.mu.accounts))
	for a := range m.mu.accounts {
		if a.used.Load() > 0 {
			all = append(all, a)
		}
	}
	return all
}

// largest is the account to be asked: the largest of those that come first if there are any.
func largest(all []*Account) (at int) {
	for i, a := range all {
		b := all[at]
		if a.first && !b.first || a.first == b.first && a.used.Load() > b.used.Load() {
			at = i
		}
	}
	return at
}

// Add counts bytes that are held from now on, or with a negative number that are not any more. A nil Account counts nothing.
func (a *Account) Add(bytes int64) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.left {
		return
	}
	a.used.Add(bytes)
	if a.m.used.Add(bytes) <= a.m.limit && bytes < 0 && a.m.vain.Load() != 0 {
		a.m.vain.Store(0)
	}
}

// Set counts as many bytes as are held now, if that is worth counting: when it differs by 32 KiB, or nothing is held. It answers what is
// counted now, which the caller remembers and gives at the next time.
func (a *Account) Set(counted, held int) int {
	if d := held - counted; a == nil || d < chunkSize && d > -chunkSize && (held != 0 || d == 0) {
		return counted
	}
	a.Add(int64(held - counted))
	return held
}

// Used is what the account holds.
func (a *Account) Used() int64 { return a.used.Load() }

// Check does what Memory.Check does.
func (a *Account) Check() {
	if a != nil {
		a.m.Check()
	}
}

// Leave ends the account; what it holds counts no more.
func (a *Account) Leave() {
	if a == nil {
		return
	}
	a.mu.Lock()
	if !a.mu.left {
		a.mu.left = true
		a.m.used.Add(-a.used.Swap(0))
	}
	a.mu.Unlock()
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	delete(a.m.mu.accounts, a)
}
