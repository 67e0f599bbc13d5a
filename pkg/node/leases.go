// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// clock is a moment by the node's two clocks: the monotonic one stands still
// while the machine sleeps, the other one may be set.
type clock struct{ wall, steady time.Duration }

func (n *Node) clock() clock {
	now := time.Now()
	return clock{time.Duration(now.UnixNano()), now.Sub(n.born)}
}

// since is how long ago a moment was, by whichever clock says longer.
func (c clock) since(then clock) time.Duration { return max(c.wall-then.wall, c.steady-then.steady) }

// LeaseToken stands for the moment of the call, at this process.
func (n *Node) LeaseToken() statusapi.LeaseToken {
	c := n.clock()
	return statusapi.LeaseToken{Token: fmt.Sprintf("%d.%d.%s", c.wall, c.steady, n.instance)}
}

// Grant lets the master of a store write until as long after its token as the
// grant says. The error says why none does under it.
func (n *Node) Grant(g statusapi.Grant) error {
	var then clock
	var instance string
	if _, err := fmt.Sscanf(g.Token, "%d.%d.%s", &then.wall, &then.steady, &instance); err != nil || instance != n.instance {
		return errors.New("the token is not of this process")
	}
	if !(g.Seconds > 0 && g.Seconds <= nodeconfig.MaxLeaseSeconds) { // NaN too
		return fmt.Errorf("%g seconds, allowed: more than 0, to %d", g.Seconds, nodeconfig.MaxLeaseSeconds)
	}
	now := n.clock()
	if now.steady < then.steady {
		return errors.New("the token is of a time to come")
	}
	left := time.Duration(math.Floor(g.Seconds*float64(time.Second))) - now.since(then)
	if left <= 0 {
		return errors.New("the lease was over before it came")
	}
	n.mu.Lock()
	e := n.mu.engine
	n.mu.Unlock()
	if e == nil {
		return errors.New("the node has no config yet")
	}
	for _, r := range e.runningStores() {
		if r.config().StoreName == g.Store {
			return r.grant(g, left)
		}
	}
	return fmt.Errorf("no store %.80q here", g.Store)
}

// grant gives the running master its lease.
func (r *runningStore) grant(g statusapi.Grant, left time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.mu.handle.(*store.Master)
	if !ok || r.mu.config.Role != nodeconfig.RoleMaster {
		return errors.New("no master is open")
	}
	s := m.Status()
	switch {
	case r.mu.config.LeaseSeconds == 0 || !s.Leased:
		return errors.New("the master writes under no leases")
	case s.State != store.StateServing:
		return fmt.Errorf("the master is %s", s.State)
	case s.Epoch != g.Epoch:
		return fmt.Errorf("the master has epoch %d, the lease is for %d", s.Epoch, g.Epoch)
	}
	if limit := time.Duration(r.mu.config.LeaseSeconds * float64(time.Second)); left > limit {
		left = limit
	}
	m.Lease(left)
	if r.mu.lapse == nil {
		r.mu.lapse = time.AfterFunc(left, r.wake)
	} else {
		r.mu.lapse.Reset(left)
	}
	if s.LeaseLeft == 0 {
		r.wake()
	}
	return nil
}
