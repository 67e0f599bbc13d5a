// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// turnTo takes a config that the store can go to as it runs: the same one, or
// one that differs in what says whose turn it is to be the master, as long as
// this one is the master already.
func (r *runningStore) turnTo(c nodeconfig.Store) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.config == c {
		return true
	}
	m, ok := r.mu.handle.(*store.Master)
	was := r.mu.config.Succession()
	if c.RestoreClaim == "" { // what became of it is done with
		was.RestoreClaim, was.RestoreStore, was.RestoreFile = "", "", ""
	}
	if !ok || was != c.Succession() || m.Status().Epoch < c.Epoch {
		return false
	}
	if c.LeaseSeconds != r.mu.config.LeaseSeconds {
		m.Lease(unasked(c))
	}
	m.SetExpiry(expiryOf(c))
	r.mu.config = c
	if c.RestoreClaim == "" {
		r.mu.restore = nil
	}
	r.backups.turned()
	return true
}

// always is the lease of a master that needs none.
const always = 100 * 365 * 24 * time.Hour

// unasked is the lease that a master has without being granted one: for ever,
// if its config has no leases, else none.
func unasked(c nodeconfig.Store) time.Duration {
	if c.LeaseSeconds == 0 {
		return always
	}
	return 0
}

// expiryOf is what a config says of entries that are written without an expiry.
func expiryOf(c nodeconfig.Store) time.Duration {
	return time.Duration(c.ExpirySeconds * float64(time.Second))
}

func masterOptions(r *runningStore, c nodeconfig.Store) store.MasterOptions {
	return store.MasterOptions{
		MaxEntryBytes: int(c.EntryBytes), HistoryBytes: int(c.HistoryBytes), Logger: r.log,
		Leased: true, // so that leases can begin, and end, without a new master
		Lease:  unasked(c),
		Expiry: expiryOf(c),
	}
}

// openMaster serves what the backend holds, if that is late enough, and else
// takes the store over from the master that there is. It closes the backend on
// every error.
func (e *engine) openMaster(ctx context.Context, r *runningStore, c nodeconfig.Store, be backend.Backend) (handle, error) {
	known, err := store.Inspect(be)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the backend: %w", err), be.Close())
	}
	if c.Epoch != 0 && (known.Epoch < c.Epoch || known.Unfinished || known.Fenced > known.Epoch) {
		return e.takeOver(ctx, r, c, be)
	}
	if r.copy != nil {
		if err := r.copy.Close(); err != nil {
			r.log.Error("close the clone", "error", err)
		}
		r.copy = nil
		r.mu.Lock()
		r.mu.handle, r.mu.takingOver = nil, false
		r.mu.Unlock()
	}
	master, err := store.NewMaster(e.endpoint, c.StoreName, be, masterOptions(r, c))
	if err != nil {
		return nil, fmt.Errorf("attach the master: %w", err)
	}
	return master, nil
}

// takeOver attaches a clone, or takes the one that was there, and makes it the
// master.
func (e *engine) takeOver(ctx context.Context, r *runningStore, c nodeconfig.Store, be backend.Backend) (handle, error) {
	if err := e.attach(r, c); err != nil {
		return nil, errors.Join(err, be.Close())
	}
	r.mu.Lock()
	r.mu.handle, r.mu.takingOver = r.copy.Clone, true
	r.mu.Unlock()
	r.wake()
	if err := r.awaitContent(ctx, c.Promote); err != nil {
		return nil, errors.Join(err, be.Close())
	}
	o := store.TakeOverOptions{Master: masterOptions(r, c), Force: c.Promote, StrandForeign: c.StrandForeignClones}
	if c.Promote {
		o.Epoch = c.Epoch
	}
	master, err := r.copy.TakeOver(ctx, be, o)
	if err != nil {
		return nil, err
	}
	r.copy = nil // closed
	return master, nil
}

// awaitContent waits until the clone has all that its master has, or if there
// is no master to ask, anything at all.
func (r *runningStore) awaitContent(ctx context.Context, promote bool) error {
	for {
		changed := r.copy.Changed()
		s := r.copy.Status()
		if s.State == store.StateSynced || promote && s.Epoch > 0 {
			return nil
		}
		r.wake()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refusals are the errors of a takeover that waiting doesn't mend.
var refusals = []error{store.ErrForeignClones, store.ErrRefused, store.ErrNotEqual, store.ErrOtherHistory, store.ErrNotSupported}

// refusal says in words for people why a takeover was refused; empty if it
// wasn't.
func refusal(err error) string {
	if !slices.ContainsFunc(refusals, func(known error) bool { return errors.Is(err, known) }) {
		return ""
	}
	return err.Error()
}
