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
	measureEvery = 30 * time.Second // the longest time between two pings, which also tell the round trip
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
	l.pinged = time.Now()
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
	if p.class() == ClassForeign {
		limit = foreignLost
	}
	now := time.Now()
	silent := now.Sub(p.Heard())
	if silent >= limit {
		p.Fail(&peering.Error{Class: peering.Lost, Peer: p.Peer, Text: fmt.Sprintf("no sign of life for %v", limit)})
		return
	}
	next := pingAfter - silent
	since := now.Sub(l.pinged)
	if since >= pingAfter && (next <= 0 || p.is.Load().counts && p.counts.news()) || since > measureEvery-pingAfter {
		l.pinged = now
		p.lifePing()
	}
	if next <= 0 {
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
	p.lifePing()
	time.AfterFunc(probeTimeout, func() {
		p.life.probing.Store(false)
		if p.Heard().Before(since) {
			p.Fail(&peering.Error{Class: peering.Lost, Peer: p.Peer, Text: "no answer, and the same endpoint has come back"})
		}
	})
}

// lifePing sends a ping to which any answer will do.
func (p *peer) lifePing() {
	if p.is.Load().counts {
		p.tellCount()
		return
	}
	payload := appendUint64([]byte("LIFE"), randomNonce())
	p.rtt.sent(payload)
	p.control(p.frame(wire.TypePing, payload))
}

// roundTrip measures how long the peer takes to answer pings. It remembers the newest of them.
type roundTrip struct {
	mu struct {
		sync.Mutex
		pings [4]sentPing
		next  int
	}
	smoothed atomic.Int64 // in nanoseconds; zero while unknown
}

type sentPing struct {
	payload string
	at      time.Time
}

// sent notes a ping that goes out now.
func (r *roundTrip) sent(payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.pings[r.mu.next] = sentPing{string(payload), time.Now()}
	r.mu.next = (r.mu.next + 1) % len(r.mu.pings)
}

// ponged takes an answer. One measurement counts an eighth.
func (r *roundTrip) ponged(payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.mu.pings {
		ping := &r.mu.pings[i]
		if ping.payload != string(payload) || ping.at.IsZero() {
			continue
		}
		d := max(int64(time.Since(ping.at)), 1)
		if old := r.smoothed.Load(); old != 0 {
			d = max(old+(d-old)/8, 1)
		}
		r.smoothed.Store(d)
		*ping = sentPing{}
		return
	}
}

func randomNonce() uint64 { return rand.Uint64() }
