// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"context"
	"errors"
	"sync"
	"time"
)

// perSecond is how many answers a node gives in any one second; mostWaiting how many questions may wait for their turn.
const (
	perSecond   = 2
	mostWaiting = 16
)

var errCrowded = errors.New("too many questions at once")

// pace spreads answers so that no second sees more than perSecond of them. The zero value is ready; the mutex owns the rest.
type pace struct {
	mu struct {
		sync.Mutex
		turns   [perSecond]time.Time // the latest, oldest first; some may be in the future
		waiting int
	}
}

// next waits for the caller's turn, and reports whether that took any time. It fails when too many wait already or when the
// context ends; a turn that was given is then lost.
func (p *pace) next(ctx context.Context) (waited bool, err error) {
	delay, err := p.turn(time.Now())
	if err != nil || delay == 0 {
		return false, err
	}
	defer p.leave()
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true, nil
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// turn gives out the next turn and says how long it is until then; above 0 the caller waits and must leave.
func (p *pace) turn(now time.Time) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.mu.turns[0].Add(time.Second)
	if !at.After(now) {
		at = now
	} else if p.mu.waiting == mostWaiting {
		return 0, errCrowded
	} else {
		p.mu.waiting++
	}
	copy(p.mu.turns[:], p.mu.turns[1:])
	p.mu.turns[perSecond-1] = at
	return at.Sub(now), nil
}

func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.waiting--
}
