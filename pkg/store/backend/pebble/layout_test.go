// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

const oldEntries = 300

// makeLayout1 makes a folder as the first version of this package did, in an old format of Pebble's files, and answers its content.
func makeLayout1(t *testing.T, fs vfs.FS) content {
	t.Helper()
	if err := fs.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open(folder, &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatColumnarBlocks, Logger: newGuard(fs)})
	if err != nil {
		t.Fatal(err)
	}
	set := func(key, value []byte) {
		if err := db.Set(key, value, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	want := content{"meta history": "h"}
	set(versionKey, []byte("1"))
	set([]byte("nhistory"), []byte("h"))
	var bytes uint64
	for i := range uint64(oldEntries) {
		e := backend.Entry{Key: data.Count(i), Value: data.String(strings.Repeat("v", int(10*i))), Deadline: backend.Never}
		if i%3 == 0 {
			e.Deadline = backend.Deadline(i)
			set(deadlineKey(nil, e.Deadline, e.Key.AppendBinary([]byte{0})), nil)
		}
		set(e.Key.AppendBinary([]byte{'d'}), e.Value.AppendBinary(appendDeadline(nil, e.Deadline)))
		want[showKey(e.Key)] = showEntry(e)
		bytes += uint64(e.Key.BinarySize() + e.Value.BinarySize())
	}
	set([]byte("msize"), binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, oldEntries), bytes))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return want
}

func expectContent(t *testing.T, fs vfs.FS, dir string, want content) {
	t.Helper()
	b, err := Open(dir, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	got, err := contentOf(b)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%d entries and metas, want %d, %v", len(got), len(want), err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestMigration(t *testing.T) {
	fs := vfs.NewMem()
	want := makeLayout1(t, fs)
	for range 2 {
		expectContent(t, fs, folder, want)
	}
	// The copy is as the folder was, so that it can be opened (which migrates it in turn).
	backup := fmt.Sprintf("%s.layout1-format%d.backup", folder, uint64(pebble.FormatColumnarBlocks))
	desc, err := pebble.Peek(backup, fs)
	if err != nil || desc.FormatMajorVersion != pebble.FormatColumnarBlocks {
		t.Errorf("backup: %v, %v", desc, err)
	}
	expectContent(t, fs, backup, want)
}

// TestMigrationCutOff lets the power fail during a migration, at any write: it begins anew.
func TestMigrationCutOff(t *testing.T) {
	fs := vfs.NewCrashableMem()
	want := makeLayout1(t, fs)
	fs = whole(fs)
	var mu sync.Mutex // the background writes as well
	var left []*vfs.MemFS
	f := &faults{at: func(int64, errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		left = append(left, fs.CrashClone(vfs.CrashCloneCfg{}))
		return nil
	}}
	b, err := Open(folder, Options{FS: errorfs.Wrap(fs, f)})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	n := len(left)
	mu.Unlock()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, fs := range left[:n] {
		expectContent(t, fs, folder, want)
	}
}

func TestNewerVersionsAreRefused(t *testing.T) {
	fs := vfs.NewMem()
	b, err := Open(folder, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.db.Set(versionKey, []byte("7"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(folder, Options{FS: fs})
	backendtest.Failure(t, folder, err)
	if !strings.Contains(err.Error(), "layout 7, this program knows up to 2") {
		t.Errorf("the versions are not named: %v", err)
	}

	fs = vfs.NewMem()
	if err := fs.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	marker, err := fs.Create(fs.PathJoin(folder, "marker.format-version.000099.999"), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := marker.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(folder, Options{FS: fs})
	backendtest.Failure(t, folder, err)
	if !strings.Contains(err.Error(), "999") || !strings.Contains(err.Error(), fmt.Sprint(uint64(format))) {
		t.Errorf("the versions are not named: %v", err)
	}
}

func TestAnotherProgramsDatabase(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open(folder, &pebble.Options{FS: fs, Logger: newGuard(fs)})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Set([]byte("key"), []byte("value"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(folder, Options{FS: fs})
	backendtest.Failure(t, folder, err)
}
