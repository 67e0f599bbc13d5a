// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Sync says what an acknowledged commit promises.
type Sync string

const (
	// Full promises that it is on the disk.
	Full Sync = "full"
	// Off promises nothing: a crash of the process or the machine loses the latest commits. What is there afterwards is what was there
	// after one of the commits.
	Off Sync = "off"
)

// Options configure a Backend. Zero fields mean the defaults.
type Options struct {
	// Sync is Full unless said otherwise.
	Sync Sync
	// CacheBytes bounds the memory for blocks of the tables, 32 MiB.
	CacheBytes int64
	// MemTableBytes is the size of the tables in memory that writes go to, 8 MiB; up to four of them are in use at a time. A store that
	// is written seldom needs a fraction of it.
	MemTableBytes int
	// FS is where the folder is, the file system of the machine if nil. It is for tests.
	FS vfs.FS
}

const (
	maxOpenFiles = 64
	// maxMemTables and maxSublevels are where Commit waits for the background.
	maxMemTables = 4
	maxSublevels = 24
	// neverStop is a limit that Pebble does not reach, since makeRoom waits before.
	neverStop     = 1 << 20
	minMemTable   = 64 << 10
	bloomBitsAKey = 10
	blockBytes    = 8 << 10
	// indexBlockBytes is so large that tables have one block of it.
	indexBlockBytes = 256 << 10
)

func (o Options) withDefaults() (Options, error) {
	if o.CacheBytes <= 0 {
		o.CacheBytes = 32 << 20
	}
	if o.MemTableBytes <= 0 {
		o.MemTableBytes = 8 << 20
	}
	o.MemTableBytes = max(o.MemTableBytes, minMemTable)
	switch o.Sync {
	case "":
		o.Sync = Full
	case Full, Off:
	default:
		return o, fmt.Errorf("sync %q: allowed: %s, %s", o.Sync, Full, Off)
	}
	return o, nil
}

// Open opens or makes the database in the folder dir, and the folders above it. Nobody else can open it meanwhile. Errors are of type
// *backend.Error.
func Open(dir string, o Options) (*Backend, error) {
	o, err := o.withDefaults()
	if err == nil && dir == "" {
		err = errors.New("a folder is required")
	}
	if err != nil {
		return nil, backend.Failure(dir, "open", err)
	}
	b := &Backend{path: dir, dir: dir, opt: o, fs: newGuard(o.fs())}
	if err := b.makeFolder(); err != nil {
		return nil, describe(dir, "make folder", err)
	}
	if err := b.open(); err != nil {
		b.fs.closing()
		_ = b.close()
		return nil, describe(dir, "open", err)
	}
	b.fs.arm()
	return b, nil
}

// makeFolder makes the folder, and finds its one true name: by that a second Open in this process is told apart from the first.
func (b *Backend) makeFolder() error {
	if b.opt.FS == nil {
		abs, err := filepath.Abs(b.path)
		if err != nil {
			return err
		}
		b.dir = abs
	}
	if err := b.makeDurable(b.dir); err != nil || b.opt.FS != nil {
		return err
	}
	var err error
	b.dir, err = filepath.EvalSymlinks(b.dir)
	return err
}

// makeDurable makes a folder and those above it that are missing, and syncs their names: a folder is an entry of the one above it.
func (b *Backend) makeDurable(dir string) error {
	parent := b.fs.PathDir(dir)
	if parent == dir {
		return nil
	}
	if _, err := b.fs.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		if err := b.makeDurable(parent); err != nil {
			return err
		}
	}
	if err := b.fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := b.fs.syncFolder(parent)
	if errors.Is(err, fs.ErrPermission) {
		return nil // it was there before: whoever may not read it has not made anything in it
	}
	return err
}

// open opens the database, migrates it if it is old, and compares it with its mark. b.db is set if there is something to close.
func (b *Backend) open() (err error) {
	defer func() {
		// Damage that Pebble did not expect.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %w: %v", errDamaged, errPanicked, p)
			b.failed = err
		}
	}()
	if b.lock, err = pebble.LockDirectory(b.dir, b.fs); err != nil {
		return err
	}
	if b.mark, err = openMark(b.fs, b.fs.PathJoin(b.dir, markName)); err != nil {
		return err
	}
	found, err := b.formatFound()
	if err != nil {
		return err
	}
	b.fs.watch(b.mark)
	opt := b.options()
	if found != 0 {
		opt.FormatMajorVersion = found
	}
	// Pebble takes the tables in memory out of the cache.
	cache := pebble.NewCache(b.opt.CacheBytes + int64(maxMemTables*b.opt.MemTableBytes))
	defer cache.Unref()
	opt.Cache = cache
	if b.db, err = pebble.Open(b.dir, opt); err != nil {
		b.db = nil
		return err
	}
	if err := b.load(found); err != nil {
		return err
	}
	b.tx = newTransaction(b.db)
	b.size = b.committed.size
	return errors.Join(b.compareMark(), b.fs.failure())
}

func (b *Backend) options() *pebble.Options {
	opt := &pebble.Options{
		FS: b.fs, Lock: b.lock, Logger: b.fs, EventListener: b.fs.listener(),
		FormatMajorVersion: format,
		MaxOpenFiles:       maxOpenFiles,
		MemTableSize:       uint64(b.opt.MemTableBytes), MemTableStopWritesThreshold: neverStop,
		L0StopWritesThreshold:      neverStop,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 2 },
		BytesPerSync:               1 << 20,
	}
	for i := range opt.Levels {
		opt.Levels[i].BlockSize, opt.Levels[i].IndexBlockSize = blockBytes, indexBlockBytes
		opt.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsAKey)
	}
	return opt
}

// compareMark compares the database with its mark.
func (b *Backend) compareMark() error {
	commits, err := b.mark.read()
	if err != nil {
		return err
	}
	if have := b.committed.commits; commits > have {
		return fmt.Errorf("%w: %d were acknowledged, %d are there", errLost, commits, have)
	}
	return nil
}
