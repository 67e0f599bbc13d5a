// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Watch is what happens to the store after the call, or after the number in the options, as Master.Watch tells it. It asks again and
// again, so it sees a change about one way through the mesh later, and goes on by itself when the master was out of reach or started
// anew with the same history. It ends with the context's error, or with ErrHistoryGone.
func (r *Remote) Watch(ctx context.Context, o WatchOptions) iter.Seq2[Change, error] {
	if o.Key != nil {
		key := data.Canonical(*o.Key)
		o.Key = &key
	}
	return func(yield func(Change, error) bool) {
		history := ""
		for {
			got, err := r.query(ctx, opWatch, watchArgs(history, o)...)
			switch {
			case ctx.Err() != nil:
				yield(Change{}, ctx.Err())
				return
			case errors.Is(err, code.RequestTimeout) && history != "":
				continue
			case err != nil:
				yield(Change{}, err)
				return
			}
			in := args{rest: got.Values}
			history, o.After = in.string(), in.count()
			for len(in.rest) > 0 {
				c := in.change()
				if in.err != nil {
					break
				}
				if !yield(c, nil) {
					return
				}
			}
			if in.err != nil {
				yield(Change{}, in.err)
				return
			}
		}
	}
}
