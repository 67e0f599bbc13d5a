// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/store"
)

// ErrNotConfirmed is the end of a command that asked and was told no.
var ErrNotConfirmed = errors.New("not done: nobody said yes")

// Promote makes the master at a node write again that refuses because of others of the same name, which refuse from then on. confirm is asked
// with the decision in words.
func Promote(ctx context.Context, o Options, node string, confirm func(question string) (bool, error)) error {
	return o.with(ctx, func(t *target) error {
		if t.remote == nil {
			return fmt.Errorf("promote: %w: it can't be promoted", store.ErrForeignMaster)
		}
		t.askNames(ctx)
		masters, err := t.remote.Masters(ctx, min(o.Timeout, time.Second), 0)
		if err != nil {
			return fmt.Errorf("promote: %w", err)
		}
		var chosen *store.Report
		var others, nodes []string
		for i := range masters {
			r := &masters[i]
			where := at(reportDocument{Node: t.names[r.ID.Endpoint], Report: *r})
			nodes = append(nodes, where)
			if where == node || r.ID.Endpoint.String() == node {
				chosen = r
				continue
			}
			others = append(others, fmt.Sprintf("  %s: %s", where, describeMaster(r)))
		}
		if chosen == nil {
			return fmt.Errorf("promote: no master of the store at %s; there is one at: %s", node, strings.Join(nodes, ", "))
		}
		question := fmt.Sprintf("The master at %s will write: %s.\n", node, describeMaster(chosen))
		if len(others) > 0 {
			question += "These will refuse writes, and what only they have is not in the store any more:\n" + strings.Join(others, "\n") + "\n"
		} else {
			question += "No other master answers now; one that comes back will refuse writes.\n"
		}
		yes, err := confirm(question)
		if err == nil && !yes {
			err = ErrNotConfirmed
		}
		if err != nil {
			return fmt.Errorf("promote: %w", err)
		}
		var after store.Report
		if err := t.step(ctx, func(ctx context.Context) (err error) {
			if err = t.remote.At(*chosen).Promote(ctx); err == nil {
				after, err = t.remote.At(*chosen).Report(ctx)
			}
			return err
		}); err != nil {
			return fmt.Errorf("promote: %w", err)
		}
		fmt.Fprintf(o.Out, "the master at %s has epoch %d and writes\n", node, after.Epoch)
		return nil
	})
}

func describeMaster(r *store.Report) string {
	return fmt.Sprintf("history %s, epoch %d, number %d, %d entries", r.History, r.Epoch, r.Number, r.Entries)
}
