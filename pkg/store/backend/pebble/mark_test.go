// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

// fill commits entries, one at a time.
func fill(t *testing.T, b *Backend, from, to uint64) {
	t.Helper()
	for i := from; i < to; i++ {
		err := b.Put(backend.Entry{Key: data.Count(i), Value: data.Count(i), Deadline: backend.Never})
		if err := errors.Join(err, b.Commit()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLostLog takes the log away, as no crash does. Pebble alone would open what is left.
func TestLostLog(t *testing.T) {
	fs := vfs.NewMem()
	b, err := Open(folder, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, b, 0, 10)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			if err := fs.Remove(fs.PathJoin(folder, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err = Open(folder, Options{FS: fs})
	backendtest.Failure(t, folder, err)
	if !strings.Contains(err.Error(), "10 were acknowledged, 0 are there") || !strings.Contains(err.Error(), "remove "+markName) {
		t.Errorf("the error doesn't say what is missing and what to do: %v", err)
	}
	// And doing so helps.
	if err := fs.Remove(fs.PathJoin(folder, markName)); err != nil {
		t.Fatal(err)
	}
	b, err = Open(folder, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFolderInUse opens a folder twice, under two names.
func TestFolderInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	mustOpen(t, dir)
	other := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, other); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, other} {
		_, err := Open(name, Options{})
		backendtest.Failure(t, name, err)
		if !errors.Is(err, errInUse) {
			t.Errorf("the error doesn't say that the folder is in use: %v", err)
		}
	}
}

// TestSyncOff keeps nothing that it didn't promise, but closing writes everything.
func TestSyncOff(t *testing.T) {
	fs := vfs.NewCrashableMem()
	b, err := Open(folder, Options{FS: fs, Sync: Off})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, b, 0, 100)
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		fs          *vfs.MemFS
		least, most int64
	}{{crashed, 0, 100}, {fs, 100, 100}} {
		b, err := Open(folder, Options{FS: tt.fs})
		if err != nil {
			t.Fatal(err)
		}
		if n := b.Size().Entries; n < tt.least || n > tt.most {
			t.Errorf("%d entries", n)
		}
		if _, err := contentOf(b); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(folder, Options{FS: fs, Sync: "sometimes"}); err == nil {
		t.Error("a mode that doesn't exist is accepted")
	}
}

// TestSnapshotsEndWithTheBackend closes a backend while a snapshot is read.
func TestSnapshotsEndWithTheBackend(t *testing.T) {
	b := mustOpen(t, t.TempDir())
	fill(t, b, 0, 10)
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.Entries() {
		if n++; n == 3 {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		if n > 3 {
			backendtest.Failure(t, b.path, err)
		}
	}
	if n != 4 {
		t.Errorf("%d steps", n)
	}
	_, _, err = s.Get(data.Count(1))
	backendtest.Failure(t, b.path, err)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
