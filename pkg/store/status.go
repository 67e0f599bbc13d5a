// SPDX-License-Identifier: Apache-2.0

package store

import (
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Role tells masters and clones apart.
type Role uint8

// The roles.
const (
	RoleMaster Role = iota
	RoleClone
)

// String is the role's name.
func (r Role) String() string {
	if r == RoleMaster {
		return "master"
	}
	return "clone"
}

// State is what a frontend is up to.
type State uint8

// The states of a master, then those of a clone.
const (
	// StateLoading: the master reads what it needs from its backend; requests wait.
	StateLoading State = iota
	// StateServing: the master works.
	StateServing
	// StateFailed: the backend failed; all requests are answered with that.
	StateFailed
	// StateAttaching: the clone looks for a master. It may have content of an earlier one, which it still answers from.
	StateAttaching
	// StateSynced: the clone follows its master.
	StateSynced
	// StateStale: the clone has not known itself in sync for longer than StaleAfter.
	StateStale
	// StateBroken: the master's snapshot can't be read; Status.Err says why.
	StateBroken
)

// String is the state's name in lower case.
func (s State) String() string {
	return [...]string{"loading", "serving", "failed", "attaching", "synced", "stale", "broken"}[s]
}

// Status is what a frontend knows of itself.
type Status struct {
	Name  string
	Role  Role
	State State
	// Since is when the state was entered.
	Since time.Time
	// History is the history that the store is at, and Epoch how often it has changed masters; unknown of foreign masters.
	History HistoryID
	Epoch   uint64
	// NewHistory is another history that a clone's master has by now, zero if there is none. The clone keeps the old content, as stale,
	// until somebody calls Adopt.
	NewHistory HistoryID
	// Conflict says at a master which other master of the name there is, and which of them refuses writes; empty: none.
	Conflict string
	// Fenced: a master executes no writes, because of another one.
	Fenced bool
	// Stranded are clones of another kind that follow the master and can't go on; they have to be attached anew.
	Stranded []data.EntityID
	// CantAttach names a clone whose snapshot the master could not send, and why: all of it goes to a foreign clone in one message.
	CantAttach string
	// Sequence is the newest number of the channel to clones: at a master the last one used, at a clone the last one applied. Lag is
	// how many more a clone knows to exist.
	Sequence, Lag uint64
	// Entries and Bytes are how much the store holds.
	Entries, Bytes int64
	// SyncedAt is when a clone last knew that it had everything, and Age how long ago that is by the monotonic clock.
	SyncedAt time.Time
	Age      time.Duration
	// Clones is the number of clones attached to a master.
	Clones int
	// Err is why a master failed or a clone is broken.
	Err error

	// Leased tells that a master writes under a lease only, and LeaseLeft how much of that is left.
	Leased    bool
	LeaseLeft time.Duration

	// Wraps counts results of a master's arithmetic that went beyond 64 bits.
	Wraps uint64
	// WritesWaiting is the number of a clone's writes that the master has not acknowledged, sent or not.
	WritesWaiting int
	// WritesUnknown counts a clone's writes whose outcome nobody knows, because they were sent when the channel was lost.
	WritesUnknown uint64
	// Dropped counts commands that came while the inbox was full, Malformed those that could not be read.
	Dropped, Malformed uint64
}

// board shows the status to anybody who asks. Its owner is the frontend's goroutine; readers never wait for it.
type board struct {
	lease lease

	mu struct {
		sync.Mutex
		status  Status
		changed chan struct{}
	}
}

func newBoard(s Status) *board {
	b := new(board)
	s.Since = time.Now()
	b.mu.status, b.mu.changed = s, make(chan struct{})
	return b
}

// show publishes a status; a new state wakes those who wait for it.
func (b *board) show(s Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.State == b.mu.status.State && (s.Err == nil) == (b.mu.status.Err == nil) {
		s.Since = b.mu.status.Since
		b.mu.status = s
		return
	}
	s.Since = time.Now()
	b.mu.status = s
	close(b.mu.changed)
	b.mu.changed = make(chan struct{})
}

// Status is the latest status. It does not wait.
func (b *board) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.mu.status
	if !s.SyncedAt.IsZero() {
		s.Age = time.Since(s.SyncedAt)
	}
	s.Leased, s.LeaseLeft = b.lease.required, b.lease.left(time.Now())
	return s
}

// Changed is closed at the next change of the state, not by mere traffic. Get it before Status, so that no change is missed.
func (b *board) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.changed
}
