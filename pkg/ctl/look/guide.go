// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

// refresh is how often a guide asks again. It is well below the ten seconds
// for which nodes go on stamping.
const refresh = 4 * time.Second

// Guide tells whoever prints messages how endpoints are called and how their
// clocks differ. While it lives, messages of the mesh carry the time at which
// they entered.
type Guide struct {
	m       *mesh
	current atomic.Pointer[bearings]
	stop    context.CancelFunc
	done    sync.WaitGroup
	end     func()
}

// bearings are what a guide knows at one moment.
type bearings struct {
	*Picture
	ahead map[data.EndpointID]time.Duration
	// entry is the node at which the messages of a leaf enter.
	entry map[data.EndpointID]data.EndpointID
	// common is by how much any node's clock is ahead, if they agree.
	common time.Duration
	agree  bool
}

// agreement is how far apart the clocks of nodes may be so that it does not
// matter where a message entered.
const agreement = 20 * time.Millisecond

// difference is by how much a clock is ahead; nothing if that is less than the
// doubt about it, as on one machine.
func difference(c inspect.Clock) time.Duration {
	if c.Ahead.Abs() <= c.RTT/2 {
		return 0
	}
	return c.Ahead
}

// compare finds out whether the clocks agree.
func (b *bearings) compare() {
	var low, high time.Duration
	first := true
	for _, ahead := range b.ahead {
		if first {
			low, high, first = ahead, ahead, false
		}
		low, high = min(low, ahead), max(high, ahead)
	}
	b.common, b.agree = low+(high-low)/2, !first && high-low < agreement
}

// NewGuide asks the mesh behind a session. Of a foreign endpoint it knows
// nothing, which is no error. The guide must be closed before the session.
func NewGuide(ctx context.Context, s client.Session, timeout time.Duration) (*Guide, error) {
	m, end, err := meshOf(s, timeout)
	if err != nil {
		return nil, err
	}
	return newGuide(ctx, m, end)
}

func newGuide(ctx context.Context, m *mesh, end func()) (*Guide, error) {
	g := &Guide{m: m, end: end}
	if err := g.look(ctx); err != nil {
		end()
		return nil, err
	}
	ctx, g.stop = context.WithCancel(context.WithoutCancel(ctx))
	if m.foreign() == nil {
		g.done.Go(func() {
			for pause(ctx, refresh) {
				_ = g.look(ctx) // what was known before goes on to hold
			}
		})
	}
	return g, nil
}

// Close ends asking.
func (g *Guide) Close() {
	g.stop()
	g.done.Wait()
	g.end()
}

// look asks for names and clocks, and for stamps.
func (g *Guide) look(ctx context.Context) error {
	p, err := g.m.picture(ctx)
	if err != nil {
		return err
	}
	b := &bearings{Picture: p, ahead: make(map[data.EndpointID]time.Duration), entry: make(map[data.EndpointID]data.EndpointID)}
	if p.Foreign != nil {
		g.current.Store(b)
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if err := g.m.ask.Tap(asking, g.m.first); err != nil {
		return err
	}
	var ids []data.EndpointID
	for i := range p.Reports {
		r := &p.Reports[i]
		ids = append(ids, r.ID)
		for _, peer := range r.Peers {
			if peer.Class == classNode || peer.State != statePeered {
				continue
			}
			if at, ok := b.entry[peer.ID]; !ok || r.ID.Compare(at) < 0 {
				b.entry[peer.ID] = r.ID
			}
		}
	}
	var mu sync.Mutex
	each(ids, func(id data.EndpointID) {
		if clock, err := g.m.ask.Ping(asking, id); err == nil {
			mu.Lock()
			defer mu.Unlock()
			b.ahead[id] = difference(clock)
		}
	})
	b.compare()
	g.current.Store(b)
	return nil
}

// Name is what an endpoint is called.
func (g *Guide) Name(id data.EndpointID) string {
	b := g.current.Load()
	if b.names[id] == "" {
		if at, ok := b.entry[id]; ok && id != b.Self {
			return Short(id) + " at " + b.Picture.Name(at)
		}
	}
	return b.Picture.Name(id)
}

// Foreign tells that the endpoint behind the session answers no questions.
func (g *Guide) Foreign() bool { return g.current.Load().Foreign != nil }

// Sent is when a message of an origin entered the mesh, by the clock here, if
// the clock of the node where it did is known. For an origin that has only
// just come it is, if all nodes have about the same time.
func (g *Guide) Sent(origin data.EndpointID, stamped time.Time) (time.Time, bool) {
	if stamped.IsZero() {
		return stamped, false
	}
	b := g.current.Load()
	at := origin
	if _, ok := b.ahead[at]; !ok {
		at = b.entry[origin]
	}
	if ahead, ok := b.ahead[at]; ok {
		return stamped.Add(-ahead), true
	}
	return stamped.Add(-b.common), b.agree
}
