// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
)

// compacter is a backend that can make its files smaller. What it answers with the context's error has changed nothing.
type compacter interface {
	Compact(ctx context.Context) error
}

// Compact makes the master's database as small as it can be. Everything else waits meanwhile, also reads. Errors: ErrNotSupported if the
// backend has no files; the context's, if it ends before; code.BackendFailure. Closing the master ends it, too.
func (m *Master) Compact(ctx context.Context) error {
	c, ok := m.be.(compacter)
	if !ok {
		return fmt.Errorf("%w: the backend has no files to compact", ErrNotSupported)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.maintenance, cancel)()
	_, err := m.do(ctx, read{kind: compactRequest, maintain: func() error { return c.Compact(ctx) }})
	return err
}

// maintain does what has to be done between two groups. An error that remains is found by the next commit.
func (m *Master) maintain(do func() error) answer {
	return answer{ok: true, err: do()}
}

// compact compacts the master's database, once for each question, however often it is sent.
func (a *asks) compact(key askKey) error {
	c, ok := a.owner.(interface{ Compact(context.Context) error })
	if !ok {
		return fmt.Errorf("%w: a clone has no files to compact", ErrNotSupported)
	}
	a.mu.Lock()
	done := a.mu.compacted == key
	a.mu.Unlock()
	if done {
		return nil
	}
	err := c.Compact(a.ctx)
	if err == nil {
		a.mu.Lock()
		a.mu.compacted = key
		a.mu.Unlock()
	}
	return err
}

// Compact makes the database of the master there as small as it can be (Master.Compact). It is bounded by the context alone; the master
// goes on if it ends.
func (s *Source) Compact(ctx context.Context) error {
	_, err := s.asked(ctx, opCompact)
	return err
}
