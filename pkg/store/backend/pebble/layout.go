// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

const (
	// layout is the version of our own keys, format that of Pebble's files.
	layout = 2
	format = pebble.FormatNewest
	// oldEntryPrefix and oldSizeKey are of layout 1.
	oldEntryPrefix = 'd'
	oldSizeKey     = "msize"
	// migrationBytes is the size of the batches of a migration.
	migrationBytes = 256 << 10
)

// formatFound is the version of Pebble's files in the folder, 0 if there are none, and looks whether its manifest is as the mark says.
func (b *Backend) formatFound() (pebble.FormatMajorVersion, error) {
	desc, err := pebble.Peek(b.dir, b.fs)
	switch {
	case err != nil && strings.Contains(err.Error(), "unknown format major version"):
		return 0, fmt.Errorf("%w: this program knows format %d of Pebble's files: %w", errNewer, uint64(format), err)
	case err != nil:
		return 0, err
	case !desc.Exists:
		return 0, nil
	}
	return desc.FormatMajorVersion, b.mark.checkManifest(b.fs, b.fs.PathJoin(b.dir, b.fs.PathBase(desc.ManifestFilename)))
}

// load reads what the folder says about itself, and brings it to the latest version.
func (b *Backend) load(found pebble.FormatMajorVersion) error {
	version, err := b.layoutFound()
	if err != nil {
		return err
	}
	switch {
	case version == 0:
		if err := b.mustBeEmpty(); err != nil {
			return err
		}
		return b.db.Set(versionKey, strconv.AppendUint(nil, layout, 10), pebble.Sync)
	case version > layout:
		return fmt.Errorf("%w: it has layout %d, this program knows up to %d", errNewer, version, layout)
	}
	if version < layout || found < format {
		if err := b.backUp(version, found); err != nil {
			return fmt.Errorf("keep a copy before the migration: %w", err)
		}
	}
	if found < format {
		if err := b.db.RatchetFormatMajorVersion(format); err != nil {
			return err
		}
	}
	if version < layout {
		if err := b.migrate(); err != nil {
			return fmt.Errorf("migrate from layout %d: %w", version, err)
		}
	}
	return b.loadState()
}

// layoutFound is the layout that the folder names, 0 if none.
func (b *Backend) layoutFound() (uint64, error) {
	raw, err := b.fact(versionKey)
	if err != nil || raw == nil {
		return 0, err
	}
	version, err := strconv.ParseUint(string(raw), 10, 32)
	if err != nil || version == 0 {
		return 0, fmt.Errorf("%w: the layout is %q", errDamaged, raw)
	}
	return version, nil
}

// mustBeEmpty refuses a folder that has content but doesn't say of which layout.
func (b *Backend) mustBeEmpty() error {
	it, err := b.db.NewIter(nil)
	if err != nil {
		return err
	}
	if it.First() {
		err = errors.New("the folder holds another program's database")
	}
	return errors.Join(err, it.Close())
}

func (b *Backend) loadState() error {
	raw, err := b.fact(stateKey)
	if err == nil && raw != nil { // else nothing was ever committed
		b.committed, err = decodeState(raw)
	}
	return err
}

// fact is a copy of what is stored under a key, nil if nothing.
func (b *Backend) fact(key []byte) ([]byte, error) {
	value, closer, err := b.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return append([]byte{}, value...), closer.Close()
}

// backUp keeps a copy of the folder beside it. One that is there from a migration that was cut off is made again.
func (b *Backend) backUp(version uint64, found pebble.FormatMajorVersion) error {
	dest := fmt.Sprintf("%s.layout%d-format%d.backup", strings.TrimRight(b.dir, "/"), version, uint64(found))
	if err := b.fs.RemoveAll(dest); err != nil {
		return err
	}
	return b.db.Checkpoint(dest, pebble.WithFlushedWAL())
}

// migrate rewrites the entries of layout 1. Until the last batch, which also writes the version, those of layout 1 stay.
func (b *Backend) migrate() error {
	tx := newTransaction(b.db)
	defer tx.batch.Close()
	if err := tx.deleteAll(entryPrefix); err != nil { // of a migration that was cut off
		return err
	}
	it, err := b.db.NewIter(&pebble.IterOptions{LowerBound: []byte{oldEntryPrefix}, UpperBound: []byte{oldEntryPrefix + 1}})
	if err != nil {
		return err
	}
	var s state
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = migrateEntry(&tx, &s, it.Key(), it.Value())
		if err == nil && tx.batch.Len() > migrationBytes {
			err = tx.batch.Commit(pebble.NoSync) // the last one syncs the log, with all before it
			tx.reset()
		}
	}
	if err := errors.Join(err, it.Error(), it.Close()); err != nil {
		return err
	}
	return errors.Join(
		tx.deleteAll(oldEntryPrefix),
		tx.batch.Delete([]byte(oldSizeKey), nil),
		tx.batch.Set(versionKey, strconv.AppendUint(nil, layout, 10), nil),
		tx.batch.Set(stateKey, s.append(nil), nil),
		tx.batch.Commit(pebble.Sync),
	)
}

// migrateEntry puts an entry of layout 1, a deadline with the value behind it, into the transaction.
func migrateEntry(tx *transaction, s *state, oldKey, raw []byte) error {
	if len(raw) < 8 {
		return errDamaged
	}
	value, err := data.Decode(raw[8:])
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	key := append([]byte{entryPrefix}, oldKey[1:]...)
	s.size.Entries++
	s.size.Bytes += int64(len(key) - 1 + len(raw) - 8)
	return tx.put(key, &backend.Entry{Value: value, Deadline: decodeDeadline(raw)})
}
