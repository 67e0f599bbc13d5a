// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// withStore attaches a clone of the store: it copies the whole of it, which is
// the only way that every kind of master knows. The peer has to hold the
// master.
func withStore(ctx context.Context, o Options, name string, do func(context.Context, *store.Clone) error) error {
	return With(ctx, o, func(s Session) (err error) {
		clone, err := store.NewClone(s.Endpoint, name, store.CloneOptions{})
		if err != nil {
			return fmt.Errorf("attach to store %s: %w", name, err)
		}
		defer func() { err = errors.Join(err, clone.Close()) }()
		asking, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		if err := attached(asking, clone); err != nil {
			return timed(asking, fmt.Errorf("no master of store %s answers at %s (--peer must be the node that holds it): %w", name, o.Peer, err))
		}
		return timed(asking, do(asking, clone))
	})
}

// attached waits until the clone has the master's state.
func attached(ctx context.Context, clone *store.Clone) error {
	for {
		changed := clone.Changed()
		if clone.Status().State == store.StateSynced {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Get prints the value of a key. A key that isn't there is an error,
// no_such_key.
func Get(ctx context.Context, o Options, name, key string, out io.Writer) error {
	k, err := o.Parse("KEY", key)
	if err != nil {
		return err
	}
	return withStore(ctx, o, name, func(ctx context.Context, clone *store.Clone) error {
		v, err := clone.Get(ctx, k)
		if err != nil {
			return fmt.Errorf("get %s: %w", key, err)
		}
		_, err = fmt.Fprintln(out, o.format(v))
		return err
	})
}

// Put sets the value of a key; expiry 0 means that it stays. It returns when
// the master has it.
func Put(ctx context.Context, o Options, name, key, value string, expiry time.Duration) error {
	k, err := o.Parse("KEY", key)
	if err != nil {
		return err
	}
	v, err := o.Parse("VALUE", value)
	if err != nil {
		return err
	}
	return withStore(ctx, o, name, func(ctx context.Context, clone *store.Clone) error {
		if err := clone.Put(ctx, k, v, expiry); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
		if err := clone.AwaitIdle(ctx); err != nil {
			return fmt.Errorf("wait for the master: %w", err)
		}
		return nil
	})
}

// Keys prints all keys in ascending order, one a line.
func Keys(ctx context.Context, o Options, name string, out io.Writer) error {
	return withStore(ctx, o, name, func(ctx context.Context, clone *store.Clone) error {
		set, err := clone.Keys(ctx)
		if err != nil {
			return fmt.Errorf("list the keys: %w", err)
		}
		keys := slices.SortedFunc(set.Elements(), data.Compare)
		for _, k := range keys {
			if _, err := fmt.Fprintln(out, o.format(k)); err != nil {
				return err
			}
		}
		return nil
	})
}
