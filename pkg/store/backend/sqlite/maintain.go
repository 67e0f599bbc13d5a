// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"errors"

	sqlite3 "github.com/ncruces/go-sqlite3"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// errUncommitted is the error of what needs the file without an open transaction.
var errUncommitted = errors.New("there are changes that are not committed")

// Compact writes the file anew without its free pages, and in order. It needs as much room again while it works, and holds up readers of
// snapshots. Everything must be committed.
func (b *Backend) Compact(ctx context.Context) error {
	return b.maintain(ctx, "compact", func() error {
		// What VACUUM writes first must not be kept in memory.
		if err := b.exec("PRAGMA temp_store = FILE"); err != nil {
			return err
		}
		err := b.exec("VACUUM")
		if errors.Is(err, sqlite3.FULL) && b.file.conn.GetAutocommit() && b.pragmaSaysOK("quick_check") == nil {
			b.file.failed = nil // there was no room for it; all is as before
		}
		if restoreErr := b.exec("PRAGMA temp_store = MEMORY"); err == nil {
			err = restoreErr
		}
		return err
	})
}

// Verify reads the whole file and compares everything with its checksums, as it is done when a file is opened. Everything must be committed.
func (b *Backend) Verify(ctx context.Context) error {
	return b.maintain(ctx, "verify", func() error {
		// From the disk, not from memory.
		if err := b.file.conn.ReleaseMemory(); err != nil {
			return b.fail("verify", err)
		}
		return b.verify(true)
	})
}

func (b *Backend) maintain(ctx context.Context, act string, do func() error) error {
	b.file.Lock()
	defer b.file.Unlock()
	switch {
	case b.file.failed != nil:
		return b.file.failed
	case b.file.writing || !b.batch.empty() || len(b.metas.changed) > 0:
		return backend.Failure(b.path, act, errUncommitted)
	}
	before := b.file.conn.SetInterrupt(ctx)
	err := do()
	b.file.conn.SetInterrupt(before)
	if err != nil && ctx.Err() != nil {
		b.file.failed = nil // it was given up, nothing is wrong with the file
		return ctx.Err()
	}
	return err
}
