// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ErrHistoryGone is the end of a Watch that can't go on: what comes next is not kept any more, because the watcher was too slow or began
// too far back, or because the store began a new history. Take a Snapshot, and watch what comes after its Number.
var ErrHistoryGone = errors.New("store: the changes that come next are not kept any more")

// WatchOptions say what to watch. Without Key and Prefix it is all keys.
type WatchOptions struct {
	// Key watches one key.
	Key *data.Value
	// Prefix watches the keys that are strings and begin with it.
	Prefix string
	// After is the number to go on after; 0: from now on.
	After uint64
}

// Watch is what happens to the store after the call, or after the number in the options, in the order of the history. It ends with the
// context's error, with ErrHistoryGone, or with code.ShuttingDown when the store is closed. A watcher that does not keep up loses its
// place and holds nobody up. To go on after an interruption, watch again after the last number that was seen whole.
//
// A clone tells what it sees: after it got a new snapshot, the difference from what it had, under the number of the snapshot.
func (o *operations) Watch(ctx context.Context, w WatchOptions) iter.Seq2[Change, error] {
	if w.Key != nil {
		key := data.Canonical(*w.Key)
		w.Key = &key
	}
	a, err := o.do(ctx, read{kind: watchRequest})
	if w.After == 0 {
		w.After = a.number
	}
	return func(yield func(Change, error) bool) {
		if err != nil {
			yield(Change{}, err)
			return
		}
		if err := a.watchers.run(ctx, w, func(c Change) bool { return yield(c, nil) }); err != nil {
			yield(Change{}, err)
		}
	}
}

// watchAtOnce is how many changes a watcher takes at a time.
const watchAtOnce = 64

// run shows changes until the context ends, the watcher falls behind or the store ends. It answers nil if yield wants no more.
func (s *watchers) run(ctx context.Context, o WatchOptions, yield func(Change) bool) error {
	w, err := s.add(o)
	if err != nil {
		return err
	}
	defer s.remove(w)
	var changes []Change
	for {
		clear(changes)
		changes, err = s.take(w, changes[:0])
		for _, c := range changes {
			if !yield(c) {
				return nil
			}
		}
		switch {
		case err != nil:
			return err
		case len(changes) > 0:
			if err := ctx.Err(); err != nil {
				return err
			}
		default:
			select {
			case <-w.wake:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}
