// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/export"
)

const (
	// backupStamp is the time in a backup's name, in UTC.
	backupStamp = "20060102T150405Z"
	backupEnd   = ".jsonl.gz"
	// backupAgain is when a backup that failed is tried again, at the latest.
	backupAgain = 5 * time.Minute
	// longestDoze bounds a wait, because the clock of the schedule may be set.
	longestDoze = time.Minute
	// unfinished are the names of backups that are being written; those of others that are older than this are removed.
	unfinished    = ".new-*"
	unfinishedFor = 24 * time.Hour
)

var (
	backupName = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z\.jsonl\.gz$`)
	errNotOpen = errors.New("the master isn't open")
)

// backups makes the backups of one master, whenever its config wants them.
type backups struct {
	of  *runningStore
	dir string
	now func() time.Time
	// turn holds a token when the config has changed.
	turn chan struct{}

	mu struct {
		sync.Mutex
		state statusapi.Backup
	}
}

func newBackups(r *runningStore, dir string, now func() time.Time) *backups {
	return &backups{of: r, dir: dir, now: now, turn: make(chan struct{}, 1)}
}

// turned says that the config has changed, or that the time has. It never
// blocks; the nil backups are none.
func (b *backups) turned() {
	if b == nil {
		return
	}
	select {
	case b.turn <- struct{}{}:
	default:
	}
}

// status is what is known of the backups; nil if there are to be none.
func (b *backups) status() *statusapi.Backup {
	if b == nil || b.of.config().BackupSchedule == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.mu.state
	return &s
}

// run makes backups until the context ends. One that was missed while nobody
// was there to make it is made up for.
func (b *backups) run(ctx context.Context) {
	var c nodeconfig.Store
	var from time.Time // the next is the first that is due after this
	for ctx.Err() == nil {
		if now := b.of.config(); now.BackupSchedule != c.BackupSchedule || now.BackupClaim != c.BackupClaim {
			from = b.begin(now)
		}
		c = b.of.config()
		doze := longestDoze
		if c.BackupSchedule != "" {
			doze = b.attend(ctx, c, &from)
		}
		t := time.NewTimer(min(doze, longestDoze))
		select {
		case <-ctx.Done():
		case <-b.turn:
		case <-t.C:
		}
		t.Stop()
	}
}

// begin looks at what is there, and answers the time from which on backups are
// due.
func (b *backups) begin(c nodeconfig.Store) time.Time {
	var state statusapi.Backup
	from := b.now()
	if names, err := backupNames(b.folder(c)); err == nil && len(names) > 0 {
		state.File = names[len(names)-1]
		if at, err := time.Parse(backupStamp+backupEnd, state.File); err == nil {
			state.Last = &at
			if at.Before(from) {
				from = at
			}
		}
	}
	b.set(state)
	return from
}

// attend makes a backup if one is due, and answers how long until the next is.
func (b *backups) attend(ctx context.Context, c nodeconfig.Store, from *time.Time) time.Duration {
	schedule, err := cron.ParseStandard(c.BackupSchedule)
	if err != nil {
		b.failed(fmt.Errorf("schedule %q: %w", c.BackupSchedule, err), time.Time{})
		return longestDoze
	}
	due := func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		next := schedule.Next(from.UTC())
		if b.mu.state.Failed != nil {
			next = b.mu.state.Failed.Add(backupAgain)
		}
		return next
	}
	next := due()
	if !next.IsZero() && !next.After(b.now()) {
		at := b.now().UTC()
		file, err := b.make(ctx, c, at)
		switch {
		case ctx.Err() != nil:
			return 0
		case errors.Is(err, errNotOpen):
			return time.Second
		case err != nil:
			b.failed(err, at)
			b.of.log.Error("back up the store", "error", err)
		default:
			at = at.Truncate(time.Second)
			b.set(statusapi.Backup{Last: &at, File: file})
			b.of.log.Info("the store is backed up", "file", file)
		}
		*from = at
		next = due()
	}
	if next.IsZero() {
		b.failed(fmt.Errorf("schedule %q: no such time ever comes", c.BackupSchedule), time.Time{})
		return longestDoze
	}
	b.mu.Lock()
	b.mu.state.Next = &next
	b.mu.Unlock()
	b.of.wake()
	return max(next.Sub(b.now()), 0)
}

func (b *backups) set(s statusapi.Backup) {
	b.mu.Lock()
	b.mu.state = s
	b.mu.Unlock()
	b.of.wake()
}

// failed notes a failure; the time is zero for one that trying again doesn't
// mend.
func (b *backups) failed(err error, at time.Time) {
	b.mu.Lock()
	b.mu.state.Error = plain(err)
	b.mu.state.Failed = nil
	if !at.IsZero() {
		b.mu.state.Failed = &at
	}
	b.mu.Unlock()
	b.of.wake()
}

// plain are the words of an error without the names of unfinished files, which
// are others each time.
func plain(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Op + " " + filepath.Dir(p.Path) + ": " + p.Err.Error()
	}
	return err.Error()
}

// folder is where the backups of a store are.
func (b *backups) folder(c nodeconfig.Store) string {
	return backupFolder(b.dir, c.BackupClaim, c.StoreName)
}

// backupNames are the names of the backups in a folder, oldest first; none if
// there is no folder.
func backupNames(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, f := range files { // in the order of their names
		if backupName.MatchString(f.Name()) {
			names = append(names, f.Name())
		}
	}
	return names, err
}

// make writes a backup, and then removes those that are too old. Under its
// name there is either nothing or a whole backup that has reached the disk.
func (b *backups) make(ctx context.Context, c nodeconfig.Store, at time.Time) (name string, err error) {
	if b.dir == "" {
		return "", errors.New("this node was given no folder for backups")
	}
	b.of.mu.Lock()
	m, ok := b.of.mu.handle.(*store.Master)
	b.of.mu.Unlock()
	if !ok {
		return "", errNotOpen
	}
	dir := b.folder(c)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	name = at.Format(backupStamp) + backupEnd
	err = replaceFile(filepath.Join(dir, name), unfinished, func(f *os.File) error { return write(ctx, m, f, c.StoreName) })
	if err != nil {
		return "", err
	}
	return name, cmp.Or(syncDir(dir), b.prune(c))
}

// write writes the content of a master as it is now.
func write(ctx context.Context, m *store.Master, to *os.File, name string) (err error) {
	snapshot, err := m.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	packed := gzip.NewWriter(to)
	out, err := export.NewWriter(packed, name)
	if err != nil {
		return err
	}
	for e, err := range snapshot.Entries() {
		if err == nil {
			err = cmp.Or(ctx.Err(), out.Put(e))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), packed.Close())
}

// prune removes the backups that are more than are to be kept, and what others
// have left unfinished.
func (b *backups) prune(c nodeconfig.Store) error {
	names, err := backupNames(b.folder(c))
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-c.BackupKeep)] {
		err = errors.Join(err, os.Remove(filepath.Join(b.folder(c), name)))
	}
	left, _ := filepath.Glob(filepath.Join(b.folder(c), unfinished))
	for _, path := range left {
		if info, statErr := os.Stat(path); statErr == nil && b.now().Sub(info.ModTime()) > unfinishedFor {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}
