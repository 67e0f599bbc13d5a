// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	sqlite3 "github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// simDisk is a file system in memory that fails at a given point, and that knows what of its content would survive a power cut.
type simDisk struct {
	name string
	mu   sync.Mutex
	// files are by name; one that was removed stays in gone until that is on the disk.
	files, gone map[string]*simFile
	// ops counts writes, syncs, truncations, removals and new files.
	ops   int
	fault fault
	// dead makes everything fail.
	dead bool
}

// fault is what goes wrong at the operation number at (from 1; 0: nothing).
type fault struct {
	at   int
	kind faultKind
	err  error
}

type faultKind int

const (
	// failOnce lets one operation fail without any effect, failAlways that and all that come after, failShort leaves half of a write.
	failOnce faultKind = iota
	failAlways
	failShort
	// killed ends the process after half of a write, powerCut takes also what was not synced.
	killed
	powerCut
)

func (k faultKind) String() string {
	return [...]string{"fails once", "fails from then on", "fails half done", "is killed", "power cut"}[k]
}

// simFile is a file: what it holds, what it held when it was last synced, and what was done to it since.
type simFile struct {
	now, synced []byte
	since       []simWrite
	// made tells that its name is on the disk.
	made bool
}

// simWrite is a write, or a truncation if data is nil.
type simWrite struct {
	at   int64
	data []byte
}

var simDisks atomic.Int64

// newSimDisk registers a disk with these files under a name of its own, until the test ends.
func newSimDisk(t *testing.T, files map[string]*simFile) *simDisk {
	d := &simDisk{name: fmt.Sprintf("sim%d", simDisks.Add(1)), files: files, gone: map[string]*simFile{}}
	vfs.Register(d.name, disk{d})
	t.Cleanup(func() { vfs.Unregister(d.name) })
	return d
}

// afterwards are the files as the next process finds them. After a power cut each write since the last sync is there or not, whole or torn
// at a sector.
func (d *simDisk) afterwards(rng *rand.Rand) map[string]*simFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	found := map[string]*simFile{}
	if d.fault.kind != powerCut {
		for name, f := range d.files {
			found[name] = &simFile{now: bytes.Clone(f.now), synced: bytes.Clone(f.now), made: true}
		}
		return found
	}
	for _, name := range slices.Sorted(maps.Keys(d.gone)) {
		if rng.IntN(2) == 0 {
			found[name] = d.gone[name].survivor(rng)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		if f := d.files[name]; f.made || rng.IntN(2) == 0 {
			found[name] = f.survivor(rng)
		}
	}
	return found
}

func (f *simFile) survivor(rng *rand.Rand) *simFile {
	content := bytes.Clone(f.synced)
	keep := rng.IntN(4) // nothing, everything, or each with a chance
	for _, w := range f.since {
		switch {
		case keep == 0 || keep > 1 && rng.IntN(2) == 0:
			continue
		case w.data == nil:
			content = resized(content, w.at)
		default:
			part := w.data
			if keep > 1 && rng.IntN(4) == 0 {
				part = part[:rng.IntN(len(part)/512+1)*512]
			}
			content = written(content, w.at, part)
		}
	}
	return &simFile{now: bytes.Clone(content), synced: content, made: true}
}

func resized(p []byte, size int64) []byte {
	if size <= int64(len(p)) {
		return p[:size:size]
	}
	return append(p, make([]byte, size-int64(len(p)))...)
}

func written(p []byte, at int64, data []byte) []byte {
	if end := at + int64(len(data)); end > int64(len(p)) {
		p = resized(p, end)
	}
	copy(p[at:], data)
	return p
}

// op counts an operation; half tells that half of it has an effect, a non-nil error that it fails.
func (d *simDisk) op() (half bool, err error) {
	d.ops++
	if d.dead {
		return false, sqlite3.IOERR
	}
	if d.fault.at == 0 || d.ops < d.fault.at || d.ops > d.fault.at && d.fault.kind != failAlways {
		return false, nil
	}
	switch d.fault.kind {
	case killed, powerCut:
		d.dead = true
		return true, sqlite3.IOERR
	case failShort:
		return true, d.fault.err
	}
	return false, d.fault.err
}

func (d *simDisk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return nil, flags, sqlite3.CANTOPEN
	}
	f := d.files[name]
	if f == nil {
		if flags&vfs.OPEN_CREATE == 0 {
			return nil, flags, sqlite3.CANTOPEN
		}
		if _, err := d.op(); err != nil {
			return nil, flags, sqlite3.CANTOPEN
		}
		f = &simFile{}
		if name != "" {
			d.files[name] = f
		}
	}
	return &simHandle{d, f, name}, flags, nil
}

func (d *simDisk) Delete(name string, syncDir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return sqlite3.IOERR_DELETE_NOENT
	}
	if _, err := d.op(); err != nil {
		return sqlite3.IOERR_DELETE
	}
	delete(d.files, name)
	if !syncDir && f.made {
		d.gone[name] = f
	}
	return nil
}

func (d *simDisk) Access(name string, _ vfs.AccessFlag) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[name] != nil, nil
}

func (d *simDisk) FullPathname(name string) (string, error) { return name, nil }

// simHandle is an open file.
type simHandle struct {
	d    *simDisk
	f    *simFile
	name string
}

func (h *simHandle) Close() error                     { return nil }
func (h *simHandle) Lock(vfs.LockLevel) error         { return nil }
func (h *simHandle) Unlock(vfs.LockLevel) error       { return nil }
func (h *simHandle) CheckReservedLock() (bool, error) { return false, nil }
func (h *simHandle) SectorSize() int                  { return 512 }
func (h *simHandle) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE
}

func (h *simHandle) Size() (int64, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return int64(len(h.f.now)), nil
}

func (h *simHandle) ReadAt(p []byte, at int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.d.dead {
		return 0, sqlite3.IOERR_READ
	}
	if at >= int64(len(h.f.now)) {
		return 0, io.EOF
	}
	n := copy(p, h.f.now[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *simHandle) WriteAt(p []byte, at int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	half, err := h.d.op()
	if err != nil && !half {
		return 0, err
	}
	if half {
		p = p[:len(p)/2]
	}
	if len(p) > 0 {
		h.f.now = written(h.f.now, at, p)
		h.f.since = append(h.f.since, simWrite{at, bytes.Clone(p)})
	}
	return len(p), err
}

func (h *simHandle) Truncate(size int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if _, err := h.d.op(); err != nil {
		return err
	}
	h.f.now = resized(h.f.now, size)
	h.f.since = append(h.f.since, simWrite{at: size})
	return nil
}

func (h *simHandle) Sync(vfs.SyncFlag) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if _, err := h.d.op(); err != nil {
		return err
	}
	h.f.synced, h.f.since, h.f.made = bytes.Clone(h.f.now), nil, true
	return nil
}
