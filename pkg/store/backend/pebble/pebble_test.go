// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/backendtest"
)

func mustOpen(t *testing.T, dir string) *Backend {
	t.Helper()
	b, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestPebble(t *testing.T) {
	backendtest.Run(t, backendtest.Kind{Persistent: true, Open: func(t *testing.T, dir string) backend.Backend {
		b, err := Open(filepath.Join(dir, "made", "on demand"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}})
}

func TestDeadlinesComeInOrder(t *testing.T) {
	b := mustOpen(t, t.TempDir())
	for i, d := range []backend.Deadline{5, -7, 1 << 60, 0, -1 << 60} {
		if err := b.Put(backend.Entry{Key: data.Count(uint64(i)), Deadline: d}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	var got []backend.Deadline
	for e := range b.Expiring() {
		got = append(got, e.Deadline)
	}
	if len(got) != 5 || !slices.IsSorted(got) {
		t.Errorf("deadlines %v", got)
	}
}

func TestFailures(t *testing.T) {
	_, err := Open("", Options{})
	backendtest.Failure(t, "", err)

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(file, Options{})
	backendtest.Failure(t, file, err)

	dir := t.TempDir()
	first := mustOpen(t, dir)
	_, err = Open(dir, Options{})
	backendtest.Failure(t, dir, err)
	if err := first.db.Set(versionKey, []byte("99"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	backendtest.Failure(t, dir, err)
}

func TestEntryThatIsNoValue(t *testing.T) {
	for _, raw := range [][]byte{{}, {1, 2, 3}, {7, 0, 0, 0, 0, 0, 0, 0, 0xff}, {0, 0, 1, 2, 3, 4}} {
		b := mustOpen(t, t.TempDir())
		if err := b.db.Set([]byte{entryPrefix, 0}, raw, pebble.Sync); err != nil {
			t.Fatal(err)
		}
		for _, err := range entries(t, b) {
			backendtest.Failure(t, b.path, err)
		}
		_, _, err := b.Get(data.None())
		backendtest.Failure(t, b.path, err)
	}
}

func TestFatalErrorFailsTheCommit(t *testing.T) {
	b := mustOpen(t, t.TempDir())
	if err := b.Put(backend.Entry{Key: data.Count(1), Deadline: backend.Never}); err != nil {
		t.Fatal(err)
	}
	b.fs.Fatalf("the disk is %s", "full")
	backendtest.Failure(t, b.path, b.Commit())
}

// entries are those of a snapshot.
func entries(t *testing.T, b *Backend) iter.Seq2[backend.Entry, error] {
	t.Helper()
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.Entries()
}
