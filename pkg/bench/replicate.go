// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// MasterOptions say how [Master] is reached and what it holds.
type MasterOptions struct {
	Link
	// Count is the number of entries at first, and of those that are put when a
	// clone asks for it; Writers is how many of these are under way at a time.
	Count, Writers int
}

// MasterResult is what a master prints. Its messages are the entries that it
// put for the clone to see, if it was asked to.
type MasterResult struct {
	Result
	// ReplicatedPutRate is puts a second until the clones have acknowledged
	// the last.
	ReplicatedPutRate float64 `json:"replicated_put_rate"`
	Writers           int     `json:"writers"`
}

// Master holds a store of [StoreName] in memory. On a message on [GoTopic] it
// puts as many new entries as it had, and ends when the clones have them; it
// also ends when the clones have left.
func Master(ctx context.Context, o MasterOptions) (result MasterResult, err error) {
	err = o.with(ctx, func(ctx context.Context, e *broker.Endpoint, meet func() error) (err error) {
		be, err := filled(o.Count)
		if err != nil {
			return err
		}
		s, err := store.NewMaster(e, StoreName, be, store.MasterOptions{})
		if err != nil {
			return fmt.Errorf("make a master: %w", err)
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		asked, err := e.Subscribe([]string{GoTopic}, sinkQueue)
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		if err := meet(); err != nil {
			return err
		}
		result.Writers = o.Writers
		if _, err := asked.Get(ctx); err != nil {
			if errors.Is(context.Cause(ctx), ErrLeft) {
				return nil // the clone had enough with the first copy
			}
			return fmt.Errorf("wait for a clone: %w", cause(ctx, err))
		}
		m := startMeter()
		if err := putAll(ctx, s, o.Count, o.Count, o.Writers); err != nil {
			return err
		}
		if err := s.AwaitIdle(ctx); err != nil {
			return fmt.Errorf("wait for the clone: %w", cause(ctx, err))
		}
		result.Result = m.stop(o.Count)
		result.ReplicatedPutRate = result.Rate
		return nil
	})
	return result, err
}

func filled(count int) (backend.Backend, error) {
	be := memory.New()
	for i := range uint64(count) {
		if err := be.Put(backend.Entry{Key: data.Count(i), Value: entryValue(i), Deadline: backend.Never}); err != nil {
			return nil, fmt.Errorf("fill the backend: %w", err)
		}
	}
	return be, be.Commit()
}

// CloneOptions say whose store [Clone] copies.
type CloneOptions struct {
	Link
	// SyncOnly ends the clone when it has the first copy.
	SyncOnly bool
}

// CloneResult is what a clone prints. Its messages are the entries of the
// first copy.
type CloneResult struct {
	Result
	// SyncSeconds is the time from making the clone until it has the copy.
	SyncSeconds float64 `json:"sync_seconds"`
	// Entries is how many there are at the end.
	Entries int64 `json:"entries"`
}

// Clone attaches to the master of [StoreName] and copies it. Unless that is
// all that was asked for, it then publishes a message on [GoTopic] and follows
// the master until it has gone.
func Clone(ctx context.Context, o CloneOptions) (result CloneResult, err error) {
	err = o.with(ctx, func(ctx context.Context, e *broker.Endpoint, meet func() error) (err error) {
		if err := meet(); err != nil {
			return err
		}
		m := startMeter()
		s, err := store.NewClone(e, StoreName, store.CloneOptions{})
		if err != nil {
			return fmt.Errorf("make a clone: %w", err)
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		if err := s.AwaitIdle(ctx); err != nil {
			return fmt.Errorf("wait for the copy: %w", cause(ctx, err))
		}
		seconds := time.Since(m.began).Seconds()
		result.Result = m.stop(1)
		held, err := entries(ctx, s)
		if err != nil {
			return err
		}
		result.Result = result.of(int(held))
		result.SyncSeconds = seconds
		if !o.SyncOnly {
			if err := follow(ctx, e); err != nil {
				return err
			}
		}
		result.MaxRSS = maxRSS()
		result.Entries, err = entries(context.WithoutCancel(ctx), s)
		return err
	})
	return result, err
}

// entries is how many the clone holds. Its status is that of the batch before
// the one that a request is answered in.
func entries(ctx context.Context, s *store.Clone) (int64, error) {
	if _, err := s.Exists(ctx, data.Count(0)); err != nil {
		return 0, fmt.Errorf("read from the clone: %w", cause(ctx, err))
	}
	return s.Status().Entries, nil
}

// follow tells the master to go on, and waits until it has left.
func follow(ctx context.Context, e *broker.Endpoint) error {
	if err := awaitWants(ctx, e, GoTopic); err != nil {
		return err
	}
	if err := e.NewPublisher(GoTopic, broker.PublisherOptions{}).Publish(ctx, data.String("go")); err != nil {
		return fmt.Errorf("publish on %s: %w", GoTopic, err)
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, ErrLeft) {
		return fmt.Errorf("wait for the master to end: %w", err)
	}
	return nil
}
