// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// retryPause is how long the background work of a database that has failed waits before it may try again.
const retryPause = 100 * time.Millisecond

// guard is the file system that Pebble sees. Once it is armed, the first write or sync that fails is the last: from then on nothing
// reaches the folder.
//
// What Pebble is told then serves to keep it from panicking or from trying again for ever: logs take everything (nobody is told that it
// was written: the commit looks at failure), new files can be made, and writing to any other file fails after a pause.
type guard struct {
	vfs.FS
	mu struct {
		sync.Mutex
		armed  bool
		failed error
		lock   io.Closer
		mark   *mark
	}
	// progress has an element after something has happened in the background.
	progress chan struct{}
	// ended is closed when the database is about to be closed.
	ended chan struct{}
	once  sync.Once
}

func newGuard(fs vfs.FS) *guard {
	return &guard{FS: fs, progress: make(chan struct{}, 1), ended: make(chan struct{})}
}

// arm makes the next failure the last. Before, while a database is opened, errors just go to Pebble.
func (g *guard) arm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.armed = true
}

// watch makes the guard write into the mark what is synced of manifests.
func (g *guard) watch(m *mark) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.mark = m
}

// synced takes note of how much of a manifest is synced.
func (g *guard) synced(s *sum) error {
	g.mu.Lock()
	m := g.mu.mark
	g.mu.Unlock()
	if s == nil || m == nil {
		return nil
	}
	return m.setSum(s)
}

// failure is the first error, nil if there is none.
func (g *guard) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.failed
}

// cause is the first error if there is one, else err: what goes wrong afterwards is a consequence.
func (g *guard) cause(err error) error {
	if err == nil {
		return nil
	}
	if first := g.failure(); first != nil && !errors.Is(err, errPanicked) {
		return first
	}
	return err
}

// stop takes an error as the last. It answers whether writes have ended.
func (g *guard) stop(err error) (stopped bool) {
	defer g.happened()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && g.mu.failed == nil {
		g.mu.failed = err
	}
	return g.mu.armed && g.mu.failed != nil
}

// happened wakes who waits.
func (g *guard) happened() {
	select {
	case g.progress <- struct{}{}:
	default:
	}
}

// wait returns when something has happened in the background.
func (g *guard) wait() { <-g.progress }

// closing ends pauses.
func (g *guard) closing() { g.once.Do(func() { close(g.ended) }) }

// done is what Pebble is told about an act that does not write data.
func (g *guard) done(act, name string, err error) error {
	if !g.isArmed() {
		return err
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.stop(fmt.Errorf("%s %s: %w", act, filepath.Base(name), err))
		return nil
	}
	return err
}

func (g *guard) isArmed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.armed
}

func (g *guard) stopped() bool { return g.stop(nil) }

// pause keeps retries apart.
func (g *guard) pause() {
	t := time.NewTimer(retryPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-g.ended:
	}
}

// create makes or opens a file for writing. One that can't be made is replaced by one that is not there.
func (g *guard) create(act, name string, open func() (vfs.File, error)) (vfs.File, error) {
	if g.stopped() {
		return &guarded{g: g, name: name}, nil
	}
	f, err := open()
	if err == nil {
		return &guarded{File: f, g: g, name: name}, nil
	}
	if g.isArmed() {
		g.stop(fmt.Errorf("%s %s: %w", act, filepath.Base(name), err))
		return &guarded{g: g, name: name}, nil
	}
	return nil, err
}

// markerPrefix begins the names of the files by which Pebble says which manifest counts.
const markerPrefix = "marker."

// Create makes a file. What a marker names is made durable before it.
func (g *guard) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(filepath.Base(name), markerPrefix) {
		if err := g.syncFolder(g.PathDir(name)); err != nil {
			return nil, err
		}
	}
	f, err := g.create("create", name, func() (vfs.File, error) { return g.FS.Create(name, c) })
	if number, ok := manifestNumber(name); ok && err == nil {
		f.(*guarded).sum = &sum{number: number}
	}
	return f, err
}

// syncFolder makes the names in a folder durable.
func (g *guard) syncFolder(name string) error {
	d, err := g.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// OpenReadWrite opens or makes a file.
func (g *guard) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return g.create("open", name, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, c, o...) })
}

// ReuseForWrite renames a file and opens it for writing.
func (g *guard) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create("reuse", newname, func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, c) })
}

// OpenDir opens a folder, for syncing it.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guarded{File: f, g: g, name: name, dir: true}, nil
}

// Link makes a second name.
func (g *guard) Link(oldname, newname string) error {
	if g.stopped() {
		return nil
	}
	return g.done("link", newname, g.FS.Link(oldname, newname))
}

// Remove removes a file.
func (g *guard) Remove(name string) error {
	if g.stopped() {
		return nil
	}
	return g.done("remove", name, g.FS.Remove(name))
}

// RemoveAll removes a file or folder with all in it.
func (g *guard) RemoveAll(name string) error {
	if g.stopped() {
		return nil
	}
	return g.done("remove", name, g.FS.RemoveAll(name))
}

// Rename renames a file.
func (g *guard) Rename(oldname, newname string) error {
	if g.stopped() {
		return nil
	}
	return g.done("rename", newname, g.FS.Rename(oldname, newname))
}

// Lock locks the folder. The guard remembers how to give it back.
func (g *guard) Lock(name string) (io.Closer, error) {
	c, err := g.FS.Lock(name)
	if err != nil {
		if cause := new(os.PathError); !errors.As(err, &cause) {
			err = fmt.Errorf("%w: %w", errInUse, err)
		}
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.lock = &folderLock{lock: c}
	return g.mu.lock, nil
}

// folderLock gives a folder back once.
type folderLock struct {
	once sync.Once
	lock io.Closer
	err  error
}

// Close gives the folder back.
func (l *folderLock) Close() error {
	l.once.Do(func() { l.err = l.lock.Close() })
	return l.err
}

// unlock gives the folder back if Pebble has not.
func (g *guard) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.lock != nil {
		_ = g.mu.lock.Close()
	}
}

// Unwrap is the file system below.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// Infof says nothing.
func (*guard) Infof(string, ...any) {}

// Errorf says nothing: what matters comes back as an error from a call.
func (*guard) Errorf(string, ...any) {}

// Fatalf takes the error as the last: Pebble expects the process to end, here it is the service that ends.
func (g *guard) Fatalf(format string, args ...any) { g.stop(fmt.Errorf(format, args...)) }

// listener is told of what fails in the background.
func (g *guard) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if !errors.Is(err, pebble.ErrCancelledCompaction) && !errors.Is(err, pebble.ErrClosed) {
				g.stop(err)
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			g.stop(fmt.Errorf("%w: %s: %w", errDamaged, filepath.Base(i.Path), i.Details))
		},
		FlushEnd:      func(pebble.FlushInfo) { g.happened() },
		CompactionEnd: func(pebble.CompactionInfo) { g.happened() },
	}
}

// isLog tells whether a file is a write-ahead log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }
