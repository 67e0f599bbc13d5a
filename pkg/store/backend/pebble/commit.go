// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// errPanicked marks a failure in which Pebble gave up with a panic.
var errPanicked = errors.New("pebble: panicked")

// Commit writes the changes since the last one in one batch, and waits until the disk has them, unless the options say otherwise.
func (b *Backend) Commit() error {
	if err := b.usable(); err != nil || b.tx.empty() {
		return err
	}
	if err := b.makeRoom(); err != nil {
		return err
	}
	next := state{size: b.size, commits: b.committed.commits + 1}
	b.scratch = next.append(b.scratch[:0])
	if err := b.tx.batch.Set(stateKey, b.scratch, nil); err != nil {
		return b.fail("commit", err)
	}
	b.written += b.tx.batch.Len()
	if err := b.write(); err != nil {
		return b.fail("commit", err)
	}
	b.tx.reset()
	b.committed = next
	if err := b.closeReader(); err != nil {
		return b.fail("commit", err)
	}
	if b.opt.Sync == Off {
		return nil
	}
	return b.fail("commit", b.mark.set(next.commits))
}

// write hands the batch to Pebble.
func (b *Backend) write() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	mode := pebble.Sync
	if b.opt.Sync == Off {
		mode = pebble.NoSync
	}
	return errors.Join(b.tx.batch.Commit(mode), b.fs.failure())
}

// makeRoom waits while Pebble has much more to write in the background than it should. Pebble itself would wait as well, but would not
// notice that its background work fails.
func (b *Backend) makeRoom() error {
	if b.written < b.opt.MemTableBytes/4 {
		return nil
	}
	b.written = 0
	for {
		m := b.db.Metrics()
		if m.MemTable.Size < uint64(maxMemTables*b.opt.MemTableBytes) && m.Levels[0].Sublevels < maxSublevels {
			return nil
		}
		b.fs.wait()
		if err := b.usable(); err != nil {
			return err
		}
	}
}

// usable is the error that ended the service, nil if it goes on.
func (b *Backend) usable() error {
	if b.failed != nil {
		return b.failed
	}
	if err := b.fs.failure(); err != nil {
		return b.fail("write", err)
	}
	return nil
}

// fail ends the service with an error that says what to do. It answers nil for nil.
func (b *Backend) fail(act string, err error) error {
	if err == nil {
		return nil
	}
	if b.failed == nil {
		b.failed = describe(b.path, act, b.fs.cause(err))
		b.fs.stop(err)
	}
	return b.failed
}
