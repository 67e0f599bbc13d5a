// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// WatchOptions say what to watch.
type WatchOptions struct {
	// Key restricts it to one key; empty with HasKey false.
	Key    string
	HasKey bool
	// Prefix restricts it to keys that are strings and begin with it.
	Prefix string
	// After is the number of a change to go on after; 0: from now.
	After uint64
	// Count ends after so many changes; 0: never.
	Count int
}

type changeDocument struct {
	Number    uint64          `json:"number"`
	Change    string          `json:"change"`
	Key       json.RawMessage `json:"key"`
	Old       json.RawMessage `json:"old,omitempty"`
	New       json.RawMessage `json:"new,omitempty"`
	Expiry    string          `json:"expiry,omitempty"`
	Publisher string          `json:"publisher,omitempty"`
}

// Watch prints a line for each change, until the context ends, which is no
// error, or the changes that come next are gone.
func Watch(ctx context.Context, o Options, w WatchOptions) error {
	options := store.WatchOptions{Prefix: w.Prefix, After: w.After}
	if w.HasKey {
		k, err := o.Parse("KEY", w.Key)
		if err != nil {
			return err
		}
		if options.Key = &k; w.Prefix != "" {
			return ctl.BadInput(errors.New("--prefix: it does not go with a KEY"))
		}
	}
	err := o.with(ctx, func(t *target) error {
		fmt.Fprintf(o.Notes, "watching %s\n", t.what)
		n := 0
		for c, err := range t.changes(ctx, options) {
			if errors.Is(err, store.ErrHistoryGone) {
				return fmt.Errorf("watch: %w: export has what is there now", err)
			}
			if err != nil {
				return fmt.Errorf("watch: %w", err)
			}
			if err := t.print(c); err != nil {
				return err
			}
			if n++; n == w.Count {
				return nil
			}
		}
		return nil
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// changes are those of the target.
func (t *target) changes(ctx context.Context, w store.WatchOptions) iter.Seq2[store.Change, error] {
	if t.remote != nil {
		return t.remote.Watch(ctx, w)
	}
	return t.clone.Watch(ctx, w)
}

// print writes a change as a line.
func (t *target) print(c store.Change) error {
	o := t.o
	if o.JSON {
		doc := changeDocument{Number: c.Number, Change: c.Kind.String(), Key: raw(c.Key)}
		if c.Kind != store.ChangeInsert {
			doc.Old = raw(c.Old)
		}
		if c.Kind == store.ChangeInsert || c.Kind == store.ChangeUpdate {
			doc.New = raw(c.New)
		}
		if c.Expiry.Set {
			doc.Expiry = c.Expiry.After.String()
		}
		if !c.Publisher.IsZero() {
			doc.Publisher = c.Publisher.String()
		}
		return writeJSON(o.Out, doc)
	}
	text := fmt.Sprintf("%d %s %s", c.Number, c.Kind, o.Format(c.Key))
	switch c.Kind {
	case store.ChangeInsert:
		text += ": " + o.Format(c.New)
	case store.ChangeUpdate:
		text += ": " + o.Format(c.Old) + " -> " + o.Format(c.New)
	default:
		text += ": was " + o.Format(c.Old)
	}
	if c.Expiry.Set {
		text += ", expires after " + c.Expiry.After.String()
	}
	_, err := fmt.Fprintln(o.Out, text)
	return err
}
