// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guarded is a file of a guard. File is nil in one that could not be made.
type guarded struct {
	vfs.File
	g    *guard
	name string
	dir  bool
	// sum is that of a manifest.
	sum *sum
}

// write does an act that the guard may have ended, and tells Pebble of it as the guard's comment says.
func (f *guarded) write(act string, do func() error) error {
	if !f.g.stopped() {
		err := do()
		if err == nil || !f.g.stop(fmt.Errorf("%s %s: %w", act, filepath.Base(f.name), err)) {
			return err
		}
	}
	if f.dir || isLog(f.name) {
		return nil
	}
	f.g.pause()
	return f.g.failure()
}

// Write appends to the file.
func (f *guarded) Write(p []byte) (n int, err error) {
	err = f.write("write", func() (err error) {
		if f.sum != nil {
			f.sum.add(p) // before: writing may change the bytes
		}
		n, err = f.File.Write(p)
		if err != nil {
			f.sum = nil
		}
		return err
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

// WriteAt writes somewhere in the file.
func (f *guarded) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.write("write", func() (err error) {
		n, err = f.File.WriteAt(p, at)
		return err
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

// Sync waits for the disk.
func (f *guarded) Sync() error {
	return f.write("sync", func() error {
		if err := f.File.Sync(); err != nil {
			return err
		}
		return f.g.synced(f.sum)
	})
}

// SyncData waits for the disk.
func (f *guarded) SyncData() error {
	return f.write("sync", func() error {
		if err := f.File.SyncData(); err != nil {
			return err
		}
		return f.g.synced(f.sum)
	})
}

// SyncTo waits for the disk, or asks it to begin.
func (f *guarded) SyncTo(length int64) (full bool, err error) {
	err = f.write("sync", func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Preallocate reserves room.
func (f *guarded) Preallocate(offset, length int64) error {
	if f.g.stopped() {
		return nil
	}
	return f.g.done("reserve room for", f.name, f.File.Preallocate(offset, length))
}

// Close closes the file.
func (f *guarded) Close() error {
	if f.File == nil {
		return nil
	}
	err := f.File.Close()
	if f.g.stopped() {
		return nil
	}
	return f.g.done("close", f.name, err)
}

// Read reads on in the file.
func (f *guarded) Read(p []byte) (int, error) {
	if f.File == nil {
		return 0, os.ErrNotExist
	}
	return f.File.Read(p)
}

// ReadAt reads somewhere in the file.
func (f *guarded) ReadAt(p []byte, at int64) (int, error) {
	if f.File == nil {
		return 0, os.ErrNotExist
	}
	return f.File.ReadAt(p, at)
}

// Stat describes the file.
func (f *guarded) Stat() (vfs.FileInfo, error) {
	if f.File == nil {
		return absent{filepath.Base(f.name)}, nil // an error about a log would make Pebble panic
	}
	return f.File.Stat()
}

// absent describes a file that could not be made: an empty one.
type absent struct{ name string }

// Name is the file's name.
func (a absent) Name() string { return a.name }

// Size is 0.
func (absent) Size() int64 { return 0 }

// Mode is that of a file.
func (absent) Mode() os.FileMode { return 0o600 }

// ModTime is unknown.
func (absent) ModTime() time.Time { return time.Time{} }

// IsDir is false.
func (absent) IsDir() bool { return false }

// Sys is nothing.
func (absent) Sys() any { return nil }

// DeviceID is unknown.
func (absent) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

// Prefetch asks for what is about to be read.
func (f *guarded) Prefetch(offset, length int64) error {
	if f.File == nil {
		return nil
	}
	return f.File.Prefetch(offset, length)
}

// Fd is the operating system's number of the file.
func (f *guarded) Fd() uintptr {
	if f.File == nil {
		return vfs.InvalidFd
	}
	return f.File.Fd()
}
