// SPDX-License-Identifier: Apache-2.0

//go:build !race

package modeltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	pebblefs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
	"github.com/brokermesh/brokermesh/pkg/store/backend/pebble"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
)

// disk is what a master keeps over its processes.
type disk interface {
	// open opens what is there.
	open() (backend.Backend, error)
	// crash cuts the present process off: what it writes from now on goes nowhere, and what it had not synced may be gone.
	crash()
	// crashAt makes the process die at a write to come; died is called in the middle of it.
	crashAt(n int, died func())
}

// volatile is the disk of a master in memory, which never crashes in a history.
type volatile struct{}

func (volatile) open() (backend.Backend, error) { return memory.New(), nil }
func (volatile) crash()                         {}
func (volatile) crashAt(int, func())            {}

// pebbleDisk is a folder of Pebble in memory.
type pebbleDisk struct {
	mu   sync.Mutex
	rng  *rand.Rand
	fs   *pebblefs.MemFS
	left int
	died func()
}

func openPebble(seed uint64, _ string) disk {
	return &pebbleDisk{rng: rand.New(rand.NewPCG(seed, 3)), fs: pebblefs.NewCrashableMem()}
}

func (d *pebbleDisk) open() (backend.Backend, error) {
	d.mu.Lock()
	fs := d.fs
	d.left, d.died = 0, nil
	d.mu.Unlock()
	return pebble.Open("/store", pebble.Options{FS: errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		return d.before(fs, op)
	})), MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
}

func (d *pebbleDisk) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut()
}

func (d *pebbleDisk) cut() {
	d.fs = d.fs.CrashClone(pebblefs.CrashCloneCfg{
		UnsyncedDataPercent: []int{0, 50, 100}[d.rng.IntN(3)], RNG: rand.New(rand.NewPCG(d.rng.Uint64(), 0)),
	})
}

func (d *pebbleDisk) crashAt(n int, died func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.died = n, died
}

var errDied = errors.New("the process is dead")

// before is called before every act on the file system.
func (d *pebbleDisk) before(fs *pebblefs.MemFS, op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if fs != d.fs || d.left == 0 {
		return nil
	}
	if d.left--; d.left > 0 {
		return nil
	}
	d.died() // first: what the process says from here on is not heard
	d.cut()
	return errDied
}

// sqliteDisk is a database file. A crash copies it, which is right only between two commits.
type sqliteDisk struct {
	dir string
	n   int
}

func openSQLite(_ uint64, dir string) disk { return &sqliteDisk{dir: dir} }

func (d *sqliteDisk) path() string { return filepath.Join(d.dir, fmt.Sprintf("store%d.sqlite", d.n)) }

func (d *sqliteDisk) open() (backend.Backend, error) {
	return sqlite.Open(d.path(), sqlite.Options{Synchronous: sqlite.Off, JournalMode: sqlite.WAL})
}

func (d *sqliteDisk) crash() {
	old := d.path()
	d.n++
	for _, suffix := range []string{"", "-wal", "-journal", "-mark"} {
		content, err := os.ReadFile(old + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(d.path()+suffix, content, 0o600)
		}
		if err != nil {
			panic(err)
		}
	}
}

func (*sqliteDisk) crashAt(int, func()) {}
