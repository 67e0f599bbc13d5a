// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// How long a peer may be silent.
const (
	pingAfter    = 5 * time.Second
	lostAfter    = 15 * time.Second // endpoints of this project
	foreignLost  = 60 * time.Second // a stalled C++ endpoint answers no pings
	probeTimeout = 2 * time.Second  // when the same endpoint knocks at the door
)

// liveness watches a peer with one timer: a ping after silence, and the end after more of it.
type liveness struct {
	mu struct {
		sync.Mutex
		timer, end *time.Timer
		stopped    bool
	}
	pinged  time.Time // owned by the timer's function
	probing atomic.Bool
}

func (l *liveness) start(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.timer = time.AfterFunc(pingAfter, func() { l.check(p) })
}

func (l *liveness) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.stopped = true
	for _, t := range []*time.Timer{l.mu.timer, l.mu.end} {
		if t != nil {
			t.Stop()
		}
	}
}

// endWithin calls f after a while unless the connection has ended before.
func (l *liveness) endWithin(d time.Duration, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mu.stopped {
		l.mu.end = time.AfterFunc(d, f)
	}
}

func (l *liveness) check(p *peer) {
	limit := lostAfter
	if p.class == ClassForeign {
		limit = foreignLost
	}
	now := time.Now()
	silent := now.Sub(p.Heard())
	if silent >= limit {
		p.Fail(&peering.Error{Class: peering.Lost, Peer: p.Peer, Text: fmt.Sprintf("no sign of life for %v", limit)})
		return
	}
	next := pingAfter - silent
	if next <= 0 {
		if now.Sub(l.pinged) >= pingAfter {
			l.pinged = now
			p.control(p.frame(wire.TypePing, appendUint64([]byte("LIFE"), randomNonce())))
		}
		next = min(pingAfter, limit-silent)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mu.stopped {
		l.mu.timer.Reset(next)
	}
}

// probe asks for a sign of life because the same endpoint says hello on another connection; without one this connection is ended,
// and the endpoint's next attempt succeeds.
func (p *peer) probe() {
	if !p.life.probing.CompareAndSwap(false, true) {
		return
	}
	since := time.Now()
	p.control(p.frame(wire.TypePing, appendUint64([]byte("LIFE"), randomNonce())))
	time.AfterFunc(probeTimeout, func() {
		p.life.probing.Store(false)
		if p.Heard().Before(since) {
			p.Fail(&peering.Error{Class: peering.Lost, Peer: p.Peer, Text: "no answer, and the same endpoint has come back"})
		}
	})
}

func randomNonce() uint64 { return rand.Uint64() }
