// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"sync/atomic"
	"time"
)

// ErrNoLease is the answer to a write at a master that writes under a lease only and has none: the write was certainly not executed.
var ErrNoLease = errors.New("store: the master has no lease, so it does not write")

// lease is the permission to write for some time. Anybody may grant and read it.
type lease struct {
	// required: without a lease the master does not write.
	required bool
	grant    atomic.Pointer[grant]
}

// grant is a lease from a moment on.
type grant struct {
	at     time.Time
	length time.Duration
}

// left is how much of the lease is left, 0 if there is none. The monotonic clock stands still while a machine sleeps, the wall clock may
// be set back: whichever says that it is over is right.
func (l *lease) left(now time.Time) time.Duration {
	g := l.grant.Load()
	if g == nil {
		return 0
	}
	elapsed := max(now.Sub(g.at), now.Round(0).Sub(g.at.Round(0)))
	return max(0, g.length-elapsed)
}

// Lease permits a master with MasterOptions.Leased to write for so long from now on, in the place of what was granted before; 0 ends it at
// once. What was in progress when a lease ended is told to nobody before the next lease.
func (m *Master) Lease(d time.Duration) {
	m.board.lease.grant.Store(&grant{time.Now(), max(0, d)})
	signal(m.in.ready)
}
