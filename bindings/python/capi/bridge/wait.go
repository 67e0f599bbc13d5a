// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"sync"
	"time"
)

// patience is a context that ends after a time, and costs next to nothing as long as nobody waits with it. The operations of stores look
// at Err before they answer at once, and at Done when they have to wait.
type patience struct {
	limit time.Duration
	begin sync.Once
	ctx   context.Context
	end   context.CancelFunc
}

// over has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (p *patience) started() context.Context {
	p.begin.Do(func() {
		p.ctx, p.end = over, func() {}
		if p.limit > 0 {
			p.ctx, p.end = context.WithTimeout(context.Background(), p.limit)
		}
	})
	return p.ctx
}

// stop releases what waiting has taken.
func (p *patience) stop() {
	if p.end != nil {
		p.end()
	}
}

func (p *patience) Done() <-chan struct{}       { return p.started().Done() }
func (p *patience) Deadline() (time.Time, bool) { return time.Time{}, false }
func (p *patience) Value(any) any               { return nil }

// Err is nil until somebody has waited in vain.
func (p *patience) Err() error {
	if p.ctx == nil || p.ctx.Err() == nil {
		return nil
	}
	return context.DeadlineExceeded
}
