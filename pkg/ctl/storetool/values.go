// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// writeJSON writes a document in one line.
func writeJSON(out io.Writer, doc any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

// raw is a value in the project's JSON.
func raw(v data.Value) json.RawMessage { return jsonwire.AppendValue(nil, v) }

// Get prints the value of a key. A key that isn't there is an error,
// no_such_key.
func Get(ctx context.Context, o Options, key string) error {
	k, err := o.Parse("KEY", key)
	if err != nil {
		return err
	}
	return o.with(ctx, func(t *target) error {
		var v data.Value
		err := t.step(ctx, func(ctx context.Context) (err error) {
			v, err = t.Get(ctx, k)
			return err
		})
		if err != nil {
			return fmt.Errorf("get %s: %w", key, err)
		}
		if o.JSON {
			return writeJSON(o.Out, struct {
				Key   json.RawMessage `json:"key"`
				Value json.RawMessage `json:"value"`
			}{raw(k), raw(v)})
		}
		_, err = fmt.Fprintln(o.Out, o.Format(v))
		return err
	})
}

// PutOptions say how to put.
type PutOptions struct {
	// Expiry is after how long the entry goes away; 0: never.
	Expiry time.Duration
	// Unique puts only if the key holds nothing; else it is an error.
	Unique bool
}

// ErrExists: the key holds a value already.
var ErrExists = errors.New("the key holds a value already")

// Put sets the value of a key, and returns when the master has it.
func Put(ctx context.Context, o Options, key, value string, p PutOptions) error {
	k, err := o.Parse("KEY", key)
	if err != nil {
		return err
	}
	v, err := o.Parse("VALUE", value)
	if err != nil {
		return err
	}
	if p.Expiry < 0 {
		return ctl.BadInput(fmt.Errorf("--expiry: %v: allowed: 0 (never) and more", p.Expiry))
	}
	return o.with(ctx, func(t *target) error {
		err := t.step(ctx, func(ctx context.Context) error {
			if !p.Unique {
				return t.Write(ctx, store.WritePut(k, v, p.Expiry))
			}
			ok, err := t.PutUnique(ctx, k, v, p.Expiry)
			if err == nil && !ok {
				return ErrExists
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
		return t.settle(ctx)
	})
}

// settle waits until the master has the writes of a clone.
func (t *target) settle(ctx context.Context) error {
	if t.clone == nil {
		return nil
	}
	return t.step(ctx, func(ctx context.Context) error {
		if err := t.clone.AwaitIdle(ctx); err != nil {
			return fmt.Errorf("wait for the master: %w", err)
		}
		return nil
	})
}

// Remove removes keys. That one isn't there is no error.
func Remove(ctx context.Context, o Options, keys []string) error {
	values := make([]data.Value, len(keys))
	for i, key := range keys {
		var err error
		if values[i], err = o.Parse("KEY", key); err != nil {
			return err
		}
	}
	return o.with(ctx, func(t *target) error {
		for i, k := range values {
			if err := t.step(ctx, func(ctx context.Context) error { return t.Write(ctx, store.WriteErase(k)) }); err != nil {
				return fmt.Errorf("rm %s: %w", keys[i], err)
			}
		}
		return t.settle(ctx)
	})
}

// Keys prints all keys, one a line: in ascending order, or as they come.
func Keys(ctx context.Context, o Options, unsorted bool) error {
	return o.with(ctx, func(t *target) error {
		line := func(k data.Value) error {
			_, err := fmt.Fprintln(o.Out, o.Format(k))
			return err
		}
		if o.JSON {
			line = func(k data.Value) error { return writeJSON(o.Out, raw(k)) }
		}
		var keys []data.Value
		for e, err := range t.entries(ctx, true) {
			if err == nil && unsorted {
				err = line(e.Key)
			} else if err == nil {
				keys = append(keys, e.Key)
			}
			if err != nil {
				return fmt.Errorf("list the keys: %w", err)
			}
		}
		slices.SortFunc(keys, data.Compare)
		for _, k := range keys {
			if err := line(k); err != nil {
				return err
			}
		}
		return nil
	})
}
