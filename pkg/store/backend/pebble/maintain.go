// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Compact rewrites the folder so that it takes no more room than its content needs. What is not committed stays so.
func (b *Backend) Compact(ctx context.Context) error {
	if err := b.usable(); err != nil {
		return err
	}
	if err := b.closeReader(); err != nil { // what it sees could not be removed
		return b.fail("compact", err)
	}
	err := b.db.Compact(ctx, []byte{0}, []byte{0xff}, false)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return b.fail("compact", err)
}

// Verify reads all that is committed, and compares every part with the others: blocks with their checksums, entries with theirs, the
// order of deadlines with the entries, and the figures with what they count. An error matches code.BackendFailure, or it is that of the
// context.
func (b *Backend) Verify(ctx context.Context) error {
	if err := b.usable(); err != nil {
		return err
	}
	v := verification{ctx: ctx, db: b.db.NewSnapshot()}
	err := errors.Join(v.run(b.committed.size), v.db.Close())
	if err == nil {
		err = b.db.CheckLevels(nil)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return b.fail("verify", err)
}

type verification struct {
	ctx      context.Context
	db       *pebble.Snapshot
	size     backend.Size
	expiring int64
	probe    []byte
}

func (v *verification) run(want backend.Size) error {
	if err := v.each(entryPrefix, v.entry); err != nil {
		return err
	}
	if v.size != want {
		return fmt.Errorf("%w: %d entries of %d bytes, the figures say %d of %d", errDamaged, v.size.Entries, v.size.Bytes, want.Entries,
			want.Bytes)
	}
	if err := v.each(deadlinePrefix, v.deadline); err != nil {
		return err
	}
	if v.expiring != 0 {
		return fmt.Errorf("%w: %d entries are not in the order of deadlines", errDamaged, v.expiring)
	}
	return nil
}

// each hands over what begins with a prefix.
func (v *verification) each(prefix byte, check func(key, value []byte) error) error {
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		if err = v.ctx.Err(); err == nil {
			err = check(it.Key(), it.Value())
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

func (v *verification) entry(key, value []byte) error {
	e, err := decodeEntry(key, value)
	if err != nil {
		return fmt.Errorf("entry %x: %w", key[1:], err)
	}
	v.size.Entries++
	v.size.Bytes += int64(e.Key.BinarySize() + e.Value.BinarySize())
	if e.Deadline != backend.Never {
		v.expiring++
	}
	return nil
}

// deadline checks that an entry in the order of deadlines is there and expires then.
func (v *verification) deadline(key, _ []byte) error {
	e, err := decodeDeadlineKey(key)
	if err != nil {
		return fmt.Errorf("deadline %x: %w", key[1:], err)
	}
	v.probe = append(append(v.probe[:0], entryPrefix), key[9:]...)
	raw, closer, err := v.db.Get(v.probe)
	if err != nil {
		return fmt.Errorf("%w: a deadline of an entry that is not there: %w", errDamaged, err)
	}
	defer closer.Close()
	if stored, err := cut(raw); err != nil || stored.deadline != e.Deadline {
		return fmt.Errorf("%w: an entry has another deadline than the order of deadlines says", errDamaged)
	}
	v.expiring--
	return nil
}
