// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// StaleReads is what a clone does with reads when it has not known itself in sync for longer than StaleAfter.
type StaleReads uint8

// The choices.
const (
	// RefuseStale: reads answer ErrStale.
	RefuseStale StaleReads = iota
	// ServeStale: reads answer what there is; Clone.Read marks it.
	ServeStale
)

// ErrStale is the answer to a read of a clone that has not known itself in sync for longer than StaleAfter. It matches code.StaleData.
var ErrStale = fmt.Errorf("store: the clone has not been in sync for longer than it may be: %w", code.StaleData)

// Reading is a value with what is known about its age.
type Reading struct {
	Value data.Value
	// Expires is when the master will remove the entry, zero if it stays. Clocks may differ, and masters don't tell of all changes.
	Expires time.Time
	// Number is the newest change that the clone has applied.
	Number uint64
	// Age is the time since the clone last knew that what it has applied is the master's newest, by its monotonic clock.
	Age time.Duration
	// Stale tells that this is longer than StaleAfter, or that the master has another history.
	Stale bool
}

// Read is Get with marks, and never answers ErrStale. Errors: code.NoSuchKey; code.StaleData if the clone never had content.
func (c *Clone) Read(ctx context.Context, key data.Value) (Reading, error) {
	a, err := c.do(ctx, read{kind: markedRequest, key: data.Canonical(key)})
	return a.reading, err
}

// stale tells whether the clone has gone too long without knowing itself in sync.
func (c *Clone) stale() bool {
	return c.opt.StaleAfter > 0 && c.now.Sub(c.reader.syncedAt) > c.opt.StaleAfter
}

// mark is what is known about what a clone reads now. The age may be longer when the reader gets to see it, never shorter.
func (c *Clone) mark() Reading {
	return Reading{
		Number: c.number, Age: time.Since(c.reader.syncedAt), Stale: c.stale() || !c.status.NewHistory.IsZero(),
	}
}

// markedRead answers Read.
func (c *Clone) markedRead(key data.Value) answer {
	e, ok, err := c.content.Get(key)
	a := answer{ok: ok, err: err, reading: c.mark()}
	if !ok && err == nil {
		a.err = code.NoSuchKey
	}
	a.reading.Value = e.Value
	if ok && e.Deadline != backend.Never {
		a.reading.Expires = time.Unix(0, int64(e.Deadline))
	}
	return a
}
