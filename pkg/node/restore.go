// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/export"
)

// Names of what a database knows of restores.
const (
	// metaRestored is what became of the last one.
	metaRestored = "node-restored"
	// metaRestoring is there while a backup is only in part in the database.
	metaRestoring = "node-restoring"
)

// restoreBatch is how many bytes of entries are committed at a time.
const restoreBatch = 8 << 20

// restore has a database without entries begin with the backup that a config
// wants, once for each request. What an earlier process left half done goes.
func (e *engine) restore(ctx context.Context, r *runningStore, c nodeconfig.Store, be backend.Backend) error {
	if err := sweepRestore(be); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if c.RestoreClaim == "" {
		return nil
	}
	done, err := restored(be)
	if err == nil && done.Request != c.RestoreRequest() {
		done = statusapi.Restore{Request: c.RestoreRequest(), Refused: be.Size().Entries > 0}
		if done.Refused {
			r.log.Warn("the store has entries, nothing is restored", "request", done.Request)
			err = remember(be, done)
		} else {
			err = e.fill(ctx, r, c, be, &done)
		}
	}
	if err != nil {
		err = fmt.Errorf("restore %s: %w", filepath.Join(backupFolder("", c.RestoreClaim, c.RestoreStore), cmp.Or(done.File, c.RestoreFile)), err)
		done = statusapi.Restore{Request: c.RestoreRequest(), Error: err.Error()}
	}
	r.mu.Lock()
	r.mu.restore = &done
	r.mu.Unlock()
	return err
}

// sweepRestore removes what was not restored to its end.
func sweepRestore(be backend.Backend) error {
	half, err := be.Meta(metaRestoring)
	if err != nil || half == nil {
		return err
	}
	return inTurn(be.Clear, func() error { return be.SetMeta(metaRestoring, nil) }, be.Commit)
}

// restored is what a database says of its last restore.
func restored(be backend.Backend) (r statusapi.Restore, err error) {
	raw, err := be.Meta(metaRestored)
	if err != nil || raw == nil {
		return r, err
	}
	return r, json.Unmarshal(raw, &r)
}

func remember(be backend.Backend, r statusapi.Restore) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return inTurn(func() error { return be.SetMeta(metaRestored, raw) }, be.Commit)
}

// inTurn takes steps until one fails.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads a backup twice: to see that it is whole and not too much, then
// into the database.
func (e *engine) fill(ctx context.Context, r *runningStore, c nodeconfig.Store, be backend.Backend, done *statusapi.Restore) (err error) {
	dir := backupFolder(e.o.BackupDir, c.RestoreClaim, c.RestoreStore)
	if done.File, err = chosen(e.o.BackupDir, dir, c.RestoreFile); err != nil {
		return err
	}
	path := filepath.Join(dir, done.File)
	fits := func(b backend.Entry) error {
		size, most := int64(b.Key.BinarySize()+b.Value.BinarySize()), cmp.Or(c.EntryBytes, nodeconfig.DefaultEntryBytes)
		if size > most {
			return fmt.Errorf("an entry of %d bytes, allowed: %d (spec.master.entrySize)", size, most)
		}
		return ctx.Err()
	}
	if err := readBackup(path, fits); err != nil {
		return err
	}
	known, err := store.Inspect(be)
	if err != nil {
		return err
	}
	err = inTurn(
		func() error { return be.SetMeta(metaRestoring, []byte{1}) }, be.Commit,
		func() error { return readBackup(path, pouring(ctx, be, &done.Entries)) },
		func() error { return store.BeginAnew(be, max(known.Epoch, known.Fenced, c.Epoch)) },
		func() error { return remember(be, *done) },
	)
	if err == nil {
		r.log.Info("the store begins with a backup", "file", path, "entries", done.Entries)
	}
	return err
}

// pouring puts entries into a database, but those that have expired.
func pouring(ctx context.Context, be backend.Backend, count *int64) func(backend.Entry) error {
	now, pending := time.Now(), 0
	return func(b backend.Entry) error {
		if b.Deadline.Passed(now) {
			return ctx.Err()
		}
		*count++
		if err := be.Put(b); err != nil {
			return err
		}
		if pending += b.Key.BinarySize() + b.Value.BinarySize() + 64; pending < restoreBatch {
			return nil
		}
		pending = 0
		return cmp.Or(be.Commit(), ctx.Err())
	}
}

// chosen is the name of the backup in a folder that is meant.
func chosen(root, dir, name string) (string, error) {
	if root == "" {
		return "", errors.New("this node was given no folder for backups (its pod is yet to be replaced)")
	}
	if name != "" {
		return name, nil
	}
	names, err := backupNames(dir)
	switch {
	case err != nil:
		return "", errors.New(plain(err))
	case len(names) > 0:
		return names[len(names)-1], nil
	}
	return "", errors.New("there is no backup in the folder")
}

func readBackup(path string, put func(backend.Entry) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return errors.New(plain(err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%w: %w", export.ErrDamaged, err)
	}
	return export.Read(unpacked, put)
}
